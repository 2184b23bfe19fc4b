"""Arithmetic entry by entry, with broadcasting: + − · / powers, exp, log, sqrt, abs, conversion of dtype, comparison.

Where an input was broadcast, each of its entries served several outputs; their gradients are summed back to it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn.arrays import Array, array_like, is_array, is_cupy, on_gpu
from tinycnn.function import Function
from tinycnn.tensor import Tensor, as_tensor, tensor_method


def unbroadcast(grad: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which an input of this shape was repeated.

    Examples
    --------
    >>> import numpy as np
    >>> unbroadcast(np.ones((2, 3)), (3,))
    array([2., 2., 2.])
    >>> unbroadcast(np.ones((2, 3)), (2, 1))
    array([[3.],
           [3.]])
    """
    if grad.shape == shape:
        return grad
    added = grad.ndim - len(shape)
    repeated = tuple(i + added for i, size in enumerate(shape) if size == 1 and grad.shape[i + added] != 1)
    return grad.sum((*range(added), *repeated), keepdims=True).reshape(shape)


class Add(Function):
    """a + b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.shapes = a.shape, b.shape
        return a + b

    def backward(self, grad: Array) -> tuple[Array, Array]:
        return unbroadcast(grad, self.shapes[0]), unbroadcast(grad, self.shapes[1])


class Sub(Function):
    """a − b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.shapes = a.shape, b.shape
        return a - b

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        need_a, need_b = self.needs_input_grad
        return (
            unbroadcast(grad, self.shapes[0]) if need_a else None,
            unbroadcast(-grad, self.shapes[1]) if need_b else None,
        )


class Mul(Function):
    """a · b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a, b
        return a * b

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        need_a, need_b = self.needs_input_grad
        return (
            unbroadcast(grad * self.b, self.a.shape) if need_a else None,
            unbroadcast(grad * self.a, self.b.shape) if need_b else None,
        )


class Div(Function):
    """a / b."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a, b
        return a / b

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        need_a, need_b = self.needs_input_grad
        return (
            unbroadcast(grad / self.b, self.a.shape) if need_a else None,
            unbroadcast(-grad * self.a / (self.b * self.b), self.b.shape) if need_b else None,
        )


class Pow(Function):
    """a to the power b; where a is 0, a power that does not change has gradient 0."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a, b
        return a**b

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        a, b = self.a, self.b
        grad_a = grad_b = None
        if self.needs_input_grad[0]:  # b · a^(b − 1)
            grad_a = unbroadcast(grad * np.where(b == 0, 0, b * a ** np.where(b == 0, 1, b - 1)), a.shape)
        if self.needs_input_grad[1]:  # a^b · log a
            log_a = np.log(np.where((a == 0) & (b >= 0), 1, a))
            grad_b = unbroadcast(grad * a**b * log_a, b.shape)
        return grad_a, grad_b


class Neg(Function):
    """−a."""

    def forward(self, a: Array) -> Array:
        return -a

    def backward(self, grad: Array) -> Array:
        return -grad


class Abs(Function):
    """|a|, with gradient 0 at the kink."""

    def forward(self, a: Array) -> Array:
        self.a = a
        return np.abs(a)

    def branches(self) -> Array:
        """The sign of the input."""
        return np.sign(self.a)

    def backward(self, grad: Array) -> Array:
        return grad * np.sign(self.a)


class Exp(Function):
    """e^a, its own derivative."""

    def forward(self, a: Array) -> Array:
        self.y = np.exp(a)
        return self.y

    def backward(self, grad: Array) -> Array:
        return grad * self.y


class Log(Function):
    """Natural logarithm."""

    def forward(self, a: Array) -> Array:
        self.a = a
        return np.log(a)

    def backward(self, grad: Array) -> Array:
        return grad / self.a


class Sqrt(Function):
    """Square root."""

    def forward(self, a: Array) -> Array:
        self.y = np.sqrt(a)
        return self.y

    def backward(self, grad: Array) -> Array:
        return grad / (2 * self.y)


class Cast(Function):
    """The same numbers in another dtype; the engine casts the gradient back."""

    def __init__(self, dtype: Any):
        self.dtype = np.dtype(dtype)

    def forward(self, a: Array) -> Array:
        return a.astype(self.dtype, copy=False)

    def backward(self, grad: Array) -> Array:
        return grad


def operands(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both as Tensors; numbers and integers take the dtype of a floating-point partner, so that none widens it."""
    a = as_tensor(a, like=b if isinstance(b, Tensor) else None)
    b = as_tensor(b, like=a)
    if a.dtype.kind == "f" and b.dtype.kind in "iu":
        return a, astype(b, a.dtype)
    if b.dtype.kind == "f" and a.dtype.kind in "iu":
        return astype(a, b.dtype), b
    return a, b


@tensor_method("__add__", ufunc=np.add)
def add(a: Any, b: Any) -> Tensor:
    """Add entry by entry.

    Parameters
    ----------
    a, b
        Tensors, arrays or numbers whose shapes broadcast; a number or an integer tensor takes the dtype of a
        floating-point partner.

    Raises
    ------
    ValueError
        When the shapes do not broadcast, as NumPy says it.

    Examples
    --------
    >>> import tinycnn as tc
    >>> (tc.Tensor([[1.0], [2.0]]) + tc.Tensor([10.0, 20.0])).data
    array([[11., 21.],
           [12., 22.]], dtype=float32)
    """
    return Add()(*operands(a, b))


@tensor_method("__sub__", ufunc=np.subtract)
def sub(a: Any, b: Any) -> Tensor:
    """Subtract entry by entry; operands and errors as for `add`.

    Examples
    --------
    >>> import tinycnn as tc
    >>> (1 - tc.Tensor([1.0, 2.0])).data
    array([ 0., -1.], dtype=float32)
    """
    return Sub()(*operands(a, b))


@tensor_method("__mul__", ufunc=np.multiply)
def mul(a: Any, b: Any) -> Tensor:
    """Multiply entry by entry; operands and errors as for `add`.

    Examples
    --------
    >>> import tinycnn as tc
    >>> (tc.Tensor([[1.0], [2.0]]) * tc.Tensor([10.0, 20.0])).data
    array([[10., 20.],
           [20., 40.]], dtype=float32)
    """
    return Mul()(*operands(a, b))


@tensor_method("__truediv__", ufunc=np.divide)
def div(a: Any, b: Any) -> Tensor:
    """Divide entry by entry; operands and errors as for `add`.

    Examples
    --------
    >>> import tinycnn as tc
    >>> (tc.Tensor([1.0, 3.0]) / 2).data
    array([0.5, 1.5], dtype=float32)
    """
    return Div()(*operands(a, b))


@tensor_method("__pow__", ufunc=np.power)
def pow(a: Any, b: Any) -> Tensor:
    """Raise to a power entry by entry; operands and errors as for `add`.

    A power of 0 is the constant 1, with gradient 0. The gradient for the power is a^b · log a, 0 where a is 0 and b not
    negative, NaN for a negative a.

    Examples
    --------
    >>> import tinycnn as tc
    >>> (tc.Tensor([2.0, 3.0]) ** 2).data
    array([4., 9.], dtype=float32)
    """
    return Pow()(*operands(a, b))


@tensor_method("__neg__", ufunc=np.negative)
def neg(a: Any) -> Tensor:
    """Change the sign."""
    return Neg()(a)


@tensor_method("abs", "__abs__", ufunc=np.absolute)
def abs(a: Any) -> Tensor:
    """Absolute value; its gradient at 0 is 0."""
    return Abs()(a)


@tensor_method("exp", ufunc=np.exp)
def exp(a: Any) -> Tensor:
    """Exponential."""
    return Exp()(a)


@tensor_method("log", ufunc=np.log)
def log(a: Any) -> Tensor:
    """Natural logarithm."""
    return Log()(a)


@tensor_method("sqrt", ufunc=np.sqrt)
def sqrt(a: Any) -> Tensor:
    """Square root."""
    return Sqrt()(a)


@tensor_method("astype")
def astype(a: Any, dtype: Any) -> Tensor:
    """The same numbers as another dtype, differentiable between floating-point types.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> tc.Tensor([1.5]).astype(np.float64)
    Tensor([1.5], dtype=float64)
    """
    a = as_tensor(a)
    return Cast(dtype)(a) if np.dtype(dtype).kind == "f" else Tensor(a.data.astype(dtype))


for _name, _operation in (("add", add), ("sub", sub), ("mul", mul), ("truediv", div), ("pow", pow)):

    def _reflected(self: Tensor, other: Any, operation: Any = _operation) -> Tensor:
        return operation(other, self)

    setattr(Tensor, f"__r{_name}__", _reflected)


def _comparison(name: str) -> Callable[[Tensor, Any], Array]:
    compare = getattr(operator, name)

    def method(self: Tensor, other: Any) -> Array:
        other = other.data if isinstance(other, Tensor) else other
        if is_array(other):
            on_gpu((self.data, other))
        elif is_cupy(self.data) and isinstance(other, (list, tuple)):
            other = array_like(other, self.data)
        return compare(self.data, other)

    method.__doc__ = f"Entry by entry, as a plain boolean array: there is no gradient. See operator.{name}."
    return method


for _name in ("lt", "le", "eq", "ne", "ge", "gt"):
    setattr(Tensor, f"__{_name}__", _comparison(_name))
