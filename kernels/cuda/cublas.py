"""Products of matrices that a graph can hold: cuBLAS, called as CuPy calls it.

CuPy refuses to call cuBLAS while a stream is captured, though cuBLAS can be ("CUDA Graphs Support" in its manual). So
it is called here without CuPy, in the very way in which ``cupy.matmul`` does outside of a capture: a product has the
same bits in a graph and out of it.

cuBLAS keeps matrices column by column. An array of rows is to it the transposed matrix, and A · B = C, row by row, is
Bᵀ · Aᵀ = Cᵀ, column by column: the factors change places, and nothing is copied.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import cupy

from tinycnn.arrays import Array
from tinycnn.kernels.cuda.device import has_tensor_cores
from tinycnn.kernels.cuda.launch import contiguous, empty

DATA = {"f": 0, "d": 1}  # CUDA_R_32F, CUDA_R_64F
COMPUTE, COMPUTE_TF32 = {"f": 68, "d": 70}, 77  # CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F, CUBLAS_COMPUTE_32F_FAST_TF32
ALGORITHM, ON_TENSOR_CORES = -1, 99  # CUBLAS_GEMM_DEFAULT, CUBLAS_GEMM_DEFAULT_TENSOR_OP
REAL = {"f": ctypes.c_float, "d": ctypes.c_double}
LONG = ctypes.c_longlong


def matmul(a: Array, b: Array, tf32: bool) -> Array:
    """A · B: (M, L), (L, N) -> (M, N), or as many of them, (G, M, L), (G, L, N) -> (G, M, N).

    Raises
    ------
    NotImplementedError
        For other numbers of axes.
    RuntimeError
        When cuBLAS refuses.
    """
    if a.ndim == b.ndim == 2:
        return _product(a, b, tf32)
    if a.ndim == b.ndim == 3 and len(a) == len(b):
        return _products(contiguous(a), contiguous(b))
    raise NotImplementedError(f"a graph takes no product of shapes {a.shape} and {b.shape}")


def _product(a: Array, b: Array, tf32: bool) -> Array:
    """Of two matrices, either of which may be a transposed view."""
    (M, L), N, kind = a.shape, b.shape[1], a.dtype.char
    if M == N == 1:
        return (a.reshape(L) * b.reshape(L)).sum().reshape(1, 1)
    c = empty((M, N), a)
    a, transpose_a, lda = _by_columns(a.T, 0)
    b, transpose_b, ldb = _by_columns(b, 1)
    _call(
        "cublasGemmEx",
        *(transpose_b, transpose_a, N, M, L, _number(1, kind)),
        *(_address(b), DATA[kind], ldb, _address(a), DATA[kind], lda),
        *(_number(0, kind), _address(c), DATA[kind], N),
        COMPUTE_TF32 if tf32 else COMPUTE[kind],
        ON_TENSOR_CORES if has_tensor_cores() else ALGORITHM,
    )
    return c


def _products(a: Array, b: Array) -> Array:
    """Of as many pairs of matrices."""
    (G, M, L), N, kind = a.shape, b.shape[2], a.dtype.char
    c = empty((G, M, N), a)
    _call(
        "cublasGemmStridedBatchedEx",
        *(0, 0, N, M, L, _number(1, kind)),
        *(_address(b), DATA[kind], N, LONG(L * N), _address(a), DATA[kind], L, LONG(M * L)),
        *(_number(0, kind), _address(c), DATA[kind], N, LONG(M * N), G, COMPUTE[kind], ALGORITHM),
    )
    return c


def _by_columns(matrix: Array, transposed: int) -> tuple[Array, int, int]:
    """The matrix, copied where it lies in pieces; 0 or 1 to transpose it; the entries from one line to the next."""
    if matrix.flags.f_contiguous:
        return matrix, transposed, max(matrix.strides[1] // matrix.itemsize, matrix.shape[0])
    matrix = contiguous(matrix)
    return matrix, 1 - transposed, matrix.strides[0] // matrix.itemsize


def _call(function: str, *arguments: Any) -> None:
    """Let cuBLAS work on the current stream."""
    handle = ctypes.c_void_p(cupy.cuda.Device().cublas_handle)
    _require(_library().cublasSetStream_v2(handle, ctypes.c_void_p(cupy.cuda.get_current_stream().ptr)))
    _require(getattr(_library(), function)(handle, *arguments))


def _require(status: int) -> None:
    if status:
        raise RuntimeError(f"cuBLAS refuses with status {status}")


def _number(value: float, kind: str) -> Any:
    """A pointer to a number in main memory; a graph holds the number itself."""
    return ctypes.byref(REAL[kind](value))


def _address(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.data.ptr)


@cache
def _library() -> Any:
    """The cuBLAS that CuPy has loaded."""
    return ctypes.CDLL(f"libcublas.so.{cupy.cuda.runtime.runtimeGetVersion() // 1000}")
