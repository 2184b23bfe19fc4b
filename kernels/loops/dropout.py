"""Dropout with a given mask, entry by entry, whatever the shape."""

import numpy as np

from tinycnn.arrays import Array


def forward(x: Array, mask: Array, p: float) -> Array:
    """y = x / (1 − p) where kept, else 0."""
    scale = 1 / (1 - p) if p < 1 else 0.0
    y = np.zeros(x.shape, x.dtype)
    for i in np.ndindex(x.shape):
        y[i] = np.where(mask[i], scale * x[i], 0.0)
    return y


def backward(dy: Array, mask: Array, p: float) -> Array:
    """dx = dy / (1 − p) where the forward pass kept the entry, else 0."""
    scale = 1 / (1 - p) if p < 1 else 0.0
    dx = np.zeros(dy.shape, dy.dtype)
    for i in np.ndindex(dy.shape):
        dx[i] = np.where(mask[i], scale * dy[i], 0.0)
    return dx
