"""Fully connected layers on the GPU, small ones by our own kernel and large ones by cuBLAS, and how that rounds."""

import numpy as np
import pytest

import tinycnn as tc

if "cupy" not in tc.available_backends():
    pytest.skip(f"{tc.gpu.problem()}; or TINYCNN_TEST_CUDA=emulated", allow_module_level=True)

import cupy

from tests.cases import normal
from tests.numeric import assert_close
from tinycnn.arrays import to_cupy, to_numpy
from tinycnn.kernels.cuda import product
from tinycnn.kernels.numpy import linear as plain

ROWS, IN, OUT = 70, 33, 65  # beyond a tile each way, with a rest


@pytest.mark.parametrize("small", [0, product.SMALL], ids=["by cuBLAS", "by implicit GEMM"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_a_layer_gives_the_same_either_way(monkeypatch, small, dtype):
    monkeypatch.setattr(product, "SMALL", small)
    x, weight, bias, grad = (normal(i, *shape) for i, shape in enumerate(((ROWS, IN), (OUT, IN), (OUT,), (ROWS, OUT))))
    on_gpu = [to_cupy(array.astype(dtype)) for array in (x, weight, bias, grad)]
    exact = [array.astype(dtype).astype(np.float64) for array in (x, weight, bias, grad)]

    def passes(kernels, x, weight, bias, grad):
        folded = x.reshape(7, ROWS // 7, IN)  # layers take any number of axes in front
        return [
            kernels.linear_forward(folded, weight, bias),
            kernels.linear_forward(x, weight, None),
            kernels.linear_backward_input(grad.reshape(7, ROWS // 7, OUT), weight),
            kernels.linear_backward_weight(grad, x),
        ]

    made = [to_numpy(array) for array in passes(product, *on_gpu)]
    for actual, expected in zip(made, passes(plain, *exact), strict=True):
        assert actual.dtype == dtype
        assert_close(
            actual.astype(np.float64), expected, 20 * np.finfo(dtype).eps, "layer", scale=np.abs(expected).max()
        )


@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(0, 3, 2), (2, 0, 3), (1, 1, 1)])
def test_a_layer_may_be_empty(rows, inputs, outputs):
    x, weight, bias = (to_cupy(np.ones(shape)) for shape in ((rows, inputs), (outputs, inputs), (outputs,)))
    y = product.linear_forward(x, weight, bias)
    assert np.array_equal(to_numpy(y), np.full((rows, outputs), inputs + 1.0))
    assert product.linear_backward_input(y, weight).shape == (rows, inputs)
    dw = to_numpy(product.linear_backward_weight(y, x))
    assert np.array_equal(dw, np.full((outputs, inputs), rows * (inputs + 1.0)))


def test_cublas_rounds_to_tf32_where_that_is_allowed_and_only_then(monkeypatch):
    monkeypatch.setattr(product, "SMALL", 0)
    kinds = []
    monkeypatch.setattr(cupy._core, "set_compute_type", lambda dtype, kind: kinds.append(kind))
    x, weight = to_cupy(normal(0, 3, 4, dtype=np.float32)), to_cupy(normal(1, 2, 4, dtype=np.float32))
    product.linear_forward(x, weight, None)
    assert product.TF32 not in kinds
    with tc.allow_tf32():
        product.linear_forward(x, weight, None)
        assert kinds.pop() != product.TF32, "it is left as it was found"
        assert kinds.pop() == product.TF32
        product.matmul(x[np.newaxis], weight.T[np.newaxis])
        assert product.TF32 in kinds, "one product is no batch"
        kinds.clear()
        product.linear_forward(x.astype(np.float64), weight.astype(np.float64), None)
        product.matmul(x, weight.T, tf32=False)
    assert product.TF32 not in kinds


def test_what_no_graph_takes_is_told():
    large = to_cupy(np.zeros((4, 3))), to_cupy(np.zeros((3, 2)))
    with (
        tc.gpu.capturing(),
        pytest.raises(RuntimeError, match=r"\(4, 3\) and \(3, 2\) .* in no graph; .*implicit_gemm"),
    ):
        product.matmul(*large)
