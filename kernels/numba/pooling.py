"""Pooling plane by plane, output by output: a window is read at once, from rows that are in the nearest cache.

The usual windows, 2x2 and for max pooling 3x3, two apart, are taken a row at a time by `pool_rows`, in vectors. All
other windows of max pooling, and those that hang over an edge, are scanned one by one, from the last cell to the first,
where a cell wins that is at least the best so far, or NaN: so the first of equals wins, the first NaN, and where all is
-inf the first real cell, without a case for any of them. Which cell wins is a matter of luck, and a processor that
guesses is wrong every other time: so this scan keeps where the best is, which is selected without a guess, and reads it
again.

Planes are independent, so threads share them. Windows of four two apart share no cell, and their backward passes write
each cell once, by vectors as well. The others are one addition per winner, or per cell of a window, to a plane that is
cleared right before, and so in the cache.

Plain twin: `tinycnn.kernels.numpy.pooling`, which also has the poolings that are not here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.geometry import PoolGeometry
from tinycnn.kernels.numba.chunks import bounds, chunks, share
from tinycnn.kernels.numba.compile import inlined, kernel, parallel_kernel
from tinycnn.kernels.numba.pool_rows import give_row, max_row, mean_row, spread_row
from tinycnn.kernels.numba.workspace import contiguous, empty

POOL_WEIGHT = 4  # what pooling does with an entry of the input costs as much as this many ReLUs


def max_pool2d_forward(x: Array, geometry: PoolGeometry) -> tuple[Array, Array]:
    """Largest value of each window, and the kernel cell r·S + s that held it: (N, C, H, W) -> two of (N, C, P, Q).

    The first maximum wins a tie; NaN wins over numbers.
    """
    g = geometry
    y = empty((*x.shape[:2], g.P, g.Q), x.dtype)
    winner = empty(y.shape, np.min_scalar_type(g.R * g.S - 1))
    planes = _planes(x)
    share(_max, _max_chunks, _count(planes), planes, _numbers(g), _planes(y), _planes(winner))
    return y, winner


def max_pool2d_backward(grad: Array, winner: Array, geometry: PoolGeometry) -> Array:
    """Send each window's gradient to the cell that won, adding where windows overlap: (N, C, P, Q) -> (N, C, H, W)."""
    g = geometry
    dx = empty((*grad.shape[:2], g.H, g.W), grad.dtype)
    planes = _planes(dx)
    share(_max_back, _max_back_chunks, _count(planes), _planes(grad), _planes(winner), _numbers(g), planes)
    return dx


def avg_pool2d_forward(x: Array, geometry: PoolGeometry, include_pad: bool) -> Array:
    """Sum of each window over its count: (N, C, H, W) -> (N, C, P, Q)."""
    y = empty((*x.shape[:2], geometry.P, geometry.Q), x.dtype)
    planes, divisors = _planes(x), _divisors(geometry, include_pad, x.dtype)
    share(_avg, _avg_chunks, _count(planes), planes, _numbers(geometry), divisors, _planes(y))
    return y


def avg_pool2d_backward(grad: Array, geometry: PoolGeometry, include_pad: bool) -> Array:
    """Spread each window's gradient evenly over its cells: (N, C, P, Q) -> (N, C, H, W)."""
    dx = empty((*grad.shape[:2], geometry.H, geometry.W), grad.dtype)
    planes, divisors = _planes(dx), _divisors(geometry, include_pad, grad.dtype)
    share(_avg_back, _avg_back_chunks, _count(planes), _planes(grad), _numbers(geometry), divisors, planes)
    return dx


def _planes(x: Array) -> Array:
    """(N, C, H, W) -> (N·C, H, W)."""
    return contiguous(x).reshape(x.shape[0] * x.shape[1], *x.shape[2:])


@lru_cache(maxsize=1024)
def _divisors(geometry: PoolGeometry, include_pad: bool, dtype: np.dtype[Any]) -> Array:
    """How many cells of each window count."""
    return geometry.count(include_pad).astype(dtype)


def _count(planes: Array) -> int:
    return chunks(planes.size, len(planes), POOL_WEIGHT)


def _numbers(geometry: PoolGeometry) -> tuple[int, ...]:
    """R, S, the strides and the leading pads."""
    rows, columns = geometry.rows, geometry.columns
    return rows.kernel, columns.kernel, rows.stride, columns.stride, rows.lead, columns.lead


@inlined
def _clip(corner, kernel, size):
    """The first kernel cell of a window that is a real input cell, and the first after the last."""
    return max(0, -corner), min(kernel, size - corner)


@inlined
def _inside(size, outputs, kernel, stride, lead):
    """The first output whose window hangs over no edge, and the first after the last."""
    first = min((lead + stride - 1) // stride, outputs)
    return first, max(first, min(outputs, (size - kernel + lead) // stride + 1 if size + lead >= kernel else 0))


@parallel_kernel
def _max_chunks(x, numbers, y, winner, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, len(x))
        _max(x[i:j], numbers, y[i:j], winner[i:j])


@kernel
def _max(x, numbers, y, winner):
    R, S, down, across, top, left = numbers
    (planes, H, W), (_, P, Q) = x.shape, y.shape
    flat_x, flat_y, flat_winner = x.reshape(-1), y.reshape(-1), winner.reshape(-1)
    first, end = _inside(W, Q, S, across, left)
    usual = across == 2 and R == S and (R == 2 or R == 3)
    for n in range(planes):
        for p in range(P):
            row, out = (n * H + p * down - top) * W - left, (n * P + p) * Q
            r0, r1 = _clip(p * down - top, R, H)
            done = first
            if usual and r0 == 0 and r1 == R:
                if R == 2:
                    max_row(2, flat_x, row + first * 2, W, flat_y, flat_winner, out + first, end - first)
                else:
                    max_row(3, flat_x, row + first * 2, W, flat_y, flat_winner, out + first, end - first)
                done = end
            for q in range(Q - (done - first)):
                q += done - first if q >= first else 0
                s0, s1 = _clip(q * across - left, S, W)
                _largest(flat_x, row + q * across, W, S, r0, r1, s0, s1, flat_y, flat_winner, out + q)


@inlined
def _largest(x, corner, W, S, r0, r1, s0, s1, y, winner, goal):
    """The winner of any one window, by where it is."""
    best, place, cell = x.dtype.type(-np.inf), corner, 0
    for i in range(r1 - r0):
        r = r1 - 1 - i
        for j in range(s1 - s0):
            s = s1 - 1 - j
            here = corner + r * W + s
            candidate = x[np.uintp(here)]
            better = (candidate >= best) | (candidate != candidate)
            place = here if better else place
            cell = r * S + s if better else cell
            best = x[np.uintp(place)]
    y[np.uintp(goal)] = best
    winner[np.uintp(goal)] = cell


@parallel_kernel
def _max_back_chunks(grad, winner, numbers, dx, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, len(grad))
        _max_back(grad[i:j], winner[i:j], numbers, dx[i:j])


@kernel
def _max_back(grad, winner, numbers, dx):
    R, S, down, across, top, left = numbers
    (planes, P, Q), (_, H, W) = grad.shape, dx.shape
    if R == S == down == across == 2 and top == left == 0 and H >= 2 * P and W >= 2 * Q:
        _give(grad, winner, dx)
        return
    offset = np.empty(R * S, np.intp)  # of each kernel cell from a window's corner
    for r in range(R):
        for s in range(S):
            offset[r * S + s] = (r - top) * W + s - left
    for n in range(planes):
        plane = dx[n].reshape(-1)
        plane[:] = 0
        for p in range(P):
            for q in range(Q):
                plane[np.uintp(p * down * W + q * across + offset[winner[n, p, q]])] += grad[n, p, q]


@inlined
def _give(grad, winner, dx):
    """Windows of four that share no cell: each cell is written once, so nothing needs to be cleared before."""
    (planes, P, Q), (_, H, W) = grad.shape, dx.shape
    flat_grad, flat_winner, flat_dx = grad.reshape(-1), winner.reshape(-1), dx.reshape(-1)
    for n in range(planes):
        for p in range(P):
            give_row(flat_grad, flat_winner, (n * P + p) * Q, flat_dx, (n * H + 2 * p) * W, W, Q)
        dx[n, : 2 * P, 2 * Q :] = 0  # cells of no window
        dx[n, 2 * P :] = 0


@parallel_kernel
def _avg_chunks(x, numbers, divisors, y, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, len(x))
        _avg(x[i:j], numbers, divisors, y[i:j])


@kernel
def _avg(x, numbers, divisors, y):
    R, S, down, across, top, left = numbers
    (planes, H, W), (_, P, Q) = x.shape, y.shape
    if R == S == down == across == 2 and top == left == 0 and H >= 2 * P and W >= 2 * Q:
        _halve(x, y)
        return
    flat_x = x.reshape(-1)
    for n in range(planes):
        for p in range(P):
            r0, r1 = _clip(p * down - top, R, H)
            for q in range(Q):
                s0, s1 = _clip(q * across - left, S, W)
                corner, total = (n * H + p * down - top) * W + q * across - left, x.dtype.type(0)
                for r in range(r0, r1):
                    for s in range(s0, s1):
                        total += flat_x[np.uintp(corner + r * W + s)]
                y[n, p, q] = total / divisors[p, q]


@inlined
def _halve(x, y):
    """The mean of each four cells that lie two apart."""
    (planes, H, W), (_, P, Q) = x.shape, y.shape
    flat_x, flat_y = x.reshape(-1), y.reshape(-1)
    for n in range(planes):
        for p in range(P):
            mean_row(flat_x, (n * H + 2 * p) * W, W, flat_y, (n * P + p) * Q, Q)


@parallel_kernel
def _avg_back_chunks(grad, numbers, divisors, dx, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, len(grad))
        _avg_back(grad[i:j], numbers, divisors, dx[i:j])


@kernel
def _avg_back(grad, numbers, divisors, dx):
    R, S, down, across, top, left = numbers
    (planes, P, Q), (_, H, W) = grad.shape, dx.shape
    if R == S == down == across == 2 and top == left == 0 and H == 2 * P and W == 2 * Q:
        _double(grad, dx)
        return
    for n in range(planes):
        plane = dx[n].reshape(-1)
        plane[:] = 0
        for p in range(P):
            r0, r1 = _clip(p * down - top, R, H)
            for q in range(Q):
                s0, s1 = _clip(q * across - left, S, W)
                part = grad[n, p, q] / divisors[p, q]
                corner = (p * down - top) * W + q * across - left
                if r1 - r0 == s1 - s0 == 2:
                    _spread(plane, corner + r0 * W + s0, W, 2, 2, part)
                else:
                    _spread(plane, corner + r0 * W + s0, W, r1 - r0, s1 - s0, part)


@inlined
def _double(grad, dx):
    """A quarter of each gradient to its four cells."""
    planes, P, Q = grad.shape
    flat_grad, flat_dx = grad.reshape(-1), dx.reshape(-1)
    for row in range(planes * P):
        spread_row(flat_grad, row * Q, flat_dx, 2 * row * 2 * Q, 2 * Q, Q)


@inlined
def _spread(plane, at, W, rows, columns, part):
    for r in range(rows):
        for s in range(columns):
            plane[np.uintp(at + r * W + s)] += part
