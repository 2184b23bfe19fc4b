"""Activations, entry by entry."""

import numpy as np

from tinycnn.arrays import Array


def relu_forward(x: Array) -> Array:
    """y_i = x_i where x_i > 0, else 0: any shape, taken as a row of entries."""
    y = np.zeros(x.size)
    flat = x.reshape(-1)
    for i in range(x.size):
        y[i] = max(flat[i], 0.0)
    return y.reshape(x.shape)
