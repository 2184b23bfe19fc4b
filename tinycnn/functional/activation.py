"""ReLU and its leaky cousin, tanh, sigmoid, softmax and log-softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.function import Function
from tinycnn.functional import checks
from tinycnn.tensor import Tensor, tensor_method


class ReLU(Function):
    """max(x, 0): the gradient passes where the output is positive."""

    def forward(self, x: Array) -> Array:
        self.y = self.kernels.relu_forward(x)
        return self.y

    def branches(self) -> Array:
        """Whether the input was positive."""
        return self.y > 0

    def backward(self, grad: Array) -> Array:
        return self.kernels.relu_backward(grad, self.y)


class LeakyReLU(Function):
    """x, or a small slope times x below 0."""

    def __init__(self, negative_slope: float):
        self.negative_slope = negative_slope

    def forward(self, x: Array) -> Array:
        self.x = x
        return self.kernels.leaky_relu_forward(x, self.negative_slope)

    def branches(self) -> Array:
        """The sign of the input."""
        return np.sign(self.x)

    def backward(self, grad: Array) -> Array:
        return self.kernels.leaky_relu_backward(grad, self.x, self.negative_slope)


class Tanh(Function):
    """tanh(x), with derivative 1 − tanh²(x)."""

    def forward(self, x: Array) -> Array:
        self.y = self.kernels.tanh_forward(x)
        return self.y

    def backward(self, grad: Array) -> Array:
        return self.kernels.tanh_backward(grad, self.y)


class Sigmoid(Function):
    """1 / (1 + e^−x), with derivative y · (1 − y)."""

    def forward(self, x: Array) -> Array:
        self.y = self.kernels.sigmoid_forward(x)
        return self.y

    def backward(self, grad: Array) -> Array:
        return self.kernels.sigmoid_backward(grad, self.y)


class Softmax(Function):
    """e^x over its sum along one axis; every output depends on every input."""

    def __init__(self, axis: int):
        self.axis = axis

    def forward(self, x: Array) -> Array:
        self.y = self.kernels.softmax_forward(x, self.axis)
        return self.y

    def backward(self, grad: Array) -> Array:
        return self.kernels.softmax_backward(grad, self.y, self.axis)


class LogSoftmax(Function):
    """The logarithm of softmax, computed without one underflowing first."""

    def __init__(self, axis: int):
        self.axis = axis

    def forward(self, x: Array) -> Array:
        self.y = self.kernels.log_softmax_forward(x, self.axis)
        return self.y

    def backward(self, grad: Array) -> Array:
        return self.kernels.log_softmax_backward(grad, self.y, self.axis)


def relu(x: Any) -> Tensor:
    """Rectified linear unit, max(x, 0), entry by entry; the gradient at 0 is 0.

    Parameters
    ----------
    x
        Floating-point, any shape.

    Raises
    ------
    TypeError
        For integers.

    Notes
    -----
    Nair, Hinton (2010), Rectified Linear Units Improve Restricted Boltzmann Machines.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.relu(tc.Tensor([-1.0, 2.0])).data
    array([0., 2.], dtype=float32)
    """
    return ReLU()(checks.floating("relu", "input", x))


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """Leaky rectifier: x above 0, ``negative_slope`` · x elsewhere.

    Parameters
    ----------
    x
        Floating-point, any shape.
    negative_slope
        Slope below 0, also at 0.

    Raises
    ------
    TypeError
        For integers.

    Notes
    -----
    Maas, Hannun, Ng (2013), Rectifier Nonlinearities Improve Neural Network Acoustic Models.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.leaky_relu(tc.Tensor([-1.0, 2.0]), 0.5).data
    array([-0.5,  2. ], dtype=float32)
    """
    return LeakyReLU(negative_slope)(checks.floating("leaky_relu", "input", x))


@tensor_method(ufunc=np.tanh)
def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent, entry by entry.

    Parameters
    ----------
    x
        Floating-point, any shape.

    Raises
    ------
    TypeError
        For integers.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.tanh(tc.Tensor([0.0])).data
    array([0.], dtype=float32)
    """
    return Tanh()(checks.floating("tanh", "input", x))


def sigmoid(x: Any) -> Tensor:
    """Logistic function 1 / (1 + e^−x), entry by entry, without overflow for any x.

    Parameters
    ----------
    x
        Floating-point, any shape.

    Raises
    ------
    TypeError
        For integers.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.sigmoid(tc.Tensor([0.0, -1000.0])).data
    array([0.5, 0. ], dtype=float32)
    """
    return Sigmoid()(checks.floating("sigmoid", "input", x))


def softmax(x: Any, dim: int = -1) -> Tensor:
    """Positive numbers that sum to 1 along ``dim``: e^x / Σ e^x.

    Parameters
    ----------
    x
        Floating-point, any shape.
    dim
        The axis of the classes.

    Raises
    ------
    ValueError
        When the axis does not exist or is empty.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.softmax(tc.Tensor([[1000.0, 1000.0]])).data
    array([[0.5, 0.5]], dtype=float32)
    """
    x = checks.floating("softmax", "input", x)
    return Softmax(_classes("softmax", dim, x))(x)


def log_softmax(x: Any, dim: int = -1) -> Tensor:
    """Logarithm of `softmax` along ``dim``: x − log Σ e^x. Finite where softmax underflows to 0.

    Parameters
    ----------
    x
        Floating-point, any shape.
    dim
        The axis of the classes.

    Raises
    ------
    ValueError
        When the axis does not exist or is empty.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.log_softmax(tc.Tensor([0.0, -1000.0])).data
    array([    0., -1000.], dtype=float32)
    """
    x = checks.floating("log_softmax", "input", x)
    return LogSoftmax(_classes("log_softmax", dim, x))(x)


def _classes(name: str, dim: int, x: Tensor) -> int:
    axis = checks.axis(name, dim, x.ndim)
    if x.shape[axis] == 0:
        raise ValueError(f"{name}: dim {dim} of a tensor of shape {x.shape} is empty: there is no class to choose from")
    return axis
