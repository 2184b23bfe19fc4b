"""Sums, means and maxima over any axes, against loops over the entries, and finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import assert_gradients_hold, run
from tests.cases import all_apart, examples, laid_out, layouts, normal, seeds, shapes
from tests.numeric import assert_close


@st.composite
def reductions(draw: st.DrawFn) -> tuple[tuple[int, ...], object, bool]:
    """A shape, the axes to reduce as an int, a tuple or None, counted from either end, and keepdim."""
    shape = draw(shapes(0, 4))
    ndim = len(shape)
    kinds = ["none"] + ["one", "many"] * (ndim > 0)
    kind = draw(st.sampled_from(kinds))
    axes = st.integers(-ndim, ndim - 1)
    dim = None
    if kind == "one":
        dim = draw(axes)
    if kind == "many":
        dim = tuple(draw(st.lists(axes, min_size=1, unique_by=lambda d: d % ndim)))
    return shape, dim, draw(st.booleans())


def groups(x: np.ndarray, dim, keepdim: bool) -> dict[tuple[int, ...], list]:
    """The entries of x that meet in each entry of the result."""
    axes = range(x.ndim) if dim is None else {d % x.ndim for d in (dim if isinstance(dim, tuple) else (dim,))}
    met = {}
    for index in np.ndindex(*x.shape):
        result = tuple(0 if d in axes else i for d, i in enumerate(index) if keepdim or d not in axes)
        met.setdefault(result, []).append(index)
    return met


@given(reduction=reductions(), layout=layouts, seed=seeds)
@examples(150)
def test_sum_and_mean_are_those_of_the_entries_that_meet(reduction, layout, seed):
    shape, dim, keepdim = reduction
    x = laid_out(normal(seed, *shape), layout)
    met = groups(x, dim, keepdim)
    for function, of in ((F.sum, sum), (F.mean, lambda values: sum(values) / len(values))):
        y, grad, (dx,) = run(lambda x, f=function: f(x, dim, keepdim), x, seed=seed, layout=layout)
        assert met.keys() == set(np.ndindex(*y.shape))
        for result, entries in met.items():
            assert_close(y[result], np.asarray(of([x[i] for i in entries])), 1e-13, scale=1)
            share = grad[result] / (1 if function is F.sum else len(entries))
            assert all(abs(dx[i] - share) <= 1e-15 * abs(share) for i in entries)


@pytest.mark.parametrize("function", [F.sum, F.mean], ids=["sum", "mean"])
@given(reduction=reductions(), layout=layouts, seed=seeds)
@examples(30)
def test_gradients_equal_central_differences(function, reduction, layout, seed):
    shape, dim, keepdim = reduction
    x = laid_out(normal(seed, *shape), layout)
    assert_gradients_hold(lambda x: function(x, dim, keepdim), x, seed=seed, layout=layout)


@given(shape=shapes(1, 4), data=st.data(), keepdim=st.booleans(), layout=layouts, seed=seeds)
@examples(100)
def test_max_along_an_axis_is_the_first_of_the_largest_and_gets_the_gradient(shape, data, keepdim, layout, seed):
    dim = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    x = laid_out(np.random.default_rng(seed).integers(-3, 0, shape).astype(float), layout)  # many ties, all negative
    y, grad, (dx,) = run(lambda x: F.max(x, dim, keepdim), x, seed=seed, layout=layout)
    expected = np.zeros(shape)
    for result, entries in groups(x, dim, keepdim).items():
        first = max(entries, key=lambda i: x[i])
        assert y[result] == x[first]
        expected[first] = grad[result]
    assert_close(dx, expected, 0)


@given(shape=shapes(1, 3), data=st.data(), layout=layouts, seed=seeds)
@examples(30)
def test_max_gradients_equal_central_differences(shape, data, layout, seed):
    dim = data.draw(st.one_of(st.none(), st.integers(0, len(shape) - 1)))
    x = laid_out(all_apart(seed, *shape), layout)
    assert_gradients_hold(lambda x: x.max(dim), x, seed=seed, layout=layout)


def test_nan_is_the_maximum_wherever_it_is():
    y, grad, (dx,) = run(lambda x: x.max(dim=1), np.array([[1.0, np.nan, 3.0], [1.0, 2.0, 0.0]]))
    np.testing.assert_array_equal(y, [np.nan, 2])
    assert_close(dx, np.array([[0, grad[0], 0], [0, grad[1], 0]]), 0)


def test_argmax_is_a_plain_array_of_first_positions():
    x = tc.Tensor([[1.0, 3.0, 3.0], [5.0, 4.0, 5.0]], requires_grad=True)
    assert type(x.argmax(dim=1)) is type(x.data)
    assert x.argmax(dim=1).tolist() == [1, 0]
    assert x.argmax(dim=-2).tolist() == [1, 1, 1]
    assert x.argmax() == 3


@pytest.mark.parametrize("function", [F.sum, F.mean, F.max])
def test_float32_stays_float32(function):
    y, _, (dx,) = run(function, normal(1, 3, 4, dtype=np.float32))
    assert (y.dtype, dx.dtype) == (np.float32, np.float32)


def test_a_mean_of_many_float32_numbers_keeps_its_digits():
    x = (100 + normal(2, 1 << 20)).astype(np.float32)
    assert run(F.mean, x).y == pytest.approx(x.astype(np.float64).mean(), rel=1e-6)


def test_the_empty_sum_is_zero():
    y, _, (dx,) = run(lambda x: F.sum(x, 0), np.zeros((0, 3)))
    assert y.tolist() == [0, 0, 0]
    assert dx.shape == (0, 3)


def test_what_makes_no_sense_is_refused():
    x = normal(1, 2, 3)
    with pytest.raises(ValueError, match=r"sum: dim \(0, -2\) names an axis twice"):
        F.sum(x, (0, -2))
    with pytest.raises(ValueError, match="mean: dim 2 does not exist in a tensor of 2 axes"):
        F.mean(x, 2)
    with pytest.raises(ValueError, match=r"mean over dim \(0,\) of a tensor of shape \(0, 3\) has nothing to average"):
        F.mean(np.zeros((0, 3)), 0)
    with pytest.raises(ValueError, match=r"max over dim 0 of a tensor of shape \(0, 3\) has nothing to compare"):
        F.max(np.zeros((0, 3)), 0)
