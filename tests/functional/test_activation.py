"""Activations against Python's math module entry by entry, finite differences, and the ends of the number line."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn.functional as F
from tests.backends import assert_gradients_hold, run
from tests.cases import away_from_zero, examples, laid_out, layouts, normal, seeds, shapes
from tests.numeric import assert_close


def log_softmax_by_definition(row: list[float]) -> list[float]:
    """x − log Σ e^x, exactly rounded sums, shifted by the largest."""
    largest = max(row)
    log_sum = largest + math.log(math.fsum(math.exp(v - largest) for v in row))
    return [v - log_sum for v in row]


ENTRYWISE = {
    "relu": (F.relu, lambda v: max(v, 0.0), lambda v: float(v > 0)),
    "leaky_relu": (F.leaky_relu, lambda v: v if v > 0 else 0.01 * v, lambda v: 1.0 if v > 0 else 0.01),
    "steep": (lambda x: F.leaky_relu(x, 1.5), lambda v: max(v, 0) + 1.5 * min(v, 0), lambda v: 1.0 if v > 0 else 1.5),
    "tanh": (F.tanh, math.tanh, lambda v: 1 / math.cosh(v) ** 2),
    "sigmoid": (F.sigmoid, lambda v: 1 / (1 + math.exp(-v)), lambda v: 1 / (2 + math.exp(v) + math.exp(-v))),
}
entrywise = pytest.mark.parametrize("name", ENTRYWISE)
along_an_axis = pytest.mark.parametrize("function", [F.softmax, F.log_softmax], ids=["softmax", "log_softmax"])


@entrywise
@given(shape=shapes(0, 5), layout=layouts, seed=seeds)
@examples(40)
def test_value_and_derivative_are_those_of_the_definition_entry_by_entry(name, shape, layout, seed):
    function, value, derivative = ENTRYWISE[name]
    x = laid_out(2 * normal(seed, *shape), layout)
    y, grad, (dx,) = run(function, x, seed=seed, layout=layout)
    assert_close(y, np.vectorize(value, otypes=[float])(x), 1e-14)
    # Computed as 1 − y or 1 − y², a derivative near 0 has the error of a number near 1: hence the scale.
    assert_close(dx, grad * np.vectorize(derivative, otypes=[float])(x), 1e-14, scale=abs(grad).max(initial=0))


@entrywise
@given(shape=shapes(), layout=layouts, seed=seeds)
@examples(15)
def test_entrywise_gradients_equal_central_differences(name, shape, layout, seed):
    x = laid_out(away_from_zero(normal(seed, *shape)), layout)
    assert_gradients_hold(ENTRYWISE[name][0], x, seed=seed, layout=layout)


def test_at_the_kink_the_gradient_is_the_one_from_below():
    x = np.array([0.0, -0.0])
    assert run(F.relu, x).gradients[0].tolist() == [0, 0]
    _, grad, (dx,) = run(lambda x: F.leaky_relu(x, 0.25), x)
    assert_close(dx, 0.25 * grad, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_from_zero_nothing_overflows_and_gradients_vanish(dtype):
    x = np.array([-1e4, -800, 800, 1e4, -np.inf, np.inf], dtype)
    y, _, (dx,) = run(F.sigmoid, x)
    assert y.tolist() == [0, 0, 1, 1, 0, 1]
    assert dx.tolist() == [0] * 6
    y, _, (dx,) = run(F.tanh, x)
    assert y.tolist() == [-1, -1, 1, 1, -1, 1]
    assert dx.tolist() == [0] * 6


def test_sigmoid_keeps_its_smallest_values():
    # 1 − σ(40) = σ(−40) = 4e-18: lost by whoever computes one from the other
    y = run(F.sigmoid, np.array([-40.0, -700.0])).y
    assert_close(y, np.array([math.exp(-40), math.exp(-700)]), 1e-15)
    assert y[1] == pytest.approx(math.exp(-700), rel=1e-12)


def test_relu_keeps_nan_and_makes_no_minus_zero():
    y = run(F.relu, np.array([np.nan, -3.0])).y
    np.testing.assert_array_equal(y, [np.nan, 0])
    assert not np.signbit(y[1])


@given(shape=shapes(1, 4), data=st.data(), layout=layouts, seed=seeds)
@examples(100)
def test_softmax_and_its_logarithm_are_those_of_the_definition_along_any_axis(shape, data, layout, seed):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = 3 * normal(seed, *shape)
    logarithm = np.apply_along_axis(lambda row: log_softmax_by_definition(row.tolist()), dim, x)
    x = laid_out(x, layout)
    assert_close(run(lambda x: F.log_softmax(x, dim), x).y, logarithm, 1e-14, scale=1)
    assert_close(run(lambda x: F.softmax(x, dim), x).y, np.exp(logarithm), 1e-14)


@along_an_axis
@given(shape=shapes(1, 3), data=st.data(), layout=layouts, seed=seeds)
@examples(40)
def test_softmax_gradients_equal_central_differences(function, shape, data, layout, seed):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = laid_out(normal(seed, *shape), layout)
    if x.shape[dim] > 1:  # one class has nothing to learn: see below
        assert_gradients_hold(lambda x: function(x, dim), x, seed=seed, layout=layout)


@along_an_axis
def test_a_single_class_is_certain_and_has_no_gradient(function):
    y, _, (dx,) = run(lambda x: function(x, 0), normal(1, 1, 5))
    assert (y == (1 if function is F.softmax else 0)).all()
    assert_close(dx, np.zeros((1, 5)), 1e-15, scale=1)


def test_the_gradient_of_softmax_is_not_zero_though_it_is_under_an_upstream_of_ones():
    x = normal(2, 3, 4)
    assert abs(run(F.softmax, x, upstream=np.ones((3, 4))).gradients[0]).max() < 1e-15
    assert abs(run(F.softmax, x).gradients[0]).max() > 0.01


@along_an_axis
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_shift_changes_nothing_and_extreme_scores_do_not_overflow(function, dtype):
    x = np.array([[1e4, -1e4, 1e4 - 1], [-1e4, -1e4, -1e4 - 1]], dtype)
    one, e = 1, math.exp(-1)
    total = np.array([[one + e], [2 * one + e]])
    probabilities = np.array([[one, 0, e], [one, one, e]]) / total
    y, _, (dx,) = run(function, x)
    if function is F.softmax:
        assert_close(y, probabilities.astype(dtype), 1e-6)
    else:
        expected = np.array([[0, -2e4, -1], [0, 0, -1]]) - np.log(total)
        assert_close(y, expected.astype(dtype), 1e-6)
    assert np.isfinite(dx).all()


@along_an_axis
def test_a_class_ruled_out_by_minus_infinity_gets_nothing(function):
    x = np.array([[0.5, -np.inf, 1.5]])
    y, _, (dx,) = run(function, x, upstream=np.array([[0.7, 0.0, -1.3]]))
    expected = run(function, x[:, [0, 2]], upstream=np.array([[0.7, -1.3]]))
    assert_close(y[:, [0, 2]], expected.y, 1e-15)
    assert y[0, 1] == (0 if function is F.softmax else -np.inf)
    assert_close(dx[:, [0, 2]], expected.gradients[0], 1e-15)
    assert dx[0, 1] == 0


def test_log_softmax_is_finite_where_softmax_underflows():
    x = np.array([0.0, -1000.0])
    assert run(F.softmax, x).y[1] == 0
    assert run(F.log_softmax, x).y[1] == -1000


@pytest.mark.parametrize("function", [F.relu, F.tanh, F.sigmoid, F.softmax, F.log_softmax, F.leaky_relu])
def test_float32_stays_float32_and_an_empty_batch_stays_empty(function):
    y, _, (dx,) = run(function, normal(1, 3, 4, dtype=np.float32))
    assert (y.dtype, dx.dtype) == (np.float32, np.float32)
    assert run(function, np.zeros((0, 3))).gradients[0].shape == (0, 3)


def test_integers_and_missing_axes_are_refused():
    with pytest.raises(TypeError, match="relu expected a floating-point input, got int64"):
        F.relu(np.array([1, 2]))
    with pytest.raises(ValueError, match="softmax: dim 2 does not exist in a tensor of 2 axes"):
        F.softmax(normal(1, 2, 3), dim=2)
    with pytest.raises(ValueError, match=r"dim 1 of a tensor of shape \(2, 0\) is empty"):
        F.log_softmax(np.zeros((2, 0)), dim=1)
    with pytest.raises(TypeError, match=r"dim must be an int, got 1\.0"):
        F.softmax(normal(1, 2, 3), dim=1.0)
