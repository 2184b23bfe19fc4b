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
    winner[...] = _first_real_cell(geometry)  # (P, Q) to every image and channel; holds where all is -inf
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
    h = np.arange(geometry.P)[:, None] * geometry.rows.stride + r - geometry.rows.lead
    w = np.arange(geometry.Q) * geometry.columns.stride + s - geometry.columns.lead
    return h * geometry.W + w


def avg_pool2d_forward(x: Array, geometry: PoolGeometry, include_pad: bool) -> Array:
    """Sum of each window over its count: (N, C, H, W) -> (N, C, P, Q)."""
    return window_sum(x, geometry) / geometry.count(include_pad).astype(x.dtype)


def avg_pool2d_backward(grad: Array, geometry: PoolGeometry, include_pad: bool) -> Array:
    """Spread each window's gradient evenly over its cells: (N, C, P, Q) -> (N, C, H, W)."""
    return window_spread(grad / geometry.count(include_pad).astype(grad.dtype), geometry)


def lp_pool2d_forward(x: Array, geometry: PoolGeometry, norm_type: float) -> Array:
    """(Σ |x|^p)^(1/p) over each window: (N, C, H, W) -> (N, C, P, Q)."""
    return window_sum(np.abs(x) ** norm_type, geometry) ** (1 / norm_type)


def lp_pool2d_backward(grad: Array, x: Array, y: Array, geometry: PoolGeometry, norm_type: float) -> Array:
    """dx = sign(x) · |x|^(p−1) · Σ dy / y^(p−1), and 0 for a window that is all zeros: (N, C, P, Q) -> (N, C, H, W)."""
    scale = np.divide(grad, y ** (norm_type - 1), out=np.zeros_like(grad), where=y != 0)
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
    """Put each value back at the position it was the maximum of, zeros elsewhere: (N, C, P, Q) -> (N, C, H, W)."""
    y = np.zeros_like(x, shape=(*x.shape[:2], size[0] * size[1]))
    np.put_along_axis(y, indices.reshape(*x.shape[:2], -1), x.reshape(*x.shape[:2], -1), axis=2)
    return y.reshape(*x.shape[:2], *size)


def max_unpool2d_backward(grad: Array, indices: Array) -> Array:
    """Read the gradient at those positions: (N, C, H, W) -> (N, C, P, Q)."""
    N, C = grad.shape[:2]
    taken = np.take_along_axis(grad.reshape(N, C, -1), indices.reshape(N, C, -1), axis=2)
    return taken.reshape(indices.shape)


def adaptive_avg_pool2d_forward(x: Array, size: tuple[int, int]) -> Array:
    """Average bins that cover the image evenly, rows @ x @ columnsᵀ: (N, C, H, W) -> (N, C, P, Q)."""
    rows, columns = (averaging_matrix(n, m, x.dtype) for n, m in zip(x.shape[2:], size, strict=True))
    return rows @ x @ columns.T


def adaptive_avg_pool2d_backward(grad: Array, size: tuple[int, int]) -> Array:
    """rowsᵀ @ dy @ columns, with the input's size: (N, C, P, Q) -> (N, C, H, W)."""
    rows, columns = (averaging_matrix(n, m, grad.dtype) for n, m in zip(size, grad.shape[2:], strict=True))
    return rows.T @ grad @ columns


def averaging_matrix(cells: int, bins: int, dtype: np.dtype) -> Array:
    """Row i averages the cells from floor(i · cells / bins) to ceil((i + 1) · cells / bins) − 1: (bins, cells)."""
    matrix = np.zeros((bins, cells), dtype)
    for i in range(bins):
        low, high = i * cells // bins, -(-(i + 1) * cells // bins)
        matrix[i, low:high] = 1 / (high - low)
    return matrix


def _first_real_cell(geometry: PoolGeometry) -> Array:
    """The first kernel cell r·S + s of each window that lies on a real input cell: (P, Q)."""
    return np.add.outer(_cells_before(geometry.rows) * geometry.S, _cells_before(geometry.columns))


def _cells_before(axis: Axis) -> Array:
    """Kernel cells of each window that hang over the leading edge: (out,)."""
    return np.maximum(axis.lead - np.arange(axis.out) * axis.stride, 0)
