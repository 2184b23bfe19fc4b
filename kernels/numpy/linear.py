"""The fully connected layer: three products of matrices."""

from tinycnn.arrays import Array


def linear_forward(x: Array, weight: Array, bias: Array | None) -> Array:
    """Y = X · Wᵀ + b: (…, in), (out, in), (out,) -> (…, out)."""
    y = x @ weight.T
    if bias is not None:
        y += bias
    return y


def linear_backward_input(grad: Array, weight: Array) -> Array:
    """dX = dY · W: (…, out), (out, in) -> (…, in)."""
    return grad @ weight


def linear_backward_weight(grad: Array, x: Array) -> Array:
    """dW = dYᵀ · X: (rows, out), (rows, in) -> (out, in)."""
    return grad.T @ x
