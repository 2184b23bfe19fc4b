"""A training that diverges says where, and leaves weights and checkpoints as they were."""

from typing import Any

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.training import few
from tinycnn.data import DATA_SETS, DataLoader
from tinycnn.training import Callback, Diverged, Run, Trainer
from tinycnn.training.divergence import fault_in_state, first_cause

nn = tc.nn


def loader(images: Any = None) -> DataLoader:
    if images is None:
        images = np.random.default_rng(0).normal(size=(8, 1, 4, 4))
    return DataLoader(np.asarray(images, np.float32), np.arange(len(images)) % 3, 4)


def fit(model: nn.Module, train: DataLoader | None = None, lr: float = 0.1, **options: Any) -> Trainer:
    trainer = Trainer(model, tc.optim.SGD(model.parameters(), lr=lr), **options)
    trainer.fit(train or loader(), epochs=3)
    return trainer


class DivideByZero(nn.Module):
    """Makes an infinity or NaN of anything."""

    def __init__(self, numerator: float = 1.0):
        self.numerator = numerator

    def forward(self, x: Any) -> tc.Tensor:
        return (x * 0 + self.numerator) / (x * 0)


class Around(nn.Module):
    """Divides by zero in between its own layers, which are not to blame."""

    def __init__(self) -> None:
        self.first, self.second = nn.Linear(16, 5), nn.Linear(5, 3)

    def forward(self, x: Any) -> tc.Tensor:
        return self.second(self.first(x) / 0.0)


def network(*end: nn.Module) -> nn.Sequential:
    tc.manual_seed(1)
    return nn.Sequential(
        {"flat": nn.Flatten(), "hidden": nn.Linear(16, 16), "relu": nn.ReLU(), "end": nn.Sequential(*end)}
    )


def test_a_rate_of_a_million_names_a_layer_and_leaves_the_last_checkpoint(monkeypatch, tmp_path):
    monkeypatch.setitem(DATA_SETS, "few", few.FEW)
    run = Run.start(few.recipe(lr=1e6, batch_size=4, epochs=10), tmp_path / "run")
    path = tmp_path / "run" / "last.safetensors"
    seen: list[bytes] = []

    class Look(Callback):
        def on_epoch_end(self, trainer: Trainer) -> None:
            seen.append(path.read_bytes())

    start = path.read_bytes()
    with pytest.raises(Diverged, match=r"the loss is (inf|nan) in epoch \d+, batch \d+: .*layer \w+ \(\w+\).*lower lr"):
        run.fit(Look())
    assert path.read_bytes() == (seen[-1] if seen else start)
    Run.resume(tmp_path / "run")


def test_nan_in_a_batch_is_found_in_the_batch():
    images = np.zeros((8, 1, 4, 4))
    images[6, 0, 1, 1] = np.nan
    with pytest.raises(
        Diverged, match="epoch 1, batch 2: the batch itself holds NaN, first in image 2: look at the data"
    ):
        fit(network(nn.Linear(16, 3)), loader(images))
    images[6, 0, 1, 1] = np.inf
    with pytest.raises(Diverged, match="the batch itself holds infinity"):
        fit(network(nn.Linear(16, 3)), loader(images))


@pytest.mark.parametrize("parameter", ["weight", "bias"])
@pytest.mark.parametrize(("layer", "kind"), [("hidden", "Linear"), ("end.0", "Linear")])
def test_nan_in_a_weight_is_found_in_its_layer(layer, kind, parameter):
    model = network(nn.Linear(16, 3))
    getattr(dict(model.named_modules())[layer], parameter).data.flat[0] = np.nan
    with pytest.raises(
        Diverged, match=rf"batch 1: layer {layer} \({kind}\) has NaN in its {parameter}; try a lower lr"
    ):
        fit(model)


def test_the_first_of_two_is_named():
    model = network(nn.Linear(16, 3))
    model.hidden.weight.data[0, 0] = model.end[0].weight.data[0, 0] = np.nan
    with pytest.raises(Diverged, match="layer hidden "):
        fit(model)


def test_a_weight_that_does_no_harm_is_not_blamed():
    class Idle(nn.Linear):
        def forward(self, x: Any) -> tc.Tensor:
            return F.linear(x, np.ones((16, 16), np.float32))

    model = network(Idle(16, 16), DivideByZero(), nn.Linear(16, 3))
    model.end[0].weight.data[0, 0] = np.nan
    assert first_cause(model, [next(loader().batches(0))[0]]).startswith("layer end.1 (DivideByZero) made infinity")


@pytest.mark.parametrize(("numerator", "kind"), [(0.0, "NaN"), (1.0, "infinity")])
def test_a_layer_that_makes_it_of_finite_inputs_is_named(numerator, kind):
    model = network(nn.ReLU(), DivideByZero(numerator), nn.Linear(16, 3))
    with pytest.raises(Diverged, match=rf"layer end.1 \(DivideByZero\) made {kind} of finite inputs; try a lower lr"):
        fit(model)


def test_a_module_that_does_it_between_its_own_layers_is_named():
    model = nn.Sequential({"flat": nn.Flatten(), "block": Around()})
    with pytest.raises(Diverged, match=r"layer block \(Around\) made (NaN|infinity) of finite inputs"):
        fit(model)


def test_a_model_that_does_it_outside_all_layers_is_named():
    class Bare(Around):
        def forward(self, x: Any) -> tc.Tensor:
            return self.second(self.first(x.reshape(len(x), -1)) / 0.0)

    with pytest.raises(Diverged, match=r"the model itself \(Bare\) made (NaN|infinity) of finite inputs"):
        fit(Bare())


def test_a_parameter_beside_layers_is_found():
    class Scaled(Around):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(np.full(5, np.nan, np.float32))

        def forward(self, x: Any) -> tc.Tensor:
            return self.second(self.first(x) * self.scale)

    with pytest.raises(Diverged, match=r"layer block \(Scaled\) has NaN in its scale"):
        fit(nn.Sequential({"flat": nn.Flatten(), "block": Scaled()}))


def test_the_loss_alone():
    class Odd(nn.Sequential):
        def loss(self, outputs: tc.Tensor, targets: Any) -> tc.Tensor:
            return (outputs * 0).sum() / 0.0

    with pytest.raises(Diverged, match=r"at last up to \d\.\de[+-]\d\d by layer 1 \(Linear\), so it arose in the loss"):
        fit(Odd(nn.Flatten(), nn.Linear(16, 3)))


def test_outputs_too_large_for_the_loss():
    model = network(nn.Linear(16, 3))
    model.end[0].weight.data[...] = 0
    model.end[0].bias.data[...] = [3e38, -1e38, -1e38]  # finite, but not their differences
    with pytest.raises(Diverged, match=r"at last up to 3.0e\+38 by layer end.0 \(Linear\), .* try a lower lr"):
        fit(model)


def test_dropout_drops_the_same_in_the_search():
    class DivideWhereKept(nn.Module):
        """Fails for one mask in 2**16: that of the step."""

        def forward(self, x: Any) -> tc.Tensor:
            masks.append(np.asarray(x.data != 0).tobytes())
            return x / 0.0 if len(masks) == 3 or masks[-1] in masks[2:3] else x + 0

    masks: list[bytes] = []
    model = network(nn.Dropout(0.5), DivideWhereKept(), nn.Linear(16, 3))
    with pytest.raises(Diverged):
        fit(model)
    assert len(masks) == 4
    assert masks[3] == masks[2]
    assert masks[2] != masks[1]


def test_the_step_is_not_taken():
    class Look(Callback):
        def on_batch_end(self, trainer: Trainer) -> None:
            seen.append((trainer.model.state_dict(), trainer.optimizer.state_dict(), trainer.batch))

    seen: list[Any] = []
    images = np.random.default_rng(0).normal(size=(8, 1, 4, 4))
    images[5] = np.inf
    model = network(nn.Linear(16, 3))
    trainer = Trainer(model, tc.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), callbacks=[Look()])
    with pytest.raises(Diverged):
        trainer.fit(loader(images), epochs=1)
    ((weights, state, batch),) = seen
    assert trainer.batch == batch == 1
    assert all((array == weights[name]).all() for name, array in model.state_dict().items())
    assert all(np.array_equal(value, state[name]) for name, value in trainer.optimizer.state_dict().items())


def test_a_last_step_that_spoils_the_weights_is_noticed_too():
    model = network(nn.Linear(16, 3))
    one_batch = DataLoader(np.full((4, 1, 4, 4), 1e19, np.float32), [0, 1, 2, 0], 4)
    with pytest.raises(Diverged, match=r"after epoch 1, layer \w+ \(Linear\) has (infinity|NaN) in its weight"):
        fit(model, one_batch, lr=1e38)


def test_a_validation_that_overflows_is_told_and_not_written_down():
    images = np.random.default_rng(0).normal(size=(8, 1, 4, 4))
    model = network(DivideWhere(1e6), nn.Linear(16, 3))
    trainer = Trainer(model, tc.optim.SGD(model.parameters(), lr=0.01))
    told = r"the validation loss is (nan|inf) after epoch 1: layer end.0 \(DivideWhere\) made (NaN|infinity)"
    with pytest.raises(Diverged, match=told):
        trainer.fit(loader(images), loader(images * 1e8), epochs=1)
    assert trainer.history == []


class DivideWhere(nn.Module):
    """Divides by zero where an input is larger than a bound, and not while it is trained."""

    def __init__(self, bound: float):
        self.bound = bound

    def forward(self, x: Any) -> tc.Tensor:
        return x / 0.0 if not self.training and (x.data > self.bound).any() else x + 0


def test_statistics_of_batch_normalisation_belong_to_the_state():
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(16, 3))
    assert fault_in_state(model) is None
    model[0].running_var[0] = np.inf
    assert fault_in_state(model) == "layer 0 (BatchNorm2d) has infinity in its running_var; try a lower lr"


def test_the_search_leaves_no_hooks_behind():
    model = network(DivideByZero(), nn.Linear(16, 3))
    first_cause(model, [np.zeros((1, 1, 4, 4), np.float32)])
    assert not any(vars(module).get("_forward_hooks") for module in model.modules())
