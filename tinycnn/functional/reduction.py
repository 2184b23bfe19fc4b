"""Reductions over one, several or all axes: sum, mean, max, and argmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinycnn.arrays import Array, as_array
from tinycnn.function import Function
from tinycnn.functional import checks
from tinycnn.tensor import Tensor, as_tensor, tensor_method

Dims = tuple[int, ...]


class Sum(Function):
    """Sum over axes; each summand's gradient is the sum's."""

    def __init__(self, dims: Dims, keepdim: bool):
        self.dims, self.keepdim = dims, keepdim

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.sum(self.dims, keepdims=self.keepdim)

    def backward(self, grad: Array) -> Array:
        if not self.keepdim and grad.ndim:  # a number broadcasts as it is
            grad = np.expand_dims(grad, self.dims)
        return np.broadcast_to(grad, self.shape)


class Mean(Function):
    """Mean over axes; each entry's gradient is the mean's over their number."""

    def __init__(self, dims: Dims, keepdim: bool):
        self.dims, self.keepdim = dims, keepdim

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.mean(self.dims, keepdims=self.keepdim)

    def backward(self, grad: Array) -> Array:
        if not self.keepdim:
            grad = np.expand_dims(grad, self.dims)
        count = int(np.prod([self.shape[d] for d in self.dims]))
        return np.broadcast_to(grad / count, self.shape)


class Max(Function):
    """Largest entry along one axis; the gradient goes to the first that reached it."""

    def __init__(self, dim: int, keepdim: bool):
        self.dim, self.keepdim = dim, keepdim

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        self.winner = np.expand_dims(x.argmax(self.dim), self.dim)
        y = np.take_along_axis(x, self.winner, self.dim)
        return y if self.keepdim else y.squeeze(self.dim)

    def branches(self) -> Array:
        """Where along the axis each maximum was."""
        return self.winner

    def backward(self, grad: Array) -> Array:
        if not self.keepdim:
            grad = np.expand_dims(grad, self.dim)
        dx = np.zeros_like(grad, shape=self.shape)
        np.put_along_axis(dx, self.winner, grad, self.dim)
        return dx


@tensor_method("sum")
def sum(x: Any, dim: int | Dims | None = None, keepdim: bool = False) -> Tensor:
    """Sum over the axes ``dim``, all of them by default.

    Parameters
    ----------
    x
        Any shape.
    dim
        An axis or several; None for all.
    keepdim
        Whether summed axes stay, with size 1.

    Raises
    ------
    ValueError
        When an axis does not exist or is named twice.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.Tensor([[1.0, 2.0], [3.0, 4.0]]).sum(dim=0).data
    array([4., 6.], dtype=float32)
    """
    x = as_tensor(x)
    return Sum(_dims("sum", dim, x.ndim), keepdim)(x)


@tensor_method("mean")
def mean(x: Any, dim: int | Dims | None = None, keepdim: bool = False) -> Tensor:
    """Mean over the axes ``dim``, all of them by default; arguments as for `sum`.

    Raises
    ------
    ValueError
        When an axis does not exist, or there is nothing to average.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.Tensor([[1.0, 2.0], [3.0, 4.0]]).mean(dim=0).data
    array([2., 3.], dtype=float32)
    """
    x = checks.floating("mean", "input", x)
    dims = _dims("mean", dim, x.ndim)
    if 0 in (x.shape[d] for d in dims):
        raise ValueError(f"mean over dim {dims} of a tensor of shape {x.shape} has nothing to average")
    return Mean(dims, keepdim)(x)


@tensor_method("max")
def max(x: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Largest entry along the axis ``dim``, or of all entries; values only, `argmax` tells where.

    The first maximum wins a tie and gets the whole gradient; NaN wins over numbers.

    Raises
    ------
    ValueError
        When the axis does not exist or is empty.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.Tensor([[1.0, 3.0], [5.0, 4.0]]).max(dim=1).data
    array([3., 5.], dtype=float32)
    """
    x = as_tensor(x)
    if dim is None:
        largest = max(x.reshape(-1), 0)
        return largest.reshape((1,) * x.ndim) if keepdim else largest
    axis = checks.axis("max", dim, x.ndim)
    if x.shape[axis] == 0:
        raise ValueError(f"max over dim {dim} of a tensor of shape {x.shape} has nothing to compare")
    return Max(axis, keepdim)(x)


@tensor_method("argmax")
def argmax(x: Any, dim: int | None = None) -> Array:
    """Position of the largest entry along ``dim``, or in the flattened tensor: a plain integer array, no gradient.

    Raises
    ------
    ValueError
        When the axis does not exist or is empty.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.Tensor([[1.0, 3.0], [5.0, 4.0]]).argmax(dim=1)
    array([1, 0])
    """
    x = as_tensor(x)
    axis = None if dim is None else checks.axis("argmax", dim, x.ndim)
    if (x.size if axis is None else x.shape[axis]) == 0:
        raise ValueError(f"argmax of a tensor of shape {x.shape} has nothing to compare")
    return as_array(x.data.argmax(axis))


def _dims(name: str, dim: int | Dims | None, ndim: int) -> Dims:
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(checks.axis(name, d, ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    if len(set(dims)) < len(dims):
        raise ValueError(f"{name}: dim {dim} names an axis twice")
    return dims
