"""Products of matrices for the fully connected layer: loops of our own where the weight is large, else BLAS.

Large products are those of `linear_loops`. Small ones, and those of so few images that BLAS reads the weight as fast as
memory gives it, are left to BLAS on one thread, called by as many threads as there are: its own threads do not fit
here. After each call they wait for the next one, awake for a while, on the cores that Numba's threads need, and Numba's
likewise. So BLAS is held at one thread (`tinycnn.threads`). Results go to recycled memory.

Plain twin: `tinycnn.kernels.numpy.linear`.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
from numba import config

from tinycnn.arrays import Array
from tinycnn.kernels.numba import linear_loops
from tinycnn.kernels.numba.lane_tile import columns_beside, cut_lanes
from tinycnn.kernels.numba.threads import limit, team
from tinycnn.kernels.numba.tile import VECTOR_BYTES
from tinycnn.kernels.numba.workspace import contiguous, empty, zeros

SHARE = 1 << 22  # multiply-adds of a thread's share: 0.1 ms at 80 GFLOP/s; not tuned
# Multiply-adds from which loops of our own are faster, by 2 to 3. With 3.1 million, LeNet-5's last convolution of 64
# images, BLAS on one thread is the better, as it wakes no other: the whole step takes 2.7 to 2.9 ms so, and 2.9 to 3.0
# by our loops (Intel Xeon, Sapphire Rapids).
OWN = 1 << 22
# Rows and columns of the pieces of the weight that backward_input reads, for so many images at most, else the largest.
# Rows that lie a multiple of 4 KiB apart share the eight places of a cache's set, so that pieces of few rows are
# faster; but each piece reads and writes its part of dx, and the more of that there is, the more rows a piece should
# have. CPU time of one thread, AMD EPYC (Zen 4), AlexNet's first layer, by pieces of 8, 16 and 32 rows: 4 images 9.7,
# 11.7 and 21.7 ms, 16 images 27, 26 and 35, 64 images 165, 112 and 89; one image 8.9 by 8 rows, and 6.5 by BLAS.
# VGG-16's first layer, 4 images: 21, 24 and 61, and 53 by BLAS.
PIECES = {8: (8, 8192), 24: (16, 4096)}
LARGEST_PIECE = (32, 2048)
# Bytes of a weight's gradient that are written past the caches: 67 MB take 2.8 ms so and 3.6 through them, 411 MB 13
# and 17, 16 MB 0.67 and 0.76; fewer were not measured, and may be read again while they are in a cache.
LARGE = 1 << 24


def linear_forward(x: Array, weight: Array, bias: Array | None) -> Array:
    """Y = X · Wᵀ + b: (…, in), (out, in), (out,) -> (…, out)."""
    shape = (*x.shape[:-1], weight.shape[0])
    rows, columns = math.prod(x.shape[:-1]), _whole_vectors(weight)
    if rows == 1 or not _is_large(rows, weight.shape):
        y = _multiply(x, weight.T, shape)
    else:
        x, y = contiguous(x).reshape(rows, -1), zeros((rows, shape[-1]), x.dtype)
        with team(rows * weight.size, shape[-1]) as threads:
            _, height = cut_lanes(rows, shape[-1])
            linear_loops.scalar_products(x, contiguous(weight), columns, (height, columns_beside(height)), y, threads)
        if columns < x.shape[1]:
            y += _product(x[:, columns:], weight[:, columns:].T, np.empty_like(y))
        y = y.reshape(shape)
    if bias is not None:
        y += bias
    return y


def linear_backward_input(grad: Array, weight: Array) -> Array:
    """dX = dY · W: (…, out), (out, in) -> (…, in)."""
    shape = (*grad.shape[:-1], weight.shape[1])
    rows, columns = math.prod(grad.shape[:-1]), _whole_vectors(weight)
    if rows == 1 or not _is_large(rows, weight.shape):  # one image is BLAS's, see PIECES
        return _multiply(grad, weight, shape)
    grad, dx = contiguous(grad).reshape(rows, -1), zeros((rows, shape[-1]), grad.dtype)
    with team(rows * weight.size, columns * weight.itemsize // VECTOR_BYTES) as threads:
        linear_loops.multiply(grad, contiguous(weight), columns, _piece(rows), dx, threads)
    if columns < shape[-1]:
        _product(grad, weight[:, columns:], dx[:, columns:])
    return dx.reshape(shape)


def linear_backward_weight(grad: Array, x: Array) -> Array:
    """dW = dYᵀ · X: (rows, out), (rows, in) -> (out, in)."""
    shape, columns = (grad.shape[1], x.shape[1]), _whole_vectors(x)
    if len(x) == 1:
        return np.multiply(grad.T, x, out=empty(shape, x.dtype))  # a column by a row: five times as fast as BLAS
    if not _is_large(len(x), shape):
        return _multiply(grad.T, x, shape)
    dw = empty(shape, x.dtype)
    past_caches = columns == shape[1] and dw.nbytes >= LARGE
    with team(len(x) * dw.size, shape[0]) as threads:
        linear_loops.outer(contiguous(grad), contiguous(x), columns, past_caches, dw, threads)
    if columns < shape[1]:
        _product(grad.T, x[:, columns:], dw[:, columns:])
    return dw


def _is_large(rows: int, shape: tuple[int, ...]) -> bool:
    """Whether a product with a weight of this shape is worth loops of our own."""
    return rows * math.prod(shape) >= OWN


def _piece(images: int) -> tuple[int, int]:
    """Rows and columns of the pieces of the weight that backward_input reads."""
    return next((piece for most, piece in PIECES.items() if images <= most), LARGEST_PIECE)


def _whole_vectors(matrix: Array) -> int:
    """How many of the columns are whole vectors."""
    lanes = VECTOR_BYTES // matrix.itemsize
    return matrix.shape[1] // lanes * lanes


def _multiply(a: Array, b: Array, shape: tuple[int, ...]) -> Array:
    """A · B, by BLAS: (…, L), (L, N) -> (…, N)."""
    out = empty(shape, a.dtype)
    threads = min(limit(), a.size * b.shape[1] // SHARE)
    if threads < 2:
        return _product(a, b, out)
    along_rows = a.ndim == 2 and a.shape[0] > b.shape[1]
    length = a.shape[0] if along_rows else b.shape[1]
    bounds = [thread * length // threads for thread in range(threads + 1)]
    shares = []
    for start, stop in pairwise(bounds):
        if along_rows:
            shares.append((a[start:stop], b, out[start:stop]))
        else:
            shares.append((a, b[:, start:stop], out[..., start:stop]))
    waiting = [_others().submit(_product, *other) for other in shares[1:]]
    _product(*shares[0])
    for other in waiting:
        other.result()
    return out


def _product(a: Array, b: Array, out: Array) -> Array:
    """A · B, without a word on NaN, as compiled loops are: some BLAS warn of what was in ``out`` before."""
    with np.errstate(all="ignore"):
        return np.matmul(a, b, out=out)


@cache
def _others() -> ThreadPoolExecutor:
    """The threads beside the one that asks; they live as long as the process."""
    return ThreadPoolExecutor(max(1, config.NUMBA_NUM_THREADS - 1), thread_name_prefix="tinycnn-linear")
