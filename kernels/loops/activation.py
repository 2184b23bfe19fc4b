"""Activations, entry by entry, whatever the shape: i stands for all indices of an entry."""

import numpy as np

from tinycnn.arrays import Array


def relu_forward(x: Array) -> Array:
    """y = max(x, 0)."""
    y = np.zeros(x.shape, x.dtype)
    for i in np.ndindex(x.shape):
        y[i] = max(x[i], 0.0)
    return y


def relu_backward(dy: Array, x: Array) -> Array:
    """dx = dy where x > 0, else 0 (at the kink too)."""
    dx = np.zeros(x.shape, dy.dtype)
    for i in np.ndindex(x.shape):
        dx[i] = np.where(x[i] > 0, dy[i], 0.0)
    return dx


def leaky_relu_forward(x: Array, negative_slope: float) -> Array:
    """y = x where x > 0, else slope · x."""
    y = np.zeros(x.shape, x.dtype)
    for i in np.ndindex(x.shape):
        y[i] = np.where(x[i] > 0, x[i], negative_slope * x[i])
    return y


def leaky_relu_backward(dy: Array, x: Array, negative_slope: float) -> Array:
    """dx = dy where x > 0, else slope · dy."""
    dx = np.zeros(x.shape, dy.dtype)
    for i in np.ndindex(x.shape):
        dx[i] = np.where(x[i] > 0, dy[i], negative_slope * dy[i])
    return dx


def tanh_forward(x: Array) -> Array:
    """y = tanh(x)."""
    y = np.zeros(x.shape, x.dtype)
    for i in np.ndindex(x.shape):
        y[i] = np.tanh(x[i])
    return y


def tanh_backward(dy: Array, y: Array) -> Array:
    """dx = dy · (1 − y²)."""
    dx = np.zeros(y.shape, dy.dtype)
    for i in np.ndindex(y.shape):
        dx[i] = dy[i] * (1 - y[i] * y[i])
    return dx


def sigmoid_forward(x: Array) -> Array:
    """y = 1 / (1 + e^−x), below 0 as e^x / (1 + e^x), which is the same and cannot overflow."""
    y = np.zeros(x.shape, x.dtype)
    for i in np.ndindex(x.shape):
        y[i] = np.exp(np.minimum(x[i], 0.0)) / (1 + np.exp(-abs(x[i])))
    return y


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """dx = dy · y · (1 − y)."""
    dx = np.zeros(y.shape, dy.dtype)
    for i in np.ndindex(y.shape):
        dx[i] = dy[i] * y[i] * (1 - y[i])
    return dx
