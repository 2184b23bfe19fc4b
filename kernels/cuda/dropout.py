"""Dropout by a counter: a thread makes four words of the stream, and keeps whether they are below p.

Plain twin: `tinycnn.kernels.numpy.dropout`.
"""

from __future__ import annotations

import numpy as np

from tinycnn.arrays import Array
from tinycnn.kernels.cuda.launch import contiguous, empty, for_entries, launch

WORDS = 4  # of a block of Philox 4x64
ANY_REAL = np.empty(0, np.float32)  # the mask is made of integers, so the source may be that of either type


def dropout_mask(shape: tuple[int, ...], p: float, key: tuple[int, int]) -> Array:
    """True where an entry is kept: where word i, out of 2**64, is at least p · 2**64."""
    mask = empty(shape, ANY_REAL, np.bool_)
    if p == 1:
        mask.fill(False)  # 2**64 itself is no 64-bit word
        return mask
    grid, block = for_entries(-(-mask.size // WORDS))
    launch("dropout", "dropout_mask", ANY_REAL, grid, block, mask, *key, p * 2**64, mask.size)
    return mask


def dropout_forward(x: Array, mask: Array, p: float) -> Array:
    """y = x / (1 − p) where kept, else 0."""
    y = empty(x.shape, x)
    grid, block = for_entries(y.size)
    scale = 1 / (1 - p) if p < 1 else 0
    launch("dropout", "dropout_forward", y, grid, block, contiguous(x), contiguous(mask), y, scale, y.size)
    return y


dropout_backward = dropout_forward  # the same mask and scale, on dy
