"""Products of matrices by cuBLAS, in float32 as it is or rounded to TF32, as `tinycnn.allow_tf32` says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cupy
import numpy as np

from tinycnn.arrays import Array
from tinycnn.gpu import is_capturing, tf32_allowed
from tinycnn.kernels.cuda import cublas
from tinycnn.kernels.cuda.device import explained, has_tensor_cores

FLOAT32, TF32 = 1, 7  # CuPy's COMPUTE_TYPE_DEFAULT and COMPUTE_TYPE_TF32


def matmul(a: Array, b: Array, tf32: bool = True) -> Array:
    """A · B, batch by batch: (…, M, L), (…, L, N) -> (…, M, N); never in TF32 where that is said."""
    tf32 = tf32 and tf32_allowed(a.dtype) and has_tensor_cores()
    if is_capturing():
        return cublas.matmul(a, b, tf32)
    with explained(), _compute_type(tf32):
        return cupy.matmul(a, b)


def linear_forward(x: Array, weight: Array, bias: Array | None) -> Array:
    """Y = X · Wᵀ + b: (…, in), (out, in), (out,) -> (…, out)."""
    y = matmul(x, weight.T)
    if bias is not None:
        y += bias
    return y


def linear_backward_input(grad: Array, weight: Array) -> Array:
    """dX = dY · W: (…, out), (out, in) -> (…, in)."""
    return matmul(grad, weight)


def linear_backward_weight(grad: Array, x: Array) -> Array:
    """dW = dYᵀ · X: (rows, out), (rows, in) -> (out, in)."""
    return matmul(grad.T, x)


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
