"""Activations, entry by entry. Backward takes what is cheapest to keep: the output where it tells the derivative."""

import numpy as np

from tinycnn.arrays import Array


def relu_forward(x: Array) -> Array:
    """y = max(x, 0)."""
    return np.maximum(x, x.dtype.type(0))


def relu_backward(grad: Array, y: Array) -> Array:
    """dx = dy where y > 0, else 0 (at the kink too)."""
    return np.where(y > 0, grad, grad.dtype.type(0))


def leaky_relu_forward(x: Array, negative_slope: float) -> Array:
    """y = x where x > 0, else slope · x."""
    return np.where(x > 0, x, x * x.dtype.type(negative_slope))


def leaky_relu_backward(grad: Array, x: Array, negative_slope: float) -> Array:
    """dx = dy where x > 0, else slope · dy."""
    return np.where(x > 0, grad, grad * grad.dtype.type(negative_slope))


def tanh_forward(x: Array) -> Array:
    """y = tanh(x)."""
    return np.tanh(x)


def tanh_backward(grad: Array, y: Array) -> Array:
    """dx = dy · (1 − y²)."""
    return grad * (1 - y * y)


def sigmoid_forward(x: Array) -> Array:
    """y = 1 / (1 + e^−x), from e^−|x|, which cannot overflow."""
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, x.dtype.type(1), z) / (1 + z)


def sigmoid_backward(grad: Array, y: Array) -> Array:
    """dx = dy · y · (1 − y)."""
    return grad * y * (1 - y)


def softmax_forward(x: Array, axis: int) -> Array:
    """y = e^x / Σ e^x, shifted by the largest x, which changes nothing and cannot overflow."""
    exponentials = np.exp(x - x.max(axis, keepdims=True))
    return exponentials / exponentials.sum(axis, keepdims=True)


def softmax_backward(grad: Array, y: Array, axis: int) -> Array:
    """dx = y · (dy − Σ dy · y)."""
    return y * (grad - (grad * y).sum(axis, keepdims=True))


def log_softmax_forward(x: Array, axis: int) -> Array:
    """y = x − log Σ e^x, shifted by the largest x."""
    shifted = x - x.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def log_softmax_backward(grad: Array, y: Array, axis: int) -> Array:
    """dx = dy − e^y · Σ dy."""
    return grad - np.exp(y) * grad.sum(axis, keepdims=True)
