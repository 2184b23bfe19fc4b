"""Dropout by a counter: entry i is dropped or kept by word i of the Philox stream of this call.

The key is (seed, number of the call), so every backend can make the same mask, in any order, in parallel.

Source: Srivastava et al. (2014), section 10 (inverted dropout); Salmon et al. (2011), Philox 4x64-10.
"""

import numpy as np

from tinycnn.arrays import Array


def dropout_mask(shape: tuple[int, ...], p: float, key: tuple[int, int]) -> Array:
    """True where an entry is kept: where word i, out of 2**64, is at least p · 2**64."""
    if p == 1:
        return np.zeros(shape, np.bool_)  # 2**64 itself is no 64-bit word
    philox = np.random.Philox(key=np.array(key, dtype=np.uint64))
    words = philox.random_raw(int(np.prod(shape)))  # one 64-bit word an entry
    return (words >= np.uint64(p * 2**64)).reshape(shape)


def dropout_forward(x: Array, mask: Array, p: float) -> Array:
    """y = x / (1 − p) where kept, else 0."""
    scale = 1 / (1 - p) if p < 1 else 0
    return np.where(mask, x * x.dtype.type(scale), x.dtype.type(0))


dropout_backward = dropout_forward  # the same mask and scale, on dy
