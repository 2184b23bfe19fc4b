"""The loops of `linear`: products in which one factor is a large weight, read or written once, in the order it lies in.

A layer's weight is larger than the caches and its batch small: a product takes at least the time in which the weight
passes between memory and processor. So no factor is packed but the small one. forward takes a few rows of the weight at
a time, along which its scalar products with all images are summed up. backward_input reads pieces of a few rows of the
weight at a time, while the piece of dx that they add to stays in the cache.
backward_weight makes a piece of the weight's gradient in the nearest cache, then writes it past the caches: all of it
would drive out what is in them, and nobody reads it soon enough to find it there.

Columns are whole vectors here; what is left over is for BLAS. Plain twin: `tinycnn.kernels.numpy.linear`.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinycnn.kernels.numba.caches import prefetch, stream_row
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.correlation import clear, share, tile_width
from tinycnn.kernels.numba.lane_tile import add_lanes, multiply_lanes
from tinycnn.kernels.numba.tile import ROWS, multiply_tile
from tinycnn.kernels.numba.vectors import copy_row, copy_vector, lanes_of

AHEAD = 128  # numbers along a row of the weight that are asked for before they are needed; 256 is slower by up to 18 %
ALONG = 4096  # numbers of a row of the weight that forward sums in one go
PIECE = 512  # numbers of a row of the weight's gradient


@parallel_kernel
def scalar_products(x, weight, columns, tile, y, threads):
    """Add x · weightᵀ, over their first columns, to y: (N, in), (out, in) -> (N, out), by tiles of rows, columns."""
    for thread in prange(threads):
        _scalar_products_share(x, weight, columns, tile, y, np.int64(thread), threads)


@inlined
def _scalar_products_share(x, weight, columns, tile, y, thread, threads):
    (N, inside), outside, lanes, (rows, beside) = x.shape, y.shape[1], lanes_of(x), tile
    flat_x, flat, panels = x.reshape(-1), weight.reshape(-1), (N + rows - 1) // rows
    steps = min(columns, ALONG) // lanes
    packed = np.zeros(panels * steps * rows * lanes, x.dtype)
    place, begin = np.arange(steps) * lanes, np.empty(beside, np.int64)
    sums, totals = np.empty(rows * beside * lanes, y.dtype), np.empty(rows * beside, y.dtype)
    own = share(outside, thread, threads)
    for left in range(0, columns, ALONG):
        steps = min(ALONG, columns - left) // lanes
        for n in range(N):
            for step in range(steps):
                copy_vector(flat_x, n * inside + left + step * lanes, packed, (n * steps + step) * lanes)
        for first in range(own.start, own.stop, beside):
            for column in range(beside):
                begin[column] = min(first + column, own.stop - 1) * inside + left
            for panel in range(panels):
                sums[:] = 0
                totals[:] = 0
                pitch = steps * lanes
                multiply_lanes(packed, panel * rows * pitch, pitch, flat, begin, 0, place, steps, sums, 0, rows)
                add_lanes(sums, 0, totals, 0, len(totals))
                for row in range(min(rows, N - panel * rows)):
                    for column in range(min(beside, own.stop - first)):
                        y[panel * rows + row, first + column] += totals[row * beside + column]


@parallel_kernel
def multiply(grad, weight, columns, piece, dx, threads):
    """Give dx = grad · weight: (N, out), (out, in) -> (N, in), in its first columns; dx is zeros before.

    The weight is read by pieces of (rows, columns).
    """
    for thread in prange(threads):
        _multiply_share(grad, weight, columns, piece, dx, np.int64(thread), threads)


@inlined
def _multiply_share(grad, weight, columns, piece, dx, thread, threads):
    (N, outside), inside, width, (most, across) = grad.shape, weight.shape[1], tile_width(dx), piece
    flat_grad, flat, flat_dx = grad.reshape(-1), weight.reshape(-1), dx.reshape(-1)
    panels = (N + ROWS - 1) // ROWS
    packed, row = np.empty(N * most, grad.dtype), np.arange(most) * inside
    own = share(columns // width, thread, threads)
    end = columns if thread == threads - 1 else own.stop * width
    for left in range(own.start * width, end, across):
        right = min(left + across, end)
        for start in range(0, outside, most):
            depth = min(most, outside - start)
            for panel in range(panels):
                rows = share(N, panel, panels)
                for step in range(depth):
                    for n in rows:
                        at = rows.start * depth + step * len(rows) + n - rows.start
                        packed[np.uint64(at)] = flat_grad[np.uint64(n * outside + start + step)]
            for j in range(left, right, width):
                for step in range(depth):
                    prefetch(flat, (start + step) * inside + j + AHEAD, width, False)
                for panel in range(panels):
                    rows = share(N, panel, panels)
                    multiply_tile(
                        packed, rows.start * depth, flat, start * inside + j, row, 0, depth,
                        flat_dx, rows.start * inside + j, inside, len(rows), right - j,
                    )  # fmt: skip


@parallel_kernel
def outer(grad, x, columns, past_caches, dw, threads):
    """Give dw = gradᵀ · x: (N, out), (N, in) -> (out, in), in its first columns; past the caches where asked to."""
    for thread in prange(threads):
        _outer_share(grad, x, columns, past_caches, dw, np.int64(thread), threads)


@inlined
def _outer_share(grad, x, columns, past_caches, dw, thread, threads):
    (N, outside), inside, width = grad.shape, x.shape[1], tile_width(dw)
    flat_grad, flat, flat_dw = grad.reshape(-1), x.reshape(-1), dw.reshape(-1)
    packed, row = np.empty(N * ROWS, grad.dtype), np.arange(N) * inside
    sums, least = np.empty(ROWS * PIECE, dw.dtype), dw.dtype.type(-np.inf)
    own = share(outside, thread, threads)
    for left in range(0, columns, PIECE):
        right = min(left + PIECE, columns)
        for first in range(own.start, own.stop, ROWS):
            rows = min(ROWS, own.stop - first)
            for n in range(N):
                for i in range(rows):
                    packed[np.uint64(n * rows + i)] = flat_grad[np.uint64(n * outside + first + i)]
            clear(sums, 0, rows * PIECE)
            for j in range(left, right, width):
                multiply_tile(packed, 0, flat, j, row, 0, N, sums, j - left, PIECE, rows, right - j)
            for i in range(rows):
                goal = (first + i) * inside + left
                if past_caches:
                    stream_row(sums, i * PIECE, flat_dw, goal, right - left)
                else:
                    copy_row(sums, i * PIECE, flat_dw, goal, right - left, least)
