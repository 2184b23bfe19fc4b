"""Pooling, activations, normalisation, losses and the rest in visible loops: against the engine and PyTorch."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn as tc
import tinycnn.functional as F
from tests.cases import examples, normal, pool_cases
from tests.numeric import assert_close
from tests.oracles import oracle
from tinycnn.functional.loss import CrossEntropy
from tinycnn.hooks import watch
from tinycnn.kernels.loops import activation, dropout, linear, loss, normalization, optimizer, pooling

BACKENDS = sorted(set(tc.available_backends()) - {"cupy"})
on_each_backend = pytest.mark.parametrize("backend", BACKENDS)
against_each = pytest.mark.parametrize("reference", [*BACKENDS, "torch"])

HARD = {
    "normal": normal(1, 3, 4),
    "at the kinks": np.array([[0.0, -0.0, 1.0], [-1.0, 1e-300, -1e-300]]),
    "far out": np.array([800.0, -800.0, 40.0, -40.0]),
    "not a number": np.array([math.nan, 1.0, -1.0]),
    "a single one": np.array(-0.5),
    "none": np.zeros((0, 3)),
}


def by_engine(fn, arrays, dy, backend):
    """y and the gradients, as a backend computes them."""
    with tc.use_backend(backend):
        tensors = [tc.Tensor(array, requires_grad=True) for array in arrays]
        y = fn(*tensors)
        y.backward(dy)
    return [y.data, *(tensor.grad for tensor in tensors)]


def by_torch(fn, arrays, dy):
    """The same in PyTorch."""
    torch = oracle("torch")
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    y = fn(torch.nn.functional, *tensors)
    y.backward(torch.tensor(dy))
    return [y.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)]


def expected(reference, ours, theirs, arrays, dy):
    """y and the gradients by a backend, or by PyTorch."""
    return by_torch(theirs, arrays, dy) if reference == "torch" else by_engine(ours, arrays, dy, reference)


def assert_all_close(made, wanted):
    for number, (actual, right) in enumerate(zip(made, wanted, strict=True)):
        assert_close(actual, right, 1e-12, ("y", "dx", "dw", "db")[number])


ENTRIES = {
    "relu": (F.relu, lambda f, x: f.relu(x)),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.3), lambda f, x: f.leaky_relu(x, 0.3)),
    "tanh": (F.tanh, lambda f, x: x.tanh()),
    "sigmoid": (F.sigmoid, lambda f, x: x.sigmoid()),
}


def entries_by_loops(name, x, dy):
    slope = (0.3,) if name == "leaky_relu" else ()
    y = getattr(activation, f"{name}_forward")(x, *slope)
    kept = y if name in ("tanh", "sigmoid") else x
    return [y, getattr(activation, f"{name}_backward")(dy, kept, *slope)]


@against_each
@pytest.mark.parametrize("x", HARD.values(), ids=HARD)
@pytest.mark.parametrize("name", ENTRIES)
def test_activations_equal_the_engine_and_pytorch(name, x, reference):
    if reference == "torch" and np.isnan(x).any() and name == "relu":
        pytest.skip("PyTorch sends a gradient back through a NaN, where we stop it")
    dy = normal(2, *x.shape)
    assert_all_close(entries_by_loops(name, x, dy), expected(reference, *ENTRIES[name], [x], dy))


def plain(x):
    """The same values without a layout of their own."""
    return np.array(x, np.float64, order="C")


def max_pool_by_loops(x, dy, g):
    y, winner = pooling.max_pool2d_forward(x, g)
    return [y, pooling.max_pool2d_backward(dy, winner, g)]


def avg_pool_by_loops(x, dy, g, include_pad):
    count = g.count(include_pad)
    return [pooling.avg_pool2d_forward(x, count, g), pooling.avg_pool2d_backward(dy, count, g)]


@on_each_backend
@given(case=pool_cases(), coarse=st.booleans())
@examples(25)
def test_max_pooling_equals_the_engine_also_on_ties(backend, case, coarse):
    x, g = plain(case.coarse_image() if coarse else case.image()), case.geometry
    dy = normal(case.seed, case.N, case.C, g.P, g.Q)
    assert_all_close(
        max_pool_by_loops(x, dy, g), by_engine(lambda x: F.max_pool2d(x, **case.options), [x], dy, backend)
    )


@given(case=pool_cases(symmetric=True))
@examples(25)
def test_pooling_equals_pytorch(case):
    x, g = plain(case.image()), case.geometry
    (top, _, left, _), dy = case.padding, normal(case.seed, case.N, case.C, g.P, g.Q)
    options = case.kernel, case.stride, (top, left)
    theirs = by_torch(lambda f, x: f.max_pool2d(x, *options, ceil_mode=case.ceil_mode), [x], dy)
    assert_all_close(max_pool_by_loops(x, dy, g), theirs)
    for include_pad in (True, False):
        theirs = by_torch(lambda f, x, all=include_pad: f.avg_pool2d(x, *options, case.ceil_mode, all), [x], dy)
        assert_all_close(avg_pool_by_loops(x, dy, g, include_pad), theirs)


@on_each_backend
@given(case=pool_cases(), include_pad=st.booleans())
@examples(25)
def test_average_pooling_equals_the_engine(backend, case, include_pad):
    x, g = plain(case.image()), case.geometry
    dy = normal(case.seed, case.N, case.C, g.P, g.Q)
    ours = by_engine(lambda x: F.avg_pool2d(x, **case.options, count_include_pad=include_pad), [x], dy, backend)
    assert_all_close(avg_pool_by_loops(x, dy, g, include_pad), ours)


def test_the_first_maximum_wins_padding_never_and_nan_always():
    x = np.full((1, 1, 3, 3), -5.0)
    x[0, 0, 1, 1] = math.nan
    g = F.pooling.pool_geometry("pool", x.shape, 2, 1, 1)
    y, winner = pooling.max_pool2d_forward(x, g)
    assert np.isnan(y[0, 0, 1:3, 1:3]).all()
    assert (winner[0, 0, 1:3, 1:3] == 4).all()
    assert (y[0, 0, 0] == -5).all()
    assert winner[0, 0, 0].tolist() == [0, 0, 1, 2]  # of two that are equal, the left one
    lost, at = pooling.max_pool2d_forward(np.full((1, 1, 2, 2), -np.inf), g := F.pooling.pool_geometry("p", (2, 2), 2))
    assert (lost.item(), at.item(), g.P) == (-np.inf, 0, 1)


@on_each_backend
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_dropout_equals_the_engine(backend, p):
    x, dy, masks = normal(3, 4, 5), normal(4, 4, 5), [np.ones((4, 5), bool)]

    def drop(x):
        with watch(lambda call: masks.append(call.function.mask)):
            return F.dropout(x, p)

    ours = by_engine(drop, [x], dy, backend)
    mask = masks[-1]  # nothing runs where nothing is dropped
    assert_all_close([dropout.forward(x, mask, p), dropout.backward(dy, mask, p)], ours)


def response_norm_by_loops(x, dy, size, scale, beta, k):
    d = normalization.denominator(x, size, scale, k)
    shared = normalization.shared_sum(dy, x, d, size, beta)
    return [normalization.forward(x, d, beta), normalization.backward(dy, x, d, shared, scale, beta)]


@against_each
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("alpha", [1.0, 1e-4])
def test_local_response_norm_equals_the_engine_and_pytorch(size, alpha, reference):
    x, dy = normal(5, 2, 6, 2, 3), normal(6, 2, 6, 2, 3)
    wanted = expected(
        reference,
        lambda x: F.local_response_norm(x, size, alpha, 0.6, 2.0),
        lambda f, x: f.local_response_norm(x, size, alpha, 0.6, 2.0),
        [x],
        dy,
    )
    assert_all_close(response_norm_by_loops(x, dy, size, alpha / size, 0.6, 2.0), wanted)


LOSSES = {
    "plain": {},
    "summed": {"reduction": "sum"},
    "each": {"reduction": "none"},
    "ignoring": {"ignore_index": 2},
    "smoothed": {"label_smoothing": 0.2},
    "weighted": {"weight": [1.0, 0.5, 0.0, 2.0], "label_smoothing": 0.1, "ignore_index": 1},
}


def cross_entropy_by_loops(z, dloss, q):
    p, maximum, total = loss.softmax(z)
    return [loss.forward(z, q, maximum, total), loss.backward(dloss, p, q)]


@against_each
@pytest.mark.parametrize("options", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_cross_entropy_equals_the_engine_and_pytorch(options, scale, reference):
    z, labels, seen = scale * normal(7, 5, 4), np.array([0, 2, 1, 3, 0]), []
    with watch(seen.append):
        F.cross_entropy(tc.Tensor(z), labels, **{**options, "reduction": "none"})
        F.cross_entropy(tc.Tensor(z), labels, **options)
    q = [call.function.q for call in seen if isinstance(call.function, CrossEntropy)][-1]
    is_each = options.get("reduction") == "none"
    dloss = normal(8, 5) if is_each else np.ones(5)
    losses, dz = cross_entropy_by_loops(z, dloss, q)

    def theirs(f, z):
        torch = oracle("torch")
        given = {**options}
        if "weight" in options:
            given["weight"] = torch.tensor(options["weight"], dtype=z.dtype)
        return f.cross_entropy(z, torch.tensor(labels), **given)

    upstream = dloss if is_each else np.array(1.0)
    wanted = expected(reference, lambda z: F.cross_entropy(z, labels, **options), theirs, [z], upstream)
    assert_all_close([losses if is_each else np.asarray(losses.sum()), dz], wanted)


def test_a_class_of_no_weight_costs_nothing_however_unlikely():
    losses, dz = cross_entropy_by_loops(np.array([[0.0, -np.inf]]), np.ones(1), np.array([[1.0, 0.0]]))
    assert losses.tolist() == [0.0]
    assert dz.tolist() == [[0.0, 0.0]]


@against_each
@pytest.mark.parametrize("has_bias", [True, False])
def test_linear_equals_the_engine_and_pytorch(has_bias, reference):
    arrays = [normal(9, 3, 5), normal(10, 4, 5), *([normal(11, 4)] if has_bias else [])]
    x, weight, dy = *arrays[:2], normal(12, 3, 4)
    made = [linear.forward(x, weight, arrays[2] if has_bias else None), linear.backward_input(dy, weight)]
    made += [linear.backward_weight(dy, x), *([linear.backward_bias(dy)] if has_bias else [])]
    assert_all_close(made, expected(reference, F.linear, lambda f, *t: f.linear(*t), arrays, dy))


SGD = {
    "plain": {},
    "decaying": {"weight_decay": 0.1},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
}


@against_each
@pytest.mark.parametrize("options", SGD.values(), ids=SGD)
def test_three_steps_of_sgd_equal_the_engine_and_pytorch(options, reference):
    start, gradients = normal(13, 2, 3), normal(14, 3, 2, 3)
    settings = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0, **options}
    parameter, velocity = start.copy(), np.zeros((2, 3)) if settings["momentum"] else None
    for grad in gradients:
        optimizer.sgd_step(parameter, grad, velocity, 0.1, **settings)
    if reference == "torch":
        torch = oracle("torch")
        wanted = torch.tensor(start.copy(), requires_grad=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what importing PyTorch's optimisers warns of is none of ours
            stepper = torch.optim.SGD([wanted], 0.1, **settings)
        made = torch.tensor
    else:
        wanted = tc.Tensor(start.copy(), requires_grad=True)
        stepper, made = tc.optim.SGD([wanted], 0.1, **settings), np.array
    with tc.use_backend("numpy" if reference == "torch" else reference):
        for grad in gradients:
            wanted.grad = made(grad)
            stepper.step()
    assert_close(parameter, wanted.detach().numpy() if reference == "torch" else wanted.data, 1e-12)


def test_loops_keep_float32():
    x, q = normal(15, 1, 4, 4, 4, dtype=np.float32), np.eye(4, dtype=np.float32)
    g = F.pooling.pool_geometry("pool", x.shape, 2)
    made = [
        *(each for name in ENTRIES for each in entries_by_loops(name, x, x)),
        pooling.max_pool2d_forward(x, g)[0],
        pooling.avg_pool2d_forward(x, g.count(True), g),
        dropout.forward(x, x > 0, 0.5),
        *response_norm_by_loops(x, x, 3, 1.0, 0.5, 1.0),
        *cross_entropy_by_loops(x[0, 0], x[0, 0, 0], q),
        linear.forward(x[0, 0], x[0, 1], None),
        optimizer.sgd_step(x.copy(), x, None, 0.1, 0.0, False, 0.0),
    ]
    assert {array.dtype for array in made} == {np.dtype(np.float32)}
