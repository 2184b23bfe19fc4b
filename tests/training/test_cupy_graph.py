"""Steps that a CUDA graph repeats are those that Python would have taken, bit for bit; others are not repeated."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.training.few import StopAfter, timeless
from tinycnn import gpu
from tinycnn.arrays import is_cupy, to_numpy
from tinycnn.data import DataLoader
from tinycnn.training import Callback, Diverged, Trainer

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(gpu.problem()), reason=gpu.problem())]

BATCHES = 5  # in an epoch, and a smaller one
OPTIONS: dict[str, Any] = {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3}


def loader(batch_size: int = 4) -> DataLoader:
    generator = np.random.default_rng(0)
    images = generator.normal(size=(BATCHES * 4 + 2, 1, 6, 6)).astype(np.float32)
    return DataLoader(images, generator.integers(0, 3, len(images)), batch_size, shuffle=True, seed=3)


def network(*layers: tc.nn.Module) -> tc.nn.Sequential:
    tc.manual_seed(5)
    nn = tc.nn
    first = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    return nn.Sequential(*first, *layers, nn.Linear(16, 3)).to("cupy")


def trainer(model: tc.nn.Module | None = None, graph: bool = True, **options: Any) -> Trainer:
    model = model or network()
    return Trainer(model, tc.optim.SGD(model.parameters(), **OPTIONS | options), cuda_graph=graph)


def everything(trained: Trainer) -> dict[str, Any]:
    """All that a training has come to, in a form that equals only what is the same bit for bit."""
    state = trained.state_dict()
    found: dict[str, Any] = {"history": timeless(trained.history)}
    for group in ("model", "optimizer"):
        found[group] = {
            name: to_numpy(value).tobytes() if is_cupy(value) else value for name, value in state[group].items()
        }
    return found


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each graph that is made, how often it is launched."""
    from tinycnn.kernels.cuda import stream

    launched: list[int] = []

    class Counted(stream.Graph):
        def __init__(self, work: Any):
            super().__init__(work)
            self.number = len(launched)
            launched.append(0)

        def launch(self) -> None:
            launched[self.number] += 1
            super().launch()

    monkeypatch.setattr(stream, "Graph", Counted)
    return launched


@pytest.mark.parametrize("options", [{}, {"momentum": 0.0, "weight_decay": 0.0}, {"nesterov": True}])
def test_it_ends_as_without_bit_for_bit(options, graphs):
    plain = trainer(graph=False, **options)
    plain.fit(loader(), DataLoader(*batch_of(7), 4), epochs=3)
    assert graphs == []
    repeated = trainer(**options)
    repeated.fit(loader(), DataLoader(*batch_of(7), 4), epochs=3)
    assert everything(repeated) == everything(plain)
    before = 1 if options.get("momentum") == 0 else 2  # the second is the first that finds velocities
    assert graphs == [3 * BATCHES - before]


def batch_of(count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    return generator.normal(size=(count, 1, 6, 6)).astype(np.float32), generator.integers(0, 3, count)


def test_lenet_ends_as_without_bit_for_bit(graphs):
    images = np.random.default_rng(0).normal(size=(10, 1, 32, 32)).astype(np.float32)
    ended = []
    for graph in (False, True):
        tc.manual_seed(0)
        trained = trainer(tc.models.lenet5().to("cupy"), graph)
        trained.fit(DataLoader(images, np.arange(10), 2), epochs=1)
        ended.append(everything(trained))
    assert ended[0] == ended[1]
    assert graphs == [3]


class Change(Callback):
    """Changes something after so many batches, those of all epochs counted."""

    def __init__(self, changes: dict[int, Callable[[Trainer], object]]):
        self.changes = changes

    def on_batch_end(self, trainer: Trainer) -> None:
        done = trainer.epoch * trainer.batches + trainer.batch
        self.changes.get(done, lambda trainer: None)(trainer)


def freeze(trainer: Trainer) -> None:
    trainer.model[0].requires_grad_(False)  # type: ignore[index]


def load_its_own_state(trainer: Trainer) -> None:
    trainer.load_state_dict(trainer.state_dict())


def set_option(name: str, value: Any) -> Callable[[Trainer], None]:
    return lambda trainer: setattr(trainer.optimizer, name, value)


@pytest.mark.parametrize(
    "change",
    [
        set_option("lr", 0.01),
        set_option("momentum", 0.5),
        set_option("nesterov", True),
        set_option("weight_decay", 0.1),
        freeze,
        load_its_own_state,
    ],
    ids=["lr", "momentum", "nesterov", "weight_decay", "freeze", "state"],
)
def test_what_changes_is_recorded_anew(change, graphs):
    ended = []
    for graph in (False, True):
        trained = trainer(graph=graph)
        trained.callbacks = [Change({4: change})]
        trained.fit(loader(), epochs=2)
        ended.append(everything(trained))
    assert ended[0] == ended[1]
    assert graphs == [2, 5]  # two, the change and a step, the smaller batch, and the second epoch


def test_a_layer_in_another_mode_is_not_repeated(graphs):
    def stop_statistics(trainer: Trainer) -> None:
        trainer.model[1].eval()  # type: ignore[index]

    ended = []
    for graph in (False, True):
        trained = trainer(graph=graph)
        trained.callbacks = [Change({4: stop_statistics})]  # until the next epoch
        trained.fit(loader(), epochs=2)
        ended.append(everything(trained))
    assert ended[0] == ended[1]
    assert graphs == [2 + BATCHES]


def test_a_rate_that_changes_with_each_epoch_is_recorded_anew(graphs):
    ended = []
    for graph in (False, True):
        trained = trainer(graph=graph)
        trained.schedule = tc.optim.StepLR(trained.optimizer, 1, 0.5)
        trained.fit(loader(), epochs=3)
        ended.append(everything(trained))
    assert ended[0] == ended[1]
    assert graphs == [BATCHES - 2, BATCHES - 1, BATCHES - 1]


def test_a_rate_that_changes_with_each_batch_is_not_recorded(graphs):
    ended = []
    for graph in (False, True):
        trained = trainer(graph=graph)
        trained.callbacks = [Change({done: set_option("lr", 0.05 / done) for done in range(1, 20)})]
        trained.fit(loader(), epochs=2)
        ended.append(everything(trained))
    assert ended[0] == ended[1]
    assert graphs == []


def test_batches_of_another_size_are_recorded_anew(graphs):
    ended = []
    for graph in (False, True):
        trained = trainer(graph=graph)
        trained.fit(loader(4), epochs=1)
        trained.fit(loader(6), epochs=2)
        ended.append(everything(trained))
    assert ended[0] == ended[1]
    assert graphs == [BATCHES - 2, 2]


def test_other_products_are_recorded_anew(graphs):
    def allow(trainer: Trainer) -> None:
        tc.allow_tf32(True)

    with tc.allow_tf32(False):
        trained = trainer()
        trained.callbacks = [Change({4: allow})]
        trained.fit(loader(), epochs=1)
    assert graphs == [2]  # the fifth batch is the first of its kind


def test_a_training_goes_on_from_what_was_saved(graphs):
    never = trainer(graph=False)
    never.fit(loader(), epochs=2)
    stopped = trainer()
    stopped.callbacks = [StopAfter(4)]
    stopped.fit(loader(), epochs=2)
    state = stopped.state_dict()
    resumed = trainer()
    resumed.load_state_dict(state)
    resumed.fit(loader(), epochs=2)
    assert everything(resumed) == everything(never)
    assert len(graphs) == 2


def test_gradients_can_be_seen_after_each_step_and_when_the_graph_is_gone():
    def gradients(trained: Trainer) -> list[bytes]:
        return [to_numpy(parameter.grad).tobytes() for parameter in trained.model.parameters()]

    class See(Callback):
        def on_batch_end(self, trainer: Trainer) -> None:
            seen[-1].append(gradients(trainer))

    seen: list[list[list[bytes]]] = []
    models = []
    for graph in (False, True):
        trained = trainer(graph=graph)
        trained.callbacks = [See()]
        seen.append([])
        trained.fit(loader(), epochs=2)
        trained.fit(DataLoader(*batch_of(16), 4), epochs=3)  # so that the last is the graph's
        models.append(trained.model)
        del trained
    assert seen[0] == seen[1]
    first, second = ([to_numpy(parameter.grad) for parameter in model.parameters()] for model in models)
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_a_backward_pass_that_needs_the_old_weights_still_says_so():
    class Keep(Callback):
        def on_batch_end(self, trainer: Trainer) -> None:
            if trainer.batch == BATCHES - 1:
                kept.append(F.linear(trainer.model[-1].weight, trainer.model[-1].weight).sum())  # type: ignore[index]

    kept: list[tc.Tensor] = []
    trained = trainer()
    trained.callbacks = [Keep()]
    trained.fit(DataLoader(*batch_of(4 * BATCHES), 4), epochs=1)
    with pytest.raises(RuntimeError, match="was changed in place after the forward pass"):
        kept[0].backward()


# What is refused


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: trainer(network().to("numpy")),
            'a CUDA graph is of work on the GPU: model.to("cupy") before the optimizer is made, or leave out',
        ),
        (lambda: trainer(network(tc.nn.Dropout(0.5))), "a CUDA graph would drop the same in each step"),
        *(
            (
                lambda name=name: Trainer(
                    (model := network()), getattr(tc.optim, name)(model.parameters()), cuda_graph=True
                ),
                f"a CUDA graph would freeze the number of the step, which {name} needs: use SGD, or leave out",
            )
            for name in ("Adam", "AdamW")
        ),
    ],
    ids=["main memory", "Dropout", "Adam", "AdamW"],
)
def test_what_a_graph_cannot_repeat_is_refused_at_once(make, sentence):
    with pytest.raises(ValueError, match=f"^Trainer: {re.escape(sentence)}.*cuda_graph$"):
        make()


def test_dropout_that_drops_nothing_is_no_reason():
    trainer(network(tc.nn.Dropout(0.0)))


class Reads(tc.nn.Module):
    """Looks at its input."""

    def forward(self, x: tc.Tensor) -> tc.Tensor:
        return x * 2 if float(x.data.max()) > 0 else x


class Draws(tc.nn.Module):
    def forward(self, x: tc.Tensor) -> tc.Tensor:
        return F.dropout(x, 0.5, self.training)


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (Reads(), r"this model's step fits in no CUDA graph \(.*\)"),
        (Draws(), "this model draws random numbers, which a CUDA graph would freeze"),
    ],
    ids=["reads", "draws"],
)
def test_what_turns_out_not_to_be_repeatable_is_refused_in_the_first_steps(layer, sentence):
    with pytest.raises(ValueError, match=f"^Trainer: {sentence}.*: leave out cuda_graph$"):
        trainer(network(layer)).fit(loader(), epochs=1)
    trainer(network(layer), graph=False).fit(loader(), epochs=1)


def test_a_product_that_is_left_to_cublas_is_refused(monkeypatch):
    monkeypatch.setattr("tinycnn.kernels.cuda.product.SMALL", 0)
    with pytest.raises(ValueError, match=r"fits in no CUDA graph \(.* is cuBLAS's, .*\): leave out cuda_graph$"):
        trainer().fit(loader(), epochs=1)


# What goes wrong


def test_a_loss_that_is_not_finite_is_told_after_its_step():
    told = (
        r"the loss is (nan|inf) in epoch 1, batch 5: the graph took the step before the loss was read, and which "
        r"layer made it so cannot be told any more: train without cuda_graph to see it, or try a lower lr"
    )
    images, labels = batch_of(20)
    images[16:] = 3e38
    model = tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(36, 3))
    tc.nn.init.ones_(model[1].weight)
    with pytest.raises(Diverged, match=told):
        trainer(model.to("cupy")).fit(DataLoader(images, labels, 4), epochs=1)


def test_a_batch_that_is_not_finite_is_told_though_the_step_was_taken():
    images, labels = batch_of(20)
    images[17, 0, 2, 3] = np.nan
    with pytest.raises(Diverged, match="in epoch 1, batch 5: the batch itself holds NaN, first in image 1"):
        trainer().fit(DataLoader(images, labels, 4), epochs=1)


def test_a_loss_that_overflows_while_all_weights_are_fine():
    class Overflowing(tc.nn.Module):
        """Its loss is infinite where an image says so, and its gradient is not."""

        def __init__(self) -> None:
            self.weight = tc.nn.Parameter(np.ones((3, 36), np.float32))

        def forward(self, x: Any) -> tc.Tensor:
            return F.linear(F.flatten(x, 1), self.weight)

        def loss(self, outputs: tc.Tensor, targets: Any) -> tc.Tensor:
            return (outputs * 1e30).sum()

    images, labels = batch_of(20)
    images[16:] = 1e7
    model = Overflowing().to("cupy")
    with pytest.raises(Diverged, match=r"the loss is inf in epoch 1, batch 5: all outputs are finite, .*in the loss"):
        trainer(model, lr=1e-38, momentum=0.0).fit(DataLoader(images, labels, 4), epochs=1)


def test_a_target_that_is_no_class_is_told():
    images, labels = batch_of(20)
    labels[17] = 3
    with pytest.raises(ValueError, match="cross_entropy: target 3 at index 1 is no class: with 3 logits the"):
        trainer().fit(DataLoader(images, labels, 4), epochs=1)
