"""What all optimisers share: which parameters move, what may be shared, saving and going on, and what is refused."""

import json
import re
from collections.abc import Iterator

import numpy as np
import pytest

import tinycnn as tc
from tests.backends import running, to_backend, to_numpy
from tests.numeric import assert_close
from tests.optim.problems import parameters, problem, run, set_gradients

MAKERS = {
    "SGD": lambda params: tc.optim.SGD(params, 0.05),
    "SGD with momentum": lambda params: tc.optim.SGD(params, 0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda params: tc.optim.Adam(params, 0.05, weight_decay=0.01),
    "AdamW": lambda params: tc.optim.AdamW(params, 0.05),
}
every_optimizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
on_every_backend = pytest.mark.usefixtures("backend")


@pytest.fixture(params=tc.available_backends())
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The backend that is running."""
    with running(request.param) as name:
        yield name


def tensor(*values: float, dtype: str = "float32") -> tc.Tensor:
    return tc.Tensor(to_backend(np.array(values, dtype)), requires_grad=True)


def ones(*shape: int, dtype: str = "float32") -> np.ndarray:
    """A gradient."""
    return to_backend(np.ones(shape, dtype))


def values_of(tensor: tc.Tensor) -> list[float]:
    return to_numpy(tensor.data).tolist()


def said(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert not message.endswith(".")
    return message


@every_optimizer
def test_training_goes_downhill(make, rng):
    inputs = tc.Tensor(rng.standard_normal((64, 5)))
    targets = (inputs.data @ rng.standard_normal((5, 3))).argmax(axis=1)
    model = tc.nn.Sequential(tc.nn.Linear(5, 16), tc.nn.Tanh(), tc.nn.Linear(16, 3))
    for parameter in model.parameters():
        parameter.data = rng.standard_normal(parameter.shape) * 0.3
    optimizer = make(model.parameters())
    losses = []
    for _ in range(60):
        loss = tc.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@on_every_backend
@every_optimizer
def test_a_parameter_without_gradient_is_let_be(make):
    trained, idle, frozen = tensor(1.0, 2.0), tensor(3.0), tc.Tensor(ones(1))
    optimizer = make([trained, idle, frozen])
    for _ in range(3):
        trained.grad = ones(2)
        optimizer.step()
    assert (to_numpy(trained.data) < [1, 2]).all()
    assert idle.data == 3  # weight decay alone would have moved it
    assert frozen.data == 1
    assert (idle.changes, frozen.changes) == ([0], [0])
    assert (optimizer.steps, optimizer.updates) == (3, [3, 0, 0])
    assert not [name for name in optimizer.state_dict() if name.endswith((".1", ".2"))]


@every_optimizer
def test_zero_grad_forgets_every_gradient(make):
    w, b = tensor(1.0), tensor(2.0)
    w.grad = ones(1)
    make([w, b]).zero_grad()
    assert w.grad is None
    assert b.grad is None


@every_optimizer
def test_parameters_keep_their_order_and_each_moves_once(make):
    tensors = [tensor(float(i)) for i in range(20)]
    optimizer = make(iter([*tensors, *reversed(tensors)]))
    assert [id(t) for t in optimizer.params] == [id(t) for t in tensors]
    twice, once = tensor(1.0), tensor(1.0)
    for given in ([twice, twice], [once]):
        given[0].grad = ones(1)
        make(given).step()
    assert twice.data == once.data


@on_every_backend
@every_optimizer
def test_the_arrays_are_changed_in_place_and_gradients_not_at_all(make):
    w, v = tensor(1.0, 2.0), tensor(3.0, 4.0)
    array, shared = w.data, to_backend(np.array([0.5, -1.0], np.float32))
    optimizer = make([w, v])
    for _ in range(3):
        w.grad = v.grad = shared
        optimizer.step()
    assert w.data is array
    assert values_of(w) != [1, 2]
    assert shared.tolist() == [0.5, -1.0]


@on_every_backend
@every_optimizer
def test_nothing_of_a_gradient_is_kept_by_reference(make):
    kept, overwritten = tensor(1.0, 2.0), tensor(1.0, 2.0)
    optimizers = [make([kept]), make([overwritten])]
    for optimizer in optimizers:
        optimizer.params[0].grad = ones(2)
        optimizer.step()
    overwritten.grad[...] = 100
    for optimizer in optimizers:
        optimizer.params[0].grad = ones(2)
        optimizer.step()
    assert values_of(kept) == values_of(overwritten)


@on_every_backend
@every_optimizer
@pytest.mark.parametrize("layout", ["transposed", "every other", "gradient transposed"])
def test_memory_layout_does_not_matter(make, layout):
    values = np.arange(12, dtype=np.float64).reshape(3, 4)
    plain, odd = parameters([values, values])
    if layout == "transposed":
        odd.data = odd.data.copy(order="F")
    elif layout == "every other":
        odd.data = np.repeat(odd.data, 2, axis=1)[:, ::2]
    assert odd.data.flags.c_contiguous == ("gradient" in layout)
    optimizers = [make([plain]), make([odd])]
    gradient = to_backend(np.cos(values))
    for _ in range(3):
        plain.grad, odd.grad = gradient, gradient.copy(order="F" if "gradient" in layout else "C")
        for optimizer in optimizers:
            optimizer.step()
    assert odd.data.flags.c_contiguous
    assert (to_numpy(plain.data) != values).all()
    assert values_of(odd) == values_of(plain)


@on_every_backend
@every_optimizer
def test_an_array_exchanged_between_steps_is_the_one_that_moves(make):
    (w,) = parameters([np.ones((2, 3))])
    optimizer = make([w])
    w.data = to_backend(np.asfortranarray(np.full((2, 3), 7.0)))
    w.grad = ones(2, 3, dtype="float64")
    optimizer.step()
    assert (w.data < 7).all()


@every_optimizer
def test_backward_through_values_from_before_the_step_is_noticed(make):
    w = tensor(1.0, 2.0)
    optimizer = make([w])
    first, second = (w * w).sum(), (w * w).sum()
    first.backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        second.backward()


@on_every_backend
@every_optimizer
def test_an_empty_parameter_is_no_problem(make):
    (w,) = parameters([np.ones((0, 3))])
    optimizer = make([w])
    w.grad = ones(0, 3, dtype="float64")
    optimizer.step()
    assert w.shape == (0, 3)


def test_the_learning_rate_of_now_is_the_one_that_counts():
    w = tensor(1.0)
    optimizer = tc.optim.SGD([w], lr=0.5)
    optimizer.lr = 0.25
    w.grad = ones(1)
    optimizer.step()
    assert w.data == 0.75


@on_every_backend
def test_a_momentum_that_is_turned_on_later_works_and_is_saved():
    w = tensor(1.0)
    optimizer = tc.optim.SGD([w], lr=0.5)
    w.grad = ones(1)
    optimizer.step()
    optimizer.momentum = 0.5
    assert optimizer.state_dict()["velocity.0"] == 0
    optimizer.step()
    assert optimizer.state_dict()["velocity.0"] == 1


# Saving and going on


@on_every_backend
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_optimizer
def test_a_run_goes_on_bit_for_bit(make, dtype):
    given = problem(dtype, steps=12, frozen=4)
    whole = run(make(parameters(given.start)), given.gradients)
    for half in (2, 8):  # before and after the second parameter thaws
        first = make(parameters(given.start))
        reached = run(first, given.gradients[:half])
        state = first.state_dict()
        stored = {name: to_numpy(value) for name, value in state.items()}  # a file holds arrays of main memory
        numbers = {name: value for name, value in stored.items() if not isinstance(value, np.ndarray)}
        state = stored | json.loads(json.dumps(numbers))
        second = type(first)(parameters(reached), lr=123.0)
        second.load_state_dict(state)
        assert (second.steps, second.lr, second.updates[1]) == (half, 0.05, max(0, half - 4))
        for actual, expected in zip(run(second, given.gradients[half:]), whole, strict=True):
            np.testing.assert_array_equal(actual, expected)


@on_every_backend
@every_optimizer
def test_a_saved_state_is_a_copy_both_ways(make):
    given = problem(steps=3)
    optimizer = make(parameters(given.start))
    run(optimizer, given.gradients)
    state = optimizer.state_dict()
    before = {name: np.array(to_numpy(value)) for name, value in state.items()}
    other = make(parameters(given.start))
    other.load_state_dict(state)
    run(optimizer, given.gradients)
    run(other, given.gradients)
    for name, value in state.items():
        np.testing.assert_array_equal(to_numpy(value), before[name], err_msg=name)


@pytest.mark.skipif("cupy" not in tc.available_backends(), reason="there is no GPU")
def test_a_state_saved_on_the_gpu_goes_on_in_main_memory():
    given, ends = problem(steps=4), []
    for backends in (("cupy", "numpy"), ("numpy", "numpy")):
        with running(backends[0]):
            first = MAKERS["Adam"](parameters(given.start))
            reached = run(first, given.gradients)
        with running(backends[1]):
            second = MAKERS["Adam"](parameters(reached))
            second.load_state_dict(first.state_dict())
            ends.append(run(second, given.gradients))
    for actual, expected in zip(*ends, strict=True):
        assert_close(actual, expected, 1e-14)


def test_the_names_in_a_state():
    given = problem(steps=2)

    def names(make):
        optimizer = make([tc.Tensor(array.copy()) for array in given.start[:2]])
        run(optimizer, [step[:2] for step in given.gradients])
        return list(optimizer.state_dict())

    plain = ["lr", "momentum", "nesterov", "weight_decay", "steps", "updates"]
    assert names(MAKERS["SGD"]) == plain
    assert names(MAKERS["SGD with momentum"]) == [*plain, "velocity.0", "velocity.1"]
    adam = ["lr", "betas", "eps", "weight_decay", "steps", "updates", "mean.0", "mean.1", "square.0", "square.1"]
    assert names(MAKERS["Adam"]) == adam


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("lr"), "the state has no 'lr'"),
        (lambda s: s.pop("betas"), "the state has no 'betas'"),
        (lambda s: s.pop("square.1"), "the state has no 'square.1'"),
        (lambda s: s.update({"velocity.0": np.zeros(2)}), "the state has an unexpected 'velocity.0'"),
        (lambda s: s.update({"mean.7": np.zeros(2)}), "the state has an unexpected 'mean.7'"),
        (lambda s: s.update({"square.1": np.zeros(4)}), "'square.1' of the state is float64 of shape (4,), but its"),
        (lambda s: s.update({"mean.0": s["mean.0"].astype("f4")}), "'mean.0' of the state is float32 of shape (4, 3"),
        (lambda s: s.update({"mean.0": [1.0]}), "'mean.0' of the state must be an array, got list"),
        (lambda s: s.update(updates=[2]), "the state is of 1 parameters, this optimizer has 2"),
        (lambda s: s.update(updates=2), "updates must be a list"),
        (lambda s: s.update(updates=[2, -1]), "updates[1] must be a whole number, 0 or more, got -1"),
        (lambda s: s.update(steps=1.5), "steps must be a whole number, 0 or more, got 1.5"),
        (lambda s: s.update(lr=float("nan")), "lr must be 0 or a positive number, got nan"),
        (lambda s: s.update(betas=[0.9, 1.0]), "betas[1] must be a number from 0 up to, but not including, 1, got 1.0"),
        (lambda s: s.update(eps="small"), "eps must be a positive number, got 'small'"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change, message):
    given = problem(steps=4)
    gradients = [step[:2] for step in given.gradients]

    def trained(seed_steps, **options):
        optimizer = tc.optim.Adam([tc.Tensor(array.copy()) for array in given.start[:2]], **options)
        run(optimizer, gradients[:seed_steps])
        return optimizer

    optimizer = trained(2, lr=0.1)
    before, tensors = optimizer.state_dict(), [t.data.copy() for t in optimizer.params]
    state = trained(4, lr=0.3, betas=(0.5, 0.5), eps=1e-3, weight_decay=0.2).state_dict()
    change(state)
    with pytest.raises((ValueError, TypeError), match="Adam.*" + re.escape(message)) as error:
        optimizer.load_state_dict(state)
    said(error)
    after = optimizer.state_dict()
    assert list(after) == list(before)
    for name in before:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    for tensor, values in zip(optimizer.params, tensors, strict=True):
        np.testing.assert_array_equal(tensor.data, values)


def test_the_state_of_another_class_is_refused():
    state = tc.optim.SGD([tensor(1.0)], 0.1).state_dict()
    with pytest.raises(ValueError, match="has no 'betas': was it saved by another class"):
        tc.optim.Adam([tensor(1.0)]).load_state_dict(state)
    with pytest.raises(TypeError, match=r"a state is what state_dict\(\) returns, got str"):
        tc.optim.Adam([tensor(1.0)]).load_state_dict("run.json")


# What is refused


def read_only() -> tc.Tensor:
    array = np.ones(3)
    array.flags.writeable = False
    return tc.Tensor(array, requires_grad=True)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (lambda: tc.nn.Sequential(tc.nn.ReLU()), "takes model.parameters(), got Sequential: add .parameters()"),
        (lambda: tc.nn.Linear(2, 2).parameters, "takes model.parameters(), got method: call it, with parentheses"),
        (lambda: 3, "takes model.parameters(), got int: pass a list of tensors"),
        (lambda: tensor(1.0), "takes model.parameters() or a list of tensors, got Tensor: put it in a list"),
        (lambda: np.ones(3), "takes model.parameters() or a list of tensors, got ndarray: put it in a list"),
        (lambda: {"w": tensor(1.0)}, "takes model.parameters() or a list of tensors, got dict: pass its values()"),
        (lambda: [tensor(1.0), np.ones(3)], "parameter 1 is no Tensor but ndarray: pass Tensors"),
        (lambda: [("w", tensor(1.0))], "parameter 0 is no Tensor but tuple: use parameters(), not named_parameters()"),
        (lambda: [tc.Tensor(np.ones(3, int))], "parameter 0 is int64, and only floating-point tensors are trained"),
        (list, "got no parameters: does the model have layers"),
        (lambda: [tensor(1.0) * 2], "parameter 0 was computed by Mul"),
        (lambda: [tensor(1.0), read_only()], "parameter 1 of shape (3,) is read-only"),
    ],
)
@every_optimizer
def test_parameters_that_are_none(make, params, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)) as error:
        make(params())
    assert said(error).startswith(("SGD", "Adam"))


NAN, INF = float("nan"), float("inf")
BELOW_ONE = "must be a number from 0 up to, but not including, 1"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        *(("SGD", {"lr": lr}, "lr must be a positive number, got") for lr in (0, -0.1, NAN, INF, "0.1", None, True)),
        *(("AdamW", {"lr": lr}, "lr must be a positive number, got") for lr in (0, -1, NAN)),
        *(("SGD", {"momentum": m}, f"momentum {BELOW_ONE}, got {m}: 0.9 is usual") for m in (1, -0.5, 90, NAN)),
        ("SGD", {"nesterov": True}, "nesterov=True needs a momentum, got momentum=0: use momentum=0.9"),
        ("SGD", {"momentum": 0.9, "nesterov": 1}, "nesterov must be True or False, got 1"),
        *(("SGD", {"weight_decay": w}, "weight_decay must be 0 or a positive number") for w in (-1e-4, INF, [])),
        *(("AdamW", {"weight_decay": w}, "weight_decay must be 0 or a positive number") for w in (-1e-4, NAN)),
        *(("Adam", {"betas": b}, "betas must be two numbers, got") for b in (0.9, (0.9,), (0.9, 0.99, 0.999))),
        ("Adam", {"betas": (1.0, 0.999)}, f"betas[0] {BELOW_ONE}, got 1.0: (0.9, 0.999) is usual"),
        ("AdamW", {"betas": (0.9, -0.1)}, f"betas[1] {BELOW_ONE}, got -0.1"),
        *(("Adam", {"eps": e}, "eps must be a positive number, got") for e in (0, -1e-8, NAN)),
    ],
)
def test_hyper_parameters_out_of_range(name, options, message):
    with pytest.raises((ValueError, TypeError), match=f"^{name}: {re.escape(message)}") as error:
        getattr(tc.optim, name)([tensor(1.0)], **({"lr": 0.1} | options))
    said(error)


def test_a_learning_rate_set_later_may_be_zero_but_not_less():
    optimizer = tc.optim.SGD([tensor(1.0)], 0.1)
    optimizer.lr = 0
    for lr in (-0.1, NAN, "fast"):
        with pytest.raises((ValueError, TypeError), match="SGD: lr must be 0 or a positive number, got"):
            optimizer.lr = lr
    assert optimizer.lr == 0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda w: setattr(w, "grad", np.ones(3)), "the gradient of parameter 1 has shape (3,), the parameter (2,)"),
        (lambda w: setattr(w, "grad", [1.0, 2.0]), "the gradient of parameter 1 must be an array, got list"),
        (lambda w: setattr(w, "grad", tensor(1.0, 2.0)), "the gradient of parameter 1 must be an array, got Tensor"),
        (
            lambda w: setattr(w, "data", np.ones(2)),
            "parameter 1 was numpy float32 of shape (2,) when the optimizer was",
        ),
        (lambda w: w.data.setflags(write=False), "parameter 1 of shape (2,) is read-only"),
    ],
)
@every_optimizer
def test_a_step_that_cannot_be_done_is_not_half_done(make, spoil, message):
    tensors = [tensor(1.0, 2.0), tensor(3.0, 4.0)]
    optimizer = make(tensors)
    set_gradients(tensors, [np.ones(2, np.float32)] * 2)
    spoil(tensors[1])
    with pytest.raises((ValueError, TypeError), match=re.escape(message)) as error:
        optimizer.step()
    said(error)
    assert tensors[0].data.tolist() == [1, 2]
    assert (optimizer.steps, optimizer.updates) == (0, [0, 0])


def test_an_optimizer_tells_its_settings():
    assert repr(MAKERS["AdamW"]([tensor(1.0)])) == (
        "AdamW(1 parameters, lr=0.05, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01)"
    )
