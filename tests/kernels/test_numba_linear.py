"""The loops of large products by themselves, of any small size and number of threads, and where linear takes them."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.cases import normal
from tests.kernels.truth import DTYPES
from tests.numeric import assert_close
from tinycnn.kernels.numba import linear, linear_loops
from tinycnn.kernels.numba.lane_tile import columns_beside, cut_lanes
from tinycnn.kernels.numba.tile import VECTOR_BYTES
from tinycnn.kernels.numba.workspace import empty

EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
PIECE = 6, 4 * VECTOR_BYTES  # rows and columns of a weight, both less than some of these have
SIZES = [(1, 1, 1), (2, 5, 3), (14, 14, 2), (15, 33, 5), (29, 70, 4), (64, 20, 9)]  # rows, outputs, vectors of inputs
UNTOUCHED = 7.0


@EVERY_DTYPE
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("rows", "outputs", "vectors"), SIZES)
def test_products_with_a_large_weight_are_sums_and_leave_what_is_no_whole_vector(
    rows, outputs, vectors, threads, dtype
):
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    columns = vectors * lanes
    for rest in (0, 1, lanes - 1):
        inputs = columns + rest
        grad, x = normal(1, rows, outputs, dtype=dtype), normal(2, rows, inputs, dtype=dtype)
        weight = normal(3, outputs, inputs, dtype=dtype)
        dx, dw = np.zeros_like(x), np.full_like(weight, UNTOUCHED)
        y, (_, height) = np.zeros_like(grad), cut_lanes(rows, outputs)
        linear_loops.scalar_products(x, weight, columns, (height, columns_beside(height)), y, threads)
        linear_loops.multiply(grad, weight, columns, PIECE, dx, threads)
        linear_loops.outer(grad, x, columns, False, dw, threads)
        bound = 4 * np.finfo(dtype).eps * max(rows, outputs)
        assert_close(
            y.astype(float), x[:, :columns].astype(float) @ weight[:, :columns].astype(float).T, bound, scale=9
        )
        assert_close(dx[:, :columns].astype(float), (grad.astype(float) @ weight.astype(float))[:, :columns], bound)
        assert_close(dw[:, :columns].astype(float), (grad.astype(float).T @ x.astype(float))[:, :columns], bound)
        assert not dx[:, columns:].any()
        assert (dw[:, columns:] == UNTOUCHED).all()


@EVERY_DTYPE
def test_a_gradient_written_past_the_caches_is_the_same_bit_for_bit(dtype):
    rows, outputs, inputs = 5, 40, 512 + 64
    grad, x = normal(1, rows, outputs, dtype=dtype), normal(2, rows, inputs, dtype=dtype)
    past, through = (empty((outputs, inputs), dtype) for _ in range(2))
    linear_loops.outer(grad, x, inputs, True, past, 2)
    linear_loops.outer(grad, x, inputs, False, through, 2)
    np.testing.assert_array_equal(past, through)


@EVERY_DTYPE
@pytest.mark.parametrize("inputs", [2048, 2051])
@pytest.mark.parametrize("large", [False, True], ids=["through the caches", "past them"])
def test_a_large_layer_is_a_product_of_matrices_with_its_gradients(inputs, large, dtype, monkeypatch):
    if large:
        monkeypatch.setattr(linear, "LARGE", 1 << 20)
    rows, outputs = 6, 701
    grad, x = normal(1, 2, 3, outputs, dtype=dtype), normal(2, rows, inputs, dtype=dtype)
    weight = normal(3, outputs, inputs, dtype=dtype)
    assert linear._is_large(rows, weight.shape)
    y = linear.linear_forward(x.reshape(2, 3, inputs), weight, weight[:, 0])
    assert y.shape == grad.shape
    product = x.astype(float) @ weight.astype(float).T + weight[:, 0]
    assert_close(y.reshape(rows, outputs).astype(float), product, 4 * np.finfo(dtype).eps * outputs)
    dx = linear.linear_backward_input(grad, weight)
    dw = linear.linear_backward_weight(grad.reshape(rows, outputs), x)
    exact = grad.reshape(rows, outputs).astype(float)
    bound = 4 * np.finfo(dtype).eps * outputs
    assert dx.shape == (2, 3, inputs)
    assert_close(dx.reshape(rows, inputs).astype(float), exact @ weight.astype(float), bound)
    assert_close(dw.astype(float), exact.T @ x.astype(float), bound)
