"""Softmax and its logarithm along any axis: a warp a row where the axis is the last, else a thread a row.

Plain twin: `tinycnn.kernels.numpy.activation`.
"""

from __future__ import annotations

import math

from tinycnn.arrays import Array
from tinycnn.kernels.cuda.launch import THREADS, Size, contiguous, empty, launch


def softmax_forward(x: Array, axis: int) -> Array:
    """y = e^x / Σ e^x, shifted by the largest x, which changes nothing and cannot overflow."""
    return _rows("softmax_forward", axis, x)


def softmax_backward(grad: Array, y: Array, axis: int) -> Array:
    """dx = y · (dy − Σ dy · y)."""
    return _rows("softmax_backward", axis, grad, y)


def log_softmax_forward(x: Array, axis: int) -> Array:
    """y = x − log Σ e^x, shifted by the largest x."""
    return _rows("log_softmax_forward", axis, x)


def log_softmax_backward(grad: Array, y: Array, axis: int) -> Array:
    """dx = dy − e^y · Σ dy."""
    return _rows("log_softmax_backward", axis, grad, y)


def for_rows(shape: Size, axis: int) -> tuple[tuple[Size, Size], tuple[int, int, int]]:
    """Grid and block for the rows along an axis, and what kernels take of them: how many, their size, their step."""
    axis %= len(shape)
    C, inner = shape[axis], math.prod(shape[axis + 1 :])
    rows = math.prod(shape[:axis]) * inner
    lanes = 32 if inner == 1 else 1
    down = THREADS // lanes
    return ((-(-rows // down),), (lanes, down)), (rows, C, inner)


def _rows(kernel: str, axis: int, *arrays: Array) -> Array:
    """What a kernel makes of arrays of one shape, row by row."""
    made = empty(arrays[0].shape, arrays[0])
    (grid, block), sizes = for_rows(made.shape, axis)
    launch("softmax", kernel, made, grid, block, *map(contiguous, arrays), made, *sizes)
    return made
