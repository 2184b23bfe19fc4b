"""Pooling by maximum and by mean, a thread a number.

Plain twin: `tinycnn.kernels.numpy.pooling`, which also has what is not here.
"""

from __future__ import annotations

import cupy
import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import PoolGeometry
from tinycnn.kernels.cuda.launch import contiguous, empty, for_cells, launch, record


def max_pool2d_forward(x: Array, geometry: PoolGeometry) -> tuple[Array, Array]:
    """Largest value of each window, and the kernel cell r·S + s that held it: (N, C, H, W) -> two of (N, C, P, Q).

    The first maximum wins a tie; NaN wins over numbers.
    """
    y = empty((*x.shape[:2], geometry.P, geometry.Q), x)
    winner = empty(y.shape, x, np.int32)
    _launch("max_pool2d_forward", y, geometry, contiguous(x), y, winner)
    return y, winner


def max_pool2d_backward(grad: Array, winner: Array, geometry: PoolGeometry) -> Array:
    """Send each window's gradient to the cell that won, adding where windows overlap: (N, C, P, Q) -> (N, C, H, W)."""
    dx = empty((*grad.shape[:2], geometry.H, geometry.W), grad)
    _launch("max_pool2d_backward", dx, geometry, contiguous(grad), winner, dx)
    return dx


def max_pool2d_indices(winner: Array, geometry: PoolGeometry) -> Array:
    """Turn winning kernel cells into flat input positions h·W + w, as max_unpool2d takes them: int64 (N, C, P, Q)."""
    h = np.arange(geometry.P)[:, None] * geometry.rows.stride - geometry.rows.lead
    w = np.arange(geometry.Q) * geometry.columns.stride - geometry.columns.lead
    start = cupy.asarray(h * geometry.W + w)  # (P, Q)
    return start + winner // geometry.S * geometry.W + winner % geometry.S


def avg_pool2d_forward(x: Array, geometry: PoolGeometry, include_pad: bool) -> Array:
    """Sum of each window over its count: (N, C, H, W) -> (N, C, P, Q)."""
    y = empty((*x.shape[:2], geometry.P, geometry.Q), x)
    _launch("avg_pool2d_forward", y, geometry, contiguous(x), y, include_pad=include_pad)
    return y


def avg_pool2d_backward(grad: Array, geometry: PoolGeometry, include_pad: bool) -> Array:
    """Spread each window's gradient evenly over its cells: (N, C, P, Q) -> (N, C, H, W)."""
    dx = empty((*grad.shape[:2], geometry.H, geometry.W), grad)
    _launch("avg_pool2d_backward", dx, geometry, contiguous(grad), dx, include_pad=include_pad)
    return dx


def _launch(
    kernel: str, written: Array, geometry: PoolGeometry, *arrays: Array, include_pad: bool | None = None
) -> None:
    N, C, down, across = written.shape
    grid, block = for_cells(N * C, down * across)
    flags = () if include_pad is None else (include_pad,)
    launch("pooling", kernel, written, grid, block, *arrays, N * C, record(geometry), *flags)
