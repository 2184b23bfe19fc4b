"""Activations, entry by entry.

Plain twin: `tinycnn.kernels.numpy.activation`.
"""

from __future__ import annotations

from typing import Any

from tinycnn.arrays import Array
from tinycnn.kernels.cuda.launch import contiguous, empty, for_entries, launch


def relu_forward(x: Array) -> Array:
    """y = max(x, 0)."""
    return _entries("relu_forward", x)


def relu_backward(grad: Array, y: Array) -> Array:
    """dx = dy where y > 0, else 0 (at the kink too)."""
    return _entries("relu_backward", grad, y)


def leaky_relu_forward(x: Array, negative_slope: float) -> Array:
    """y = x where x > 0, else slope · x."""
    return _entries("leaky_relu_forward", x, numbers=(negative_slope,))


def leaky_relu_backward(grad: Array, x: Array, negative_slope: float) -> Array:
    """dx = dy where x > 0, else slope · dy."""
    return _entries("leaky_relu_backward", grad, x, numbers=(negative_slope,))


def tanh_forward(x: Array) -> Array:
    """y = tanh(x)."""
    return _entries("tanh_forward", x)


def tanh_backward(grad: Array, y: Array) -> Array:
    """dx = dy · (1 − y²)."""
    return _entries("tanh_backward", grad, y)


def sigmoid_forward(x: Array) -> Array:
    """y = 1 / (1 + e^−x)."""
    return _entries("sigmoid_forward", x)


def sigmoid_backward(grad: Array, y: Array) -> Array:
    """dx = dy · y · (1 − y)."""
    return _entries("sigmoid_backward", grad, y)


def _entries(kernel: str, *arrays: Array, numbers: tuple[Any, ...] = ()) -> Array:
    """What a kernel makes of arrays of one shape, entry by entry."""
    made = empty(arrays[0].shape, arrays[0])
    grid, block = for_entries(made.size)
    launch("activation", kernel, made, grid, block, *map(contiguous, arrays), made, *numbers, made.size)
    return made
