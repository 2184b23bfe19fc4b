"""Fully connected layers and matrix products against sums in loops, and finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import assert_gradients_hold, run, to_backend
from tests.cases import LAYOUTS, examples, laid_out, layouts, normal, seeds, shapes
from tests.numeric import assert_close

sizes = st.integers(1, 5)


def linear_in_loops(x, weight, bias):
    """y[…, o] = b[o] + Σ_i w[o, i] · x[…, i]."""
    y = np.zeros((*x.shape[:-1], weight.shape[0]))
    for index in np.ndindex(*y.shape):
        y[index] = bias[index[-1]]
        for i in range(x.shape[-1]):
            y[index] += weight[index[-1], i] * x[(*index[:-1], i)]
    return y


@given(rows=shapes(0, 3, 4), inside=sizes, outside=sizes, layout=layouts, seed=seeds)
@examples(100)
def test_linear_is_a_weighted_sum_for_each_output(rows, inside, outside, layout, seed):
    arrays = normal(seed, *rows, inside), normal(seed + 1, outside, inside), normal(seed + 2, outside)
    x, weight, bias = (laid_out(array, layout) for array in arrays)
    y, _, gradients = run(F.linear, x, weight, bias, seed=seed, layout=layout)
    assert_close(y, linear_in_loops(x, weight, bias), 1e-13, scale=1)
    without = run(F.linear, x, weight, seed=seed, layout=layout)
    assert_close(without.y, y - bias, 1e-13, scale=abs(y).max())
    assert [g.tobytes() for g in without.gradients] == [g.tobytes() for g in gradients[:2]]


@given(rows=shapes(0, 2, 3), inside=sizes, outside=sizes, layout=layouts, seed=seeds)
@examples(40)
def test_linear_gradients_equal_central_differences(rows, inside, outside, layout, seed):
    arrays = normal(seed, *rows, inside), normal(seed + 1, outside, inside), normal(seed + 2, outside)
    assert_gradients_hold(F.linear, *(laid_out(array, layout) for array in arrays), seed=seed, layout=layout)


def test_the_weight_gradient_is_out_by_in():
    # A square weight would let a transposed gradient pass the shape check; the values tell.
    x, weight = normal(1, 6, 4), normal(2, 4, 4)
    _, grad, (_, dw) = run(F.linear, x, weight)
    expected = np.zeros((4, 4))
    for row in range(6):
        for o in range(4):
            for i in range(4):
                expected[o, i] += grad[row, o] * x[row, i]
    assert_close(dw, expected, 1e-13)


def matmul_in_loops(a, b):
    """y[…, i, j] = Σ_k a[…, i, k] · b[…, k, j], the leading axes broadcast."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, (*batch, *a.shape[-2:])), np.broadcast_to(b, (*batch, *b.shape[-2:]))
    y = np.zeros((*batch, a.shape[-2], b.shape[-1]))
    for index in np.ndindex(*y.shape):
        *rest, i, j = index
        for k in range(a.shape[-1]):
            y[index] += a[(*rest, i, k)] * b[(*rest, k, j)]
    return y


@st.composite
def factors(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two stacks of matrices whose leading axes broadcast, an axis of one or none on either side."""
    rows, inner, columns = draw(sizes), draw(sizes), draw(sizes)
    batch = draw(shapes(0, 2, 3))
    sides = []
    for matrix in ((rows, inner), (inner, columns)):
        leading = tuple(draw(st.sampled_from((size, 1))) for size in batch)[draw(st.integers(0, len(batch))) :]
        sides.append(laid_out(normal(draw(seeds), *leading, *matrix), draw(layouts)))
    return sides[0], sides[1]


@given(pair=factors(), seed=seeds)
@examples(100)
def test_a_matrix_product_sums_over_the_inner_axis_and_broadcasts_the_others(pair, seed):
    assert_close(run(lambda a, b: a @ b, *pair, seed=seed).y, matmul_in_loops(*pair), 1e-13, scale=1)


@given(pair=factors(), seed=seeds, layout=layouts)
@examples(40)
def test_matmul_gradients_equal_central_differences(pair, seed, layout):
    assert_gradients_hold(F.matmul, *pair, seed=seed, layout=layout)


@pytest.mark.parametrize(
    ("left", "right"), [((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (2, 3, 4)), ((2, 4, 3), (3,))]
)
def test_a_vector_counts_as_numpy_counts_it(left, right):
    a, b = normal(1, *left), normal(2, *right)
    assert_close(run(F.matmul, a, b).y, np.asarray(a @ b), 1e-14)
    assert_gradients_hold(F.matmul, a, b)


def test_a_factor_shared_by_a_batch_gets_the_sum_of_its_gradients():
    a, b, c = normal(1, 2, 3, 4, 5), normal(2, 5, 6), normal(3, 3, 1, 4)
    _, grad, (_, db) = run(F.matmul, a, b)
    assert_close(db, sum(a[i].T @ grad[i] for i in np.ndindex(2, 3)), 1e-14)
    _, grad, (dc, _) = run(F.matmul, c, a)
    assert_close(dc, sum(grad[i] @ a[i].swapaxes(-1, -2) for i in range(2)), 1e-14)


def test_arrays_and_operators_meet_tensors_on_either_side():
    a, b = normal(1, 2, 3), normal(2, 3, 4)
    left, right = to_backend(a), to_backend(b)
    for product in (lambda t: t @ right, lambda t: np.matmul(t, right)):
        assert_close(run(product, a).gradients[0], run(F.matmul, a, b).gradients[0], 0)
    for product in (lambda t: left @ t, lambda t: np.matmul(left, t)):
        assert_close(run(product, b).gradients[0], run(F.matmul, a, b).gradients[1], 0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_layout_gives_the_same_numbers_and_dtype_is_kept(layout, dtype):
    arrays = [normal(i, *shape, dtype=dtype) for i, shape in enumerate([(5, 4), (3, 4), (3,)])]
    plain = run(F.linear, *arrays)
    other = run(F.linear, *(laid_out(array, layout) for array in arrays), layout=layout)
    tolerance = {np.float32: 1e-6, np.float64: 1e-15}[dtype]
    for actual, expected in zip((other.y, *other.gradients), (plain.y, *plain.gradients), strict=True):
        assert actual.dtype == dtype
        assert_close(actual, expected, tolerance)


def test_a_batch_of_none_gives_zero_weight_gradients():
    y, _, (dx, dw, db) = run(F.linear, np.zeros((0, 4)), normal(1, 3, 4), normal(2, 3))
    assert (y.shape, dx.shape) == ((0, 3), (0, 4))
    np.testing.assert_array_equal(dw, np.zeros((3, 4)))
    np.testing.assert_array_equal(db, np.zeros(3))


def test_gradients_that_nobody_asked_for_are_not_made():
    x, weight = tc.Tensor(normal(1, 5, 4)), tc.Tensor(normal(2, 3, 4), requires_grad=True)
    calls = []
    with tc.hooks.watch(calls.append):
        F.linear(x, weight).sum().backward()
    backward = next(call for call in calls if call.phase == "backward" and len(call.outputs) == 2)
    assert backward.outputs[0] is None


@pytest.mark.parametrize(
    ("x", "weight", "message"),
    [
        ((2, 3, 4), (5, 12), r"flatten first, x.flatten\(start_dim=1\)"),
        ((12,), (5, 4), r"rows of 4 are x.reshape\(-1, 4\)"),
        ((2, 5), (5, 4), r"the weight looks transposed, it is \(out, in\)"),
        ((2, 3), (5,), r"expected weight \(out, in\), got \(5,\)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_the_fix(x, weight, message):
    with pytest.raises(ValueError, match=message):
        F.linear(normal(1, *x), normal(2, *weight))


def test_matrices_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\) @ \(2, 3\) do not fit, 3 columns meet 2 rows"):
        F.matmul(normal(1, 2, 3), normal(2, 2, 3))
    with pytest.raises(ValueError, match=r"takes vectors and matrices, got \(\) and \(2,\); \* multiplies by a number"):
        F.matmul(np.array(2.0), normal(2, 2))
