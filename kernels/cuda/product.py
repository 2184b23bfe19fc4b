"""Products of matrices: the fully connected layer's three, and what convolutions need.

cuBLAS multiplies large matrices near the GPU's peak. CuPy calls it in no graph, though; and what a small product costs
is mostly its start. So small layers run as the convolutions of images of one cell that they are, by
`conv_implicit_gemm`: in a graph and out of it by the same kernel, with the same bits.

cuBLAS rounds float32 to TF32 where `tinycnn.allow_tf32` says that it may, but in batches of several products, for which
CuPy leaves it no choice.

Plain twin: `tinycnn.kernels.numpy.linear`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import cupy
import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.gpu import is_capturing, tf32_allowed
from tinycnn.kernels.cuda import conv_implicit_gemm
from tinycnn.kernels.cuda.device import explained, has_tensor_cores
from tinycnn.kernels.cuda.launch import contiguous

SMALL = 1 << 24  # multiply-adds of the largest layer that is small; LeNet-5's largest, N = 64, has 3 million. Not tuned
FLOAT32, TF32 = 1, 7  # CuPy's COMPUTE_TYPE_DEFAULT and COMPUTE_TYPE_TF32


def matmul(a: Array, b: Array, tf32: bool = True) -> Array:
    """A · B, batch by batch: (…, M, L), (…, L, N) -> (…, M, N); never in TF32 where that is said.

    Raises
    ------
    RuntimeError
        Where a graph is being recorded.
    """
    if is_capturing():
        raise RuntimeError(
            f"a product of {a.shape} and {b.shape} is cuBLAS's, which CuPy calls in no graph; convolutions have "
            'algorithm="implicit_gemm"'
        )
    if a.ndim == 3 and len(a) == len(b) == 1:  # no batch, so that it may be TF32, and a transposed factor is not copied
        return matmul(a[0], b[0], tf32)[np.newaxis]
    with explained(), _compute_type(tf32 and tf32_allowed(a.dtype) and has_tensor_cores()):
        return cupy.matmul(a, b)


def linear_forward(x: Array, weight: Array, bias: Array | None) -> Array:
    """Y = X · Wᵀ + b: (…, in), (out, in), (out,) -> (…, out)."""
    layer = _layer(x.shape[:-1], *weight.shape)
    if layer.multiply_adds <= SMALL:
        y = conv_implicit_gemm.forward(_cells(x), _cells(weight), bias, layer)
        return y.reshape(*x.shape[:-1], layer.K)
    y = matmul(x, weight.T)
    if bias is not None:
        y += bias
    return y


def linear_backward_input(grad: Array, weight: Array) -> Array:
    """dX = dY · W: (…, out), (out, in) -> (…, in)."""
    layer = _layer(grad.shape[:-1], *weight.shape)
    if layer.multiply_adds <= SMALL:
        dx = conv_implicit_gemm.backward_input(_cells(grad), _cells(weight), layer)
        return dx.reshape(*grad.shape[:-1], layer.C)
    return matmul(grad, weight)


def linear_backward_weight(grad: Array, x: Array) -> Array:
    """dW = dYᵀ · X: (rows, out), (rows, in) -> (out, in)."""
    layer = _layer(x.shape[:-1], grad.shape[1], x.shape[1])
    if layer.multiply_adds <= SMALL:
        return conv_implicit_gemm.backward_weight(_cells(grad), _cells(x), layer).reshape(layer.K, layer.C)
    return matmul(grad.T, x)


def _layer(rows: tuple[int, ...], outputs: int, inputs: int) -> ConvGeometry:
    """A fully connected layer as a convolution of images of one cell."""
    return ConvGeometry(Axis(1, 1), Axis(1, 1), math.prod(rows), inputs, outputs)


def _cells(matrix: Array) -> Array:
    """(…, channels) -> (rows, channels, 1, 1)."""
    return contiguous(matrix).reshape(math.prod(matrix.shape[:-1]), matrix.shape[-1], 1, 1)


@contextmanager
def _compute_type(tf32: bool) -> Iterator[None]:
    """How cuBLAS multiplies float32 until the end of the block; CUPY_TF32 in the environment has no say."""
    kind = np.dtype(np.float32)
    before = cupy._core.get_compute_type(kind)
    cupy._core.set_compute_type(kind, TF32 if tf32 else FLOAT32)
    try:
        yield
    finally:
        cupy._core.set_compute_type(kind, before)
