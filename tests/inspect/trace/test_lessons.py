"""What is recorded of everything but the convolutions: reads, sums and searches, held against independent counting."""

import json
import math

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.cases import normal
from tests.numeric import assert_close
from tinycnn.inspect.trace.lessons import LESSONS
from tinycnn.inspect.trace.lessons.optimizer import sgd
from tinycnn.inspect.trace.record import run_lesson

BACKENDS = set(tc.available_backends()) - {"cupy"}
IMAGE = normal(1, 2, 2, 4, 5)
LABELS = np.array([2, 0])
SMOOTH = {"weight": [1.0, 2.0, 0.5], "label_smoothing": 0.1}

CASES = {
    "relu": (F.relu, [normal(2, 2, 3)]),
    "relu of one number": (F.relu, [np.array(-1.0)]),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), [normal(3, 2, 3)]),
    "tanh": (F.tanh, [normal(4, 2, 3)]),
    "sigmoid": (F.sigmoid, [np.array([-800.0, 0.0, 800.0])]),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), [IMAGE]),
    "max_pool2d, ties": (lambda x: F.max_pool2d(x, 2, 1), [np.full((1, 1, 3, 3), -1.0)]),
    "max_pool2d, not finite": (lambda x: F.max_pool2d(x, 2, 1), [np.array([[[[math.nan, 1, -np.inf, -np.inf]] * 2]])]),
    "max_pool2d, ceil_mode": (lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True), [normal(5, 1, 1, 5, 5)]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2, (1, 0, 2, 1)), [IMAGE]),
    "avg_pool2d, real cells": (lambda x: F.avg_pool2d(x, 3, 2, 1, True, False), [IMAGE]),
    "dropout": (lambda x: F.dropout(x, 0.4), [normal(6, 3, 4)]),
    "dropout of all": (lambda x: F.dropout(x, 1.0), [normal(6, 3, 4)]),
    "local_response_norm, odd": (lambda x: F.local_response_norm(x, 3, 1.0), [normal(7, 1, 5, 2, 1)]),
    "local_response_norm, even": (lambda x: F.local_response_norm(x, 4, 1.0), [normal(7, 1, 5, 2, 1)]),
    "local_response_norm, no images": (lambda x: F.local_response_norm(x, 3, 1.0), [normal(8, 2, 5)]),
    "cross_entropy": (lambda z: F.cross_entropy(z, LABELS), [normal(9, 2, 3)]),
    "cross_entropy, weighted": (lambda z: F.cross_entropy(z, LABELS, **SMOOTH), [normal(9, 2, 3)]),
    "cross_entropy, pixels": (lambda z: F.cross_entropy(z, np.array([[1, 2], [0, -100]])), [normal(10, 2, 3, 2)]),
    "linear": (F.linear, [normal(11, 3, 4), normal(12, 2, 4), normal(13, 2)]),
    "linear, no bias": (F.linear, [normal(11, 2, 2, 4), normal(12, 2, 4)]),
}
every_case = pytest.mark.parametrize("name", CASES)


def recorded(name, **options):
    fn, arrays = CASES[name]
    return tc.trace(fn, *arrays, **options).operations[0]


def phase_of(operation, name):
    (found,) = (phase for phase in operation["phases"] if phase["name"] == name)
    return found


def values_of(operation, tensor):
    found = operation["tensors"][tensor]
    return np.array(found["values"], float).reshape(found["shape"])


def stops_of(phase):
    """The steps of each stop, by the loop variables that it stands for."""
    found = {}
    for step in phase["steps"]:
        found.setdefault(tuple(step["loops"].get(name) for name in phase["stops"]), []).append(step)
    return found


def places(steps, tensor, kind="reads"):
    return {place for step in steps for name, place, _ in step[kind] if name == tensor}


def test_every_operation_has_a_case():
    named = {name.split(",")[0].split(" ")[0].replace("_", "") for name in CASES}
    assert {kind.__name__.lower() for kind in LESSONS} - named == {"conv2d", "convtranspose2d"}


@every_case
def test_the_record_agrees_with_each_backend(name):
    operation = recorded(name)
    assert {each["backend"] for each in operation["agrees"]} == BACKENDS
    assert all(each["largest_difference"] < 1e-12 for each in operation["agrees"])


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("dropout")])
def test_outputs_and_gradients_in_the_record_are_those_of_the_engine(name):
    (fn, arrays), operation = CASES[name], recorded(name)
    is_loss = name.startswith("cross_entropy")
    tensors = [tc.Tensor(array, requires_grad=True) for array in arrays]
    y = fn(*tensors)
    made = values_of(operation, "loss").sum() if is_loss else values_of(operation, "y")
    assert_close(made.reshape(y.shape), y.data, 1e-12)
    y.backward(np.ones(()) if is_loss else values_of(operation, "dy").reshape(y.shape))
    for gradient, tensor in zip(("dz",) if is_loss else ("dx", "dw", "db"), tensors, strict=False):
        grad = np.moveaxis(tensor.grad, 1, -1) if is_loss else tensor.grad
        assert_close(values_of(operation, gradient).reshape(grad.shape), grad, 1e-12)


@every_case
def test_every_write_follows_from_the_record_alone(name):
    operation = recorded(name)
    names = {**operation["parameters"], "np": np, "W": 0, "top": 0, "left": 0, "h": 0, "w": 0}
    if "p" in names:
        names["scale"] = 1 / (1 - names["p"]) if names["p"] < 1 else 0.0
    final = {}
    for phase in operation["phases"]:
        now = {}
        for step in phase["steps"]:
            for tensor, place, value in step["reads"]:
                known = now.get((tensor, place), final.get((tensor, place), value))
                assert known == value
            for tensor, place, value in step["writes"]:
                now[tensor, place] = value
                formula = phase["expressions"][str(step["line"])]
                if tensor != "winner":
                    numbers = [repr(float(read[2])) for read in step["reads"]]
                    names |= {"nan": math.nan, "inf": math.inf}
                    assert_close(np.float64(eval(formula.format(*numbers), names)), np.float64(value), 1e-15)
        final |= now
        assert {tensor for tensor, _ in now} >= {phase["result"]}
    for (tensor, place), value in final.items():
        assert operation["tensors"][tensor]["values"][place] == value


@every_case
def test_a_record_is_json_and_its_views_and_stops_name_what_is_there(name):
    operation = json.loads(json.dumps(recorded(name), allow_nan=False))
    for phase in operation["phases"]:
        loops = {loop for step in phase["steps"] for loop in step["loops"]}
        assert set(phase["stops"]) <= loops
        shown = {view["tensor"] for view in phase["views"]}
        assert phase["result"] in shown
        assert shown <= set(operation["tensors"])
        for view in phase["views"]:
            axes = operation["tensors"][view["tensor"]]["axes"]
            assert set(view["rows"]) | set(view["columns"]) <= set(axes)
        for tensor in operation["tensors"].values():
            assert len(tensor["axes"]) in (0, len(tensor["shape"]))


@every_case
def test_without_a_walk_back_only_forward_phases_are_there(name):
    names = [phase["name"] for phase in recorded(name, backward=False)["phases"]]
    assert names in (["forward"], ["denominator", "forward"], ["softmax", "forward"])


@pytest.mark.parametrize("name", [name for name in CASES if "pool" in name])
def test_a_stop_of_a_pooling_reads_exactly_its_window(name):
    operation = recorded(name)
    given, (_, C, H, W) = operation["parameters"], operation["tensors"]["x"]["shape"]
    (R, S), (down, across), (top, _, left, _) = given["kernel_size"], given["stride"], given["padding"]
    stops = stops_of(phase_of(operation, "forward"))
    assert len(stops) == math.prod(operation["tensors"]["y"]["shape"])
    for (n, c, p, q), steps in stops.items():
        rows = set(range(p * down - top, p * down - top + R)) & set(range(H))
        columns = set(range(q * across - left, q * across - left + S)) & set(range(W))
        window = {((n * C + c) * H + h) * W + w for h in rows for w in columns}
        assert places(steps, "x") == window
        if name.startswith("avg"):
            reads = [place for step in steps for tensor, place, _ in step["reads"] if tensor == "x"]
            assert sorted(reads) == sorted(window)


@pytest.mark.parametrize("name", [name for name in CASES if "max_pool" in name])
def test_a_gradient_goes_to_the_winner_alone(name):
    operation = recorded(name)
    x, winner = values_of(operation, "x"), values_of(operation, "winner").astype(int)
    for (n, c, p, q), steps in stops_of(phase_of(operation, "backward")).items():
        ((tensor, place, _),) = (write for step in steps for write in step["writes"])
        assert (tensor, place) == ("dx", (n * x.shape[1] + c) * x[0, 0].size + winner[n, c, p, q])
        y = values_of(operation, "y")[n, c, p, q]
        np.testing.assert_equal(x[n, c].flat[winner[n, c, p, q]], y)


@pytest.mark.parametrize(("name", "below", "above"), [("odd", 1, 1), ("even", 2, 1)])
def test_a_window_of_channels_is_where_the_formula_says(name, below, above):
    operation = recorded(f"local_response_norm, {name}")
    _, C, H, W = operation["tensors"]["x"]["shape"]
    for phase, first, last in (("denominator", -below, above), ("shared", -above, below)):
        for (n, c, h, w), steps in stops_of(phase_of(operation, phase)).items():
            channels = set(range(c + first, c + last + 1)) & set(range(C))
            assert places(steps, "x") == {((n * C + j) * H + h) * W + w for j in channels}


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_records_a_step_and_leaves_what_is_given_alone(momentum, nesterov):
    if nesterov and not momentum:
        with pytest.raises(ValueError, match="nesterov=True needs a momentum"):
            sgd(np.ones(2), np.ones(2), nesterov=True)
        return
    parameter, grad, velocity = normal(14, 2, 3), normal(15, 2, 3), normal(16, 2, 3)
    before = parameter.copy(), grad.copy(), velocity.copy()
    operation = run_lesson(sgd(parameter, grad, velocity, 0.5, momentum, nesterov, 0.1))
    for array, kept in zip((parameter, grad, velocity), before, strict=True):
        np.testing.assert_array_equal(array, kept)
    assert {each["backend"] for each in operation["agrees"]} == BACKENDS
    g = grad + 0.1 * parameter
    v = momentum * velocity + g
    assert_close(values_of(operation, "parameter"), parameter - 0.5 * (g + momentum * v if nesterov else v), 1e-12)
    assert ("velocity" in operation["tensors"]) == bool(momentum)
    if momentum:
        assert_close(values_of(operation, "velocity"), v, 1e-12)


def test_sgd_refuses_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"sgd: grad of shape \(3,\) does not fit a parameter \(2,\)"):
        sgd(np.ones(2), np.ones(3))
