"""Pooling, one kernel cell at a time: for cell (r, s), the inputs under it in every window at once.

`geometry.taps` names, for each kernel cell, the outputs that have a real input there and those inputs, so nothing is
ever padded, and a padded cell can neither win a maximum nor be counted.
"""

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import Axis, PoolGeometry


def max_pool2d_forward(x: Array, geometry: PoolGeometry) -> tuple[Array, Array]:
    """Largest value of each window, and the kernel cell r·S + s that held it: (N, C, H, W) -> two of (N, C, P, Q).

    The first maximum wins a tie; NaN wins over numbers.
    """
    y = np.full_like(x, -np.inf, shape=(*x.shape[:2], geometry.P, geometry.Q))
    winner = np.empty_like(x, shape=y.shape, dtype=np.min_scalar_type(geometry.R * geometry.S - 1))
    winner[...] = np.asarray(_first_real_cell(geometry), like=x)  # (P, Q) to every plane; holds where all is -inf
    for r, s, p, q, h, w in geometry.taps:
        candidate, best = x[:, :, h, w], y[:, :, p, q]
        better = (candidate > best) | (np.isnan(candidate) & ~np.isnan(best))
        np.copyto(best, candidate, where=better)
        np.copyto(winner[:, :, p, q], winner.dtype.type(r * geometry.S + s), where=better)
    return y, winner


def max_pool2d_backward(grad: Array, winner: Array, geometry: PoolGeometry) -> Array:
    """Send each window's gradient to the cell that won, adding where windows overlap: (N, C, P, Q) -> (N, C, H, W)."""
    dx = np.zeros_like(grad, shape=(*grad.shape[:2], geometry.H, geometry.W))
    for r, s, p, q, h, w in geometry.taps:
        won = winner[:, :, p, q] == r * geometry.S + s
        dx[:, :, h, w] += np.where(won, grad[:, :, p, q], grad.dtype.type(0))
    return dx


def max_pool2d_indices(winner: Array, geometry: PoolGeometry) -> Array:
    """Turn winning kernel cells into flat input positions h·W + w, as max_unpool2d takes them: int64 (N, C, P, Q)."""
    r, s = np.divmod(winner.astype(np.int64), geometry.S)
    h = np.arange(geometry.P, like=r)[:, None] * geometry.rows.stride + r - geometry.rows.lead
    w = np.arange(geometry.Q, like=s) * geometry.columns.stride + s - geometry.columns.lead
    return h * geometry.W + w


def avg_pool2d_forward(x: Array, geometry: PoolGeometry, include_pad: bool) -> Array:
    """Sum of each window over its count: (N, C, H, W) -> (N, C, P, Q)."""
    return window_sum(x, geometry) / np.asarray(geometry.count(include_pad), x.dtype, like=x)


def avg_pool2d_backward(grad: Array, geometry: PoolGeometry, include_pad: bool) -> Array:
    """Spread each window's gradient evenly over its cells: (N, C, P, Q) -> (N, C, H, W)."""
    return window_spread(grad / np.asarray(geometry.count(include_pad), grad.dtype, like=grad), geometry)


def lp_pool2d_forward(x: Array, geometry: PoolGeometry, norm_type: float) -> Array:
    """(Σ |x|^p)^(1/p) over each window: (N, C, H, W) -> (N, C, P, Q)."""
    return window_sum(np.abs(x) ** norm_type, geometry) ** (1 / norm_type)


def lp_pool2d_backward(grad: Array, x: Array, y: Array, geometry: PoolGeometry, norm_type: float) -> Array:
    """dx = sign(x) · |x|^(p−1) · Σ dy / y^(p−1), and 0 for a window that is all zeros: (N, C, P, Q) -> (N, C, H, W)."""
    nonzero = np.where(y == 0, y.dtype.type(1), y)
    scale = np.where(y == 0, grad.dtype.type(0), grad / nonzero ** (norm_type - 1))
    return np.sign(x) * np.abs(x) ** (norm_type - 1) * window_spread(scale, geometry)


def window_sum(x: Array, geometry: PoolGeometry) -> Array:
    """Sum of each window: (N, C, H, W) -> (N, C, P, Q)."""
    y = np.zeros_like(x, shape=(*x.shape[:2], geometry.P, geometry.Q))
    for _, _, p, q, h, w in geometry.taps:
        y[:, :, p, q] += x[:, :, h, w]
    return y


def window_spread(grad: Array, geometry: PoolGeometry) -> Array:
    """Give each window's value to all of its cells, adding where windows overlap: (N, C, P, Q) -> (N, C, H, W)."""
    dx = np.zeros_like(grad, shape=(*grad.shape[:2], geometry.H, geometry.W))
    for _, _, p, q, h, w in geometry.taps:
        dx[:, :, h, w] += grad[:, :, p, q]
    return dx


def max_unpool2d_forward(x: Array, indices: Array, size: tuple[int, int]) -> Array:
    """Put each value back at the position it was the maximum of, zeros elsewhere: (N, C, P, Q) -> (N, C, H, W).

    Where positions repeat, as in windows that overlap, the last value stays.
    """
    N, C, P, Q = x.shape
    y = np.zeros_like(x, shape=(N, C, size[0] * size[1]))
    np.put_along_axis(y, indices.reshape(N, C, P * Q), x.reshape(N, C, P * Q), axis=2)
    return y.reshape(N, C, *size)


def max_unpool2d_backward(grad: Array, indices: Array) -> Array:
    """Read the gradient at those positions, for the value that stayed at each: (N, C, H, W) -> (N, C, P, Q)."""
    N, C, P, Q = indices.shape
    positions = indices.reshape(N, C, P * Q)
    numbers = np.broadcast_to(np.arange(P * Q, like=positions), positions.shape)
    last = np.zeros_like(indices, shape=(N, C, grad.shape[2] * grad.shape[3]))
    np.put_along_axis(last, positions, numbers, axis=2)
    stayed = np.take_along_axis(last, positions, axis=2) == numbers
    taken = np.take_along_axis(grad.reshape(last.shape), positions, axis=2)
    return np.where(stayed, taken, grad.dtype.type(0)).reshape(indices.shape)


def adaptive_avg_pool2d_forward(x: Array, size: tuple[int, int]) -> Array:
    """Average bins that cover the image evenly, rows first, then columns: (N, C, H, W) -> (N, C, P, Q)."""
    N, C, H, W = x.shape
    rows = np.empty_like(x, shape=(N, C, size[0], W))
    for p, cells in enumerate(bins(H, size[0])):
        rows[:, :, p] = x[:, :, cells].mean(2)
    y = np.empty_like(x, shape=(N, C, *size))
    for q, cells in enumerate(bins(W, size[1])):
        y[:, :, :, q] = rows[:, :, :, cells].mean(3)
    return y


def adaptive_avg_pool2d_backward(grad: Array, size: tuple[int, int]) -> Array:
    """Share each bin's gradient evenly among its cells, adding where bins overlap: (N, C, P, Q) -> (N, C, H, W)."""
    N, C, P, Q = grad.shape
    rows = np.zeros_like(grad, shape=(N, C, P, size[1]))
    for q, cells in enumerate(bins(size[1], Q)):
        rows[:, :, :, cells] += grad[:, :, :, q : q + 1] / (cells.stop - cells.start)
    dx = np.zeros_like(grad, shape=(N, C, *size))
    for p, cells in enumerate(bins(size[0], P)):
        dx[:, :, cells] += rows[:, :, p : p + 1] / (cells.stop - cells.start)
    return dx


def bins(cells: int, count: int) -> list[slice]:
    """Bin i holds the cells floor(i · cells / count) … ceil((i + 1) · cells / count) − 1; neighbours may overlap."""
    return [slice(i * cells // count, -(-(i + 1) * cells // count)) for i in range(count)]


def _first_real_cell(geometry: PoolGeometry) -> Array:
    """The first kernel cell r·S + s of each window that lies on a real input cell: (P, Q)."""
    return np.add.outer(_cells_before(geometry.rows) * geometry.S, _cells_before(geometry.columns))


def _cells_before(axis: Axis) -> Array:
    """Kernel cells of each window that hang over the leading edge: (out,)."""
    return np.maximum(axis.lead - np.arange(axis.out) * axis.stride, 0)
