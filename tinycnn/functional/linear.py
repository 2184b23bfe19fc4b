"""Matrix products and the fully connected layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.function import Function
from tinycnn.functional import checks
from tinycnn.functional.arithmetic import operands, unbroadcast
from tinycnn.tensor import Tensor, tensor_method


class MatMul(Function):
    """A · B over the last two axes, the others broadcast: dA = dY · Bᵀ, dB = Aᵀ · dY."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a, b
        return a @ b

    @property
    def multiply_adds(self) -> int:
        """One for each entry of the result and each summand."""
        rows, columns = self.a.shape[-2], self.b.shape[-1]
        batch = int(np.prod(np.broadcast_shapes(self.a.shape[:-2], self.b.shape[:-2])))
        return batch * rows * self.a.shape[-1] * columns

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        need_a, need_b = self.needs_input_grad
        return (
            unbroadcast(grad @ self.b.swapaxes(-1, -2), self.a.shape) if need_a else None,
            unbroadcast(self.a.swapaxes(-1, -2) @ grad, self.b.shape) if need_b else None,
        )


class Linear(Function):
    """Y = X · Wᵀ + b: dX = dY · W, dW = dYᵀ · X, db = the sum of dY over rows."""

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        self.x, self.weight = x, weight
        return self.kernels.linear_forward(x, weight, bias)

    @property
    def multiply_adds(self) -> int:
        """One for each row and each weight."""
        return self.x.size // max(1, self.x.shape[-1]) * self.weight.size

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        need_x, need_weight = self.needs_input_grad[:2]
        count = math.prod(grad.shape[:-1])
        rows = grad.reshape(count, grad.shape[-1])  # (…, out) -> (rows, out)
        columns = self.x.reshape(count, self.x.shape[-1])  # (…, in) -> (rows, in)
        dx = self.kernels.linear_backward_input(grad, self.weight) if need_x else None
        dw = self.kernels.linear_backward_weight(rows, columns) if need_weight else None
        if len(self.inputs) == 2:
            return dx, dw
        return dx, dw, rows.sum(0) if self.needs_input_grad[2] else None


@tensor_method("__matmul__", ufunc=np.matmul)
def matmul(a: Any, b: Any) -> Tensor:
    """Matrix product over the last two axes, broadcasting the others; a vector counts as NumPy counts it.

    Raises
    ------
    ValueError
        When the inner sizes differ, or an operand is a scalar.

    Examples
    --------
    >>> import tinycnn as tc
    >>> (tc.Tensor([[1.0, 2.0]]) @ tc.Tensor([[3.0], [4.0]])).data
    array([[11.]], dtype=float32)
    """
    a, b = operands(a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul takes vectors and matrices, got {a.shape} and {b.shape}; * multiplies by a number")
    columns, rows = a.shape[-1], b.shape[-2 if b.ndim > 1 else 0]
    if columns != rows:
        raise ValueError(f"matmul: {a.shape} @ {b.shape} do not fit, {columns} columns meet {rows} rows")
    left = a.reshape(1, -1) if a.ndim == 1 else a
    right = b.reshape(-1, 1) if b.ndim == 1 else b
    y = MatMul()(left, right)
    if a.ndim == 1:
        y = y.reshape(*y.shape[:-2], y.shape[-1])
    return y.reshape(*y.shape[:-1]) if b.ndim == 1 else y


def _matmul_from_the_right(b: Tensor, a: Any) -> Tensor:
    return matmul(a, b)


tensor_method("__rmatmul__")(_matmul_from_the_right)


def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """Apply a fully connected layer: y = x · weightᵀ + bias.

    Parameters
    ----------
    x
        (…, in).
    weight
        (out, in).
    bias
        (out,) or None.

    Returns
    -------
    Tensor
        (…, out).

    Raises
    ------
    ValueError
        When sizes do not fit, with the flatten that was probably forgotten.
    TypeError
        For integers or mixed dtypes.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.linear(tc.Tensor([[1.0, 2.0]]), tc.Tensor([[3.0, 4.0]]), tc.Tensor([0.5])).data
    array([[11.5]], dtype=float32)
    """
    x, weight = checks.floating("linear", "input", x), checks.floating("linear", "weight", weight)
    if weight.ndim != 2:
        raise ValueError(f"linear expected weight (out, in), got {weight.shape}")
    if x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        hint = ""
        if x.ndim > 2 and np.prod(x.shape[1:]) == weight.shape[1]:
            hint = ": flatten first, x.flatten(start_dim=1)"
        elif x.ndim == 1 and weight.shape[1] and x.size % weight.shape[1] == 0:
            hint = f": rows of {weight.shape[1]} are x.reshape(-1, {weight.shape[1]})"
        elif weight.shape[0] == (x.shape[-1] if x.ndim else None):
            hint = ": the weight looks transposed, it is (out, in)"
        raise ValueError(f"linear with weight {weight.shape} takes input (…, {weight.shape[1]}), got {x.shape}{hint}")
    bias = checks.per_channel("linear", "bias", bias, weight.shape[0], weight)
    checks.same_dtype("linear", input=x, weight=weight, bias=bias)
    return Linear()(x, weight) if bias is None else Linear()(x, weight, bias)
