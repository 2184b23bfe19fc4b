"""Local response normalisation in blocks of positions, and batch normalisation channel by channel.

LRN needs, at a position, the channels around each channel, which lie a whole plane apart. So the loops take up to BLOCK
neighbouring positions through all channels: a row of so many numbers is long enough for the processor to fetch what
comes next by itself, and the rows of one window stay in a near cache while the window slides. Each window is summed
anew: a sliding sum, plus the new and minus the old, would keep every rounding error. d^−β is 1 / (√d · √√d) for the
usual β = 3/4: two roots, which are vector instructions; a power is not.

Batch normalisation sums in float64, as millions of float32 terms would lose digits, and with the mean known before the
squares are summed, as the difference of two large sums would lose more. A channel's sums are one thread's, in the
order of memory.

Plain twin: `tinycnn.kernels.numpy.normalization`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.kernels.numba.chunks import bounds, chunks, share
from tinycnn.kernels.numba.compile import inlined, kernel, parallel_kernel
from tinycnn.kernels.numba.workspace import contiguous, empty
from tinycnn.kernels.numpy import normalization as plain

BLOCK = 1024  # positions: of 128, AlexNet's first LRN takes 3.5 ms in place of 2.2, as each row is fetched too late
LRN_WEIGHT = 8  # an entry of LRN costs as much as this many ReLUs
SUM_WEIGHT = 4  # an entry that is summed in float64, likewise


def lrn_forward(x: Array, size: int, scale: float, beta: float, k: float) -> tuple[Array, Array]:
    """y = x · d^−β with d = k + scale · Σ x² over the channels c − size//2 … c + (size − 1)//2: (N, C, …) -> y, d.

    Source: Krizhevsky, Sutskever, Hinton (2012), section 3.3, where scale is alpha.
    """
    y, d = empty(x.shape, x.dtype), empty(x.shape, x.dtype)
    items = _positions(x)
    numbers = size // 2, (size - 1) // 2, float(scale), float(beta), float(k)
    share(_lrn, _lrn_chunks, chunks(x.size, items, LRN_WEIGHT), 0, items, _rows(x), *numbers, _rows(y), _rows(d))
    return y, d


def lrn_backward(grad: Array, x: Array, d: Array, size: int, scale: float, beta: float) -> Array:
    """dx_c = dy_c · d_c^−β − 2 · scale · β · x_c · Σ_j dy_j · x_j · d_j^(−β−1) over the windows j that c lies in.

    Channel c lies in the windows of j = c − (size − 1)//2 … c + size//2: the forward window, mirrored.
    """
    dx = empty(grad.shape, grad.dtype)
    items = _positions(x)
    rows, numbers = (_rows(grad), _rows(x), _rows(d)), ((size - 1) // 2, size // 2, float(scale), float(beta))
    share(_lrn_back, _lrn_back_chunks, chunks(x.size, items, LRN_WEIGHT), 0, items, *rows, *numbers, _rows(dx))
    return dx


def batch_norm_forward(x: Array, mean: Array, variance: Array, eps: float) -> tuple[Array, Array]:
    """Normalised x̂ = (x − mean) / √(variance + eps), and 1 / √(variance + eps): (N, C, …), (C,) -> (N, C, …), (C,)."""
    if _one_each(x):
        return plain.batch_norm_forward(x, mean, variance, eps)
    inverse_std = (1 / np.sqrt(variance + eps)).astype(x.dtype, copy=False)
    y = empty(x.shape, x.dtype)
    planes = len(x) * x.shape[1]
    arguments = _rows(x), contiguous(mean), contiguous(inverse_std), _rows(y)
    share(_normalise, _normalise_chunks, chunks(x.size, planes), 0, planes, *arguments)
    return y, inverse_std


def batch_norm_backward(grad: Array, normalised: Array, inverse_std: Array) -> Array:
    """Through the batch's own mean and variance: dx = (dx̂ − mean(dx̂) − x̂ · mean(dx̂ · x̂)) / std, means per channel.

    ``grad`` is dx̂, the gradient of the normalised values. Source: Ioffe, Szegedy (2015), section 3.
    """
    if _one_each(grad):
        return plain.batch_norm_backward(grad, normalised, inverse_std)
    dx = empty(grad.shape, grad.dtype)
    C = dx.shape[1]
    arguments = _rows(grad), _rows(normalised), contiguous(inverse_std), _rows(dx)
    share(_normalise_back, _normalise_back_chunks, chunks(dx.size, C, SUM_WEIGHT), 0, C, *arguments)
    return dx


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and (biased) variance of each channel over the batch and all positions: (N, C, …) -> two of (C,)."""
    if _one_each(x):
        return plain.batch_statistics(x)
    C = x.shape[1]
    mean, variance = np.empty(C, x.dtype), np.empty(C, x.dtype)
    share(_statistics, _statistics_chunks, chunks(x.size, C, SUM_WEIGHT), 0, C, _rows(x), mean, variance)
    return mean, variance


def _rows(x: Array) -> Array:
    """(N, C, …) -> (N, C, positions)."""
    return contiguous(x).reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _one_each(x: Array) -> bool:
    """Whether there is one value a channel and image: channels are then neighbours, and NumPy's loops are best."""
    return x.size == len(x) * x.shape[1]


def _positions(x: Array) -> int:
    """Positions of all images."""
    return len(x) * math.prod(x.shape[2:])


@inlined
def _block(first, last, x):
    """The block that begins at a position of all images, up to ``last``: its image, its start and its end there."""
    L = x.shape[2]
    start = first % L
    return first // L, start, min(start + BLOCK, L, start + last - first)


@parallel_kernel
def _lrn_chunks(first, last, x, before, after, scale, beta, k, y, d, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, last - first)
        _lrn(first + i, first + j, x, before, after, scale, beta, k, y, d)


@kernel
def _lrn(first, last, x, before, after, scale, beta, k, y, d):
    number = x.dtype.type
    C = x.shape[1]
    while first < last:
        n, start, end = _block(first, last, x)
        first += end - start
        for c in range(C):
            x_row, d_row = x[n, c, start:end], d[n, c, start:end]
            d_row[:] = 0
            for j in range(max(c - before, 0), min(c + after, C - 1) + 1):
                neighbour = x[n, j, start:end]
                for i in range(len(d_row)):
                    d_row[i] += neighbour[i] * neighbour[i]
            for i in range(len(d_row)):
                d_row[i] = number(k) + number(scale) * d_row[i]
            _times_power(x_row, d_row, beta, y[n, c, start:end])


@inlined
def _times_power(x, d, beta, y):
    """y = x · d^−β."""
    one, exponent = x.dtype.type(1), x.dtype.type(-beta)
    if beta == 0.75:
        for i in range(len(y)):
            root = np.sqrt(d[i])
            y[i] = x[i] * (one / (root * np.sqrt(root)))
    else:
        for i in range(len(y)):
            y[i] = x[i] * d[i] ** exponent


@parallel_kernel
def _lrn_back_chunks(first, last, grad, x, d, before, after, scale, beta, dx, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, last - first)
        _lrn_back(first + i, first + j, grad, x, d, before, after, scale, beta, dx)


@kernel
def _lrn_back(first, last, grad, x, d, before, after, scale, beta, dx):
    C, factor = x.shape[1], x.dtype.type(2 * scale * beta)
    window = before + 1 + after
    shares, total = np.empty((window, BLOCK), x.dtype), np.empty(BLOCK, x.dtype)  # of channel c, row c % window
    while first < last:
        n, start, end = _block(first, last, x)
        first += end - start
        for ahead in range(C + after):
            if ahead < C:  # dx = dy · d^−β, and what the window of this channel hands to all of its channels
                dx_row, d_row, x_row = dx[n, ahead, start:end], d[n, ahead, start:end], x[n, ahead, start:end]
                share = shares[ahead % window]
                _times_power(grad[n, ahead, start:end], d_row, beta, dx_row)
                for i in range(len(dx_row)):
                    share[i] = dx_row[i] * x_row[i] / d_row[i]
            c = ahead - after
            if c >= 0:  # whose last window's share is known now
                dx_row, x_row = dx[n, c, start:end], x[n, c, start:end]
                total[:] = 0
                for j in range(max(c - before, 0), min(ahead, C - 1) + 1):
                    share = shares[j % window]
                    for i in range(len(dx_row)):
                        total[i] += share[i]
                for i in range(len(dx_row)):
                    dx_row[i] -= factor * x_row[i] * total[i]


@parallel_kernel
def _statistics_chunks(first, last, x, mean, variance, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, last - first)
        _statistics(first + i, first + j, x, mean, variance)


@kernel
def _statistics(first, last, x, mean, variance):
    N, C, L = x.shape
    row, terms = x.reshape(-1), N * L
    for c in range(first, last):
        total = 0.0
        for n in range(N):
            total += _sum(row, (n * C + c) * L, L)
        centre = total / terms
        squares = 0.0
        for n in range(N):
            squares += _sum_of_squares(row, (n * C + c) * L, L, centre)
        mean[c], variance[c] = centre, squares / terms


@inlined
def _sum(x, start, length):
    """Sum in float64, in four interleaved sums: one alone would wait for each addition to finish before the next."""
    a = b = c = d = 0.0
    whole = start + length // 4 * 4
    for i in range(start, whole, 4):
        a += x[np.uintp(i)]
        b += x[np.uintp(i + 1)]
        c += x[np.uintp(i + 2)]
        d += x[np.uintp(i + 3)]
    for i in range(whole, start + length):
        a += x[np.uintp(i)]
    return (a + b) + (c + d)


@inlined
def _sum_of_squares(x, start, length, centre):
    """Sum of (x − centre)², likewise."""
    a = b = c = d = 0.0
    whole = start + length // 4 * 4
    for i in range(start, whole, 4):
        a += (x[np.uintp(i)] - centre) ** 2
        b += (x[np.uintp(i + 1)] - centre) ** 2
        c += (x[np.uintp(i + 2)] - centre) ** 2
        d += (x[np.uintp(i + 3)] - centre) ** 2
    for i in range(whole, start + length):
        a += (x[np.uintp(i)] - centre) ** 2
    return (a + b) + (c + d)


@inlined
def _inner(x, y, start, length):
    """Sum of x · y, likewise."""
    a = b = c = d = 0.0
    whole = start + length // 4 * 4
    for i in range(start, whole, 4):
        a += np.float64(x[np.uintp(i)]) * y[np.uintp(i)]
        b += np.float64(x[np.uintp(i + 1)]) * y[np.uintp(i + 1)]
        c += np.float64(x[np.uintp(i + 2)]) * y[np.uintp(i + 2)]
        d += np.float64(x[np.uintp(i + 3)]) * y[np.uintp(i + 3)]
    for i in range(whole, start + length):
        a += np.float64(x[np.uintp(i)]) * y[np.uintp(i)]
    return (a + b) + (c + d)


@parallel_kernel
def _normalise_chunks(first, last, x, mean, inverse_std, y, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, last - first)
        _normalise(first + i, first + j, x, mean, inverse_std, y)


@kernel
def _normalise(first, last, x, mean, inverse_std, y):
    C, L = x.shape[1:]
    for plane in range(first, last):
        n, c = plane // C, plane % C
        centre, factor = mean[c], inverse_std[c]
        for i in range(L):
            y[n, c, i] = (x[n, c, i] - centre) * factor


@parallel_kernel
def _normalise_back_chunks(first, last, grad, normalised, inverse_std, dx, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, last - first)
        _normalise_back(first + i, first + j, grad, normalised, inverse_std, dx)


@kernel
def _normalise_back(first, last, grad, normalised, inverse_std, dx):
    (N, C, L), number = grad.shape, grad.dtype.type
    grad_row, x_row, dx_row = grad.reshape(-1), normalised.reshape(-1), dx.reshape(-1)
    for c in range(first, last):
        total = along = 0.0
        for n in range(N):
            total += _sum(grad_row, (n * C + c) * L, L)
            along += _inner(grad_row, x_row, (n * C + c) * L, L)
        mean, slope, factor = number(total / (N * L)), number(along / (N * L)), inverse_std[c]
        for n in range(N):
            start = (n * C + c) * L
            for i in range(L):
                at = np.uintp(start + i)
                dx_row[at] = (grad_row[at] - mean - x_row[at] * slope) * factor
