"""The stand-in for cuBLAS, by its C names: what an address, a transposition and a leading dimension say is believed."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from tests.cupy_streams import current_stream, do, owner_at

KINDS = {0: (ctypes.c_float, 68, 77), 1: (ctypes.c_double, 70)}  # of cudaDataType_t: the numbers, and what may sum them


class Library:
    """libcublas, on addresses in main memory."""

    def cublasSetStream_v2(self, handle: Any, stream: Any) -> int:
        assert (stream.value or 0) == current_stream().ptr
        return 0

    def cublasGemmEx(
        self, handle: Any, transa: int, transb: int, m: int, n: int, k: int, alpha: Any, a: Any, a_type: int, lda: int,
        b: Any, b_type: int, ldb: int, beta: Any, c: Any, c_type: int, ldc: int, compute: int, algorithm: int,
    ) -> int:  # fmt: skip
        assert algorithm in (-1, 99)
        return self._multiply(
            (transa, transb), (m, n, k), (alpha, beta), (a, b, c), (lda, ldb, ldc), (0, 0, 0), 1,
            {a_type, b_type, c_type}, compute,
        )  # fmt: skip

    def cublasGemmStridedBatchedEx(
        self, handle: Any, transa: int, transb: int, m: int, n: int, k: int, alpha: Any, a: Any, a_type: int, lda: int,
        stride_a: Any, b: Any, b_type: int, ldb: int, stride_b: Any, beta: Any, c: Any, c_type: int, ldc: int,
        stride_c: Any, count: int, compute: int, algorithm: int,
    ) -> int:  # fmt: skip
        assert algorithm == -1
        apart = (stride_a.value, stride_b.value, stride_c.value)  # of 64 bits, which ctypes passes only if told
        return self._multiply(
            (transa, transb), (m, n, k), (alpha, beta), (a, b, c), (lda, ldb, ldc), apart, count,
            {a_type, b_type, c_type}, compute,
        )  # fmt: skip

    def _multiply(
        self, transposed: Any, sizes: Any, scales: Any, addresses: Any, lds: Any, apart: Any, count: int, kinds: Any,
        compute: int,
    ) -> int:  # fmt: skip
        (kind,) = kinds
        number, *sums = KINDS[kind]
        assert compute in sums
        assert [ctypes.cast(scale, ctypes.POINTER(number)).contents.value for scale in scales] == [1, 0]
        m, n, k = sizes
        shapes = [(k, m) if transposed[0] else (m, k), (n, k) if transposed[1] else (k, n), (m, n)]
        a, b, c = (
            _columns(address.value, number, count, shape, ld, stride)
            for address, shape, ld, stride in zip(addresses, shapes, lds, apart, strict=True)
        )
        a, b = (x.transpose(0, 2, 1) if t else x for x, t in zip((a, b), transposed, strict=True))

        def work() -> None:
            for i in range(count):
                c[i].T[...] = np.matmul(b[i].T, a[i].T)

        do(work, [owner_at(address.value) for address in addresses])
        return 0


def _columns(address: int, number: Any, count: int, shape: tuple[int, int], ld: int, stride: int) -> np.ndarray:
    """Matrices that lie column by column in memory."""
    rows, columns = shape
    assert ld >= rows
    size = (count - 1) * stride + (columns - 1) * ld + rows
    flat = np.ctypeslib.as_array((number * size).from_address(address))
    step = flat.itemsize
    return np.lib.stride_tricks.as_strided(flat, (count, rows, columns), (stride * step, step, ld * step))
