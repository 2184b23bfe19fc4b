"""Pooling in visible loops, window by window.

    max   y[n, c, p, q] = max x[n, c, p·stride + r − pad, q·stride + s − pad] over the r, s that lie on the image
    avg   y[n, c, p, q] = 1 / count[p, q] · Σ x[n, c, p·stride + r − pad, q·stride + s − pad] over the same

What lies beyond the edge is never read: it can neither win a maximum nor add to a sum.
"""

import math

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import PoolGeometry


def max_pool2d_forward(x: Array, geometry: PoolGeometry) -> tuple[Array, Array]:
    """Largest value of each window, and the place h·W + w that held it: (N, C, H, W) -> two of (N, C, P, Q).

    The search begins with −∞, as if that were in the padding. The first maximum wins a tie; NaN wins over numbers.
    """
    (N, C, H, W), rows, columns = x.shape, geometry.rows, geometry.columns
    y = np.zeros((N, C, geometry.P, geometry.Q), x.dtype)
    winner = np.zeros((N, C, geometry.P, geometry.Q), np.int64)
    for n in range(N):
        for c in range(C):
            for p in range(geometry.P):
                for q in range(geometry.Q):
                    top, left = p * rows.stride - rows.lead, q * columns.stride - columns.lead
                    y[n, c, p, q] = -np.inf
                    winner[n, c, p, q] = max(top, 0) * W + max(left, 0)
                    for r in range(geometry.R):
                        for s in range(geometry.S):
                            h, w = top + r, left + s
                            if 0 <= h < H and 0 <= w < W and beats(x[n, c, h, w], y[n, c, p, q]):
                                y[n, c, p, q] = x[n, c, h, w]
                                winner[n, c, p, q] = h * W + w
    return y, winner


def beats(value: float, best: float) -> bool:
    """Whether a value takes the place of the best so far: an equal one does not, and NaN does, once.

    Examples
    --------
    >>> beats(2.0, 1.0), beats(1.0, 1.0), beats(math.nan, 1.0), beats(2.0, math.nan)
    (True, False, True, False)
    """
    return bool(value > best or (math.isnan(value) and not math.isnan(best)))


def max_pool2d_backward(dy: Array, winner: Array, geometry: PoolGeometry) -> Array:
    """Send each window's gradient to the cell that won, adding where windows overlap: (N, C, P, Q) -> (N, C, H, W)."""
    N, C, P, Q = dy.shape
    dx = np.zeros((N, C, geometry.H, geometry.W), dy.dtype)
    for n in range(N):
        for c in range(C):
            for p in range(P):
                for q in range(Q):
                    h, w = divmod(int(winner[n, c, p, q]), geometry.W)
                    dx[n, c, h, w] += dy[n, c, p, q]
    return dx


def avg_pool2d_forward(x: Array, count: Array, geometry: PoolGeometry) -> Array:
    """Sum of each window over its count, which is (P, Q): (N, C, H, W) -> (N, C, P, Q)."""
    (N, C, H, W), rows, columns = x.shape, geometry.rows, geometry.columns
    y = np.zeros((N, C, geometry.P, geometry.Q), x.dtype)
    for n in range(N):
        for c in range(C):
            for p in range(geometry.P):
                for q in range(geometry.Q):
                    for r in range(geometry.R):
                        for s in range(geometry.S):
                            h = p * rows.stride + r - rows.lead
                            w = q * columns.stride + s - columns.lead
                            if 0 <= h < H and 0 <= w < W:
                                y[n, c, p, q] += x[n, c, h, w]
                    y[n, c, p, q] = y[n, c, p, q] / count[p, q]
    return y


def avg_pool2d_backward(dy: Array, count: Array, geometry: PoolGeometry) -> Array:
    """Share each window's gradient among its cells, adding where windows overlap: (N, C, P, Q) -> (N, C, H, W)."""
    (N, C, P, Q), H, W, rows, columns = dy.shape, geometry.H, geometry.W, geometry.rows, geometry.columns
    dx = np.zeros((N, C, H, W), dy.dtype)
    for n in range(N):
        for c in range(C):
            for p in range(P):
                for q in range(Q):
                    for r in range(geometry.R):
                        for s in range(geometry.S):
                            h = p * rows.stride + r - rows.lead
                            w = q * columns.stride + s - columns.lead
                            if 0 <= h < H and 0 <= w < W:
                                dx[n, c, h, w] += dy[n, c, p, q] / count[p, q]
    return dx
