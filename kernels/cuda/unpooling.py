"""Max unpooling, a thread a number.

Plain twin: `tinycnn.kernels.numpy.pooling`.
"""

from __future__ import annotations

import numpy as np

from tinycnn.arrays import Array
from tinycnn.kernels.cuda.launch import contiguous, empty, for_entries, launch


def max_unpool2d_forward(x: Array, indices: Array, size: tuple[int, int]) -> Array:
    """Put each value back at the position it was the maximum of, zeros elsewhere: (N, C, P, Q) -> (N, C, H, W).

    Where positions repeat, as in windows that overlap, the last value stays.
    """
    y = empty((*x.shape[:2], *size), x)
    sizes = x.shape[2] * x.shape[3], size[0] * size[1]
    last = _last_of_each_cell(_positions(indices), y, *sizes)
    grid, block = for_entries(y.size)
    launch("unpooling", "max_unpool2d_forward", y, grid, block, contiguous(x), last, y, y.size, *sizes)
    return y


def max_unpool2d_backward(grad: Array, indices: Array) -> Array:
    """Read the gradient at those positions, for the value that stayed at each: (N, C, H, W) -> (N, C, P, Q)."""
    dx, positions = empty(indices.shape, grad), _positions(indices)
    sizes = indices.shape[2] * indices.shape[3], grad.shape[2] * grad.shape[3]
    last = _last_of_each_cell(positions, grad, *sizes)
    grid, block = for_entries(dx.size)
    launch(
        "unpooling", "max_unpool2d_backward", dx, grid, block, contiguous(grad), positions, last, dx, dx.size, *sizes
    )
    return dx


def _positions(indices: Array) -> Array:
    """As the kernels take them."""
    return contiguous(indices.astype(np.int64, copy=False))


def _last_of_each_cell(positions: Array, y: Array, values: int, cells: int) -> Array:
    """The number of the value that stays in each cell of ``y``, within its plane, and −1 where there is none."""
    last = empty(y.shape, y, np.int32)
    last.fill(-1)
    grid, block = for_entries(positions.size)
    launch("unpooling", "last_of_each_cell", y, grid, block, positions, last, positions.size, values, cells)
    return last
