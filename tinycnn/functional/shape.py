"""Moving entries without changing them: reshape, permute, index, concatenate, pad."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from tinycnn.arrays import Array, index_on_gpu, is_array, is_cupy
from tinycnn.function import Function
from tinycnn.functional import checks
from tinycnn.tensor import Tensor, as_tensor, tensor_method


class Reshape(Function):
    """The same entries in the same order under another shape."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    def forward(self, x: Array) -> Array:
        self.input_shape = x.shape
        return x.reshape(self.shape)

    def backward(self, grad: Array) -> Array:
        return grad.reshape(self.input_shape)


class Permute(Function):
    """The axes in another order; backward puts them back."""

    def __init__(self, dims: tuple[int, ...]):
        self.dims = dims

    def forward(self, x: Array) -> Array:
        return x.transpose(self.dims)

    def backward(self, grad: Array) -> Array:
        return grad.transpose([self.dims.index(axis) for axis in range(grad.ndim)])


class GetItem(Function):
    """x[index]; backward adds each gradient to the entry it was read from, once for each time it was read."""

    def __init__(self, index: Any):
        self.index = index

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x[self.index]

    def backward(self, grad: Array) -> Array:
        dx = np.zeros_like(grad, shape=self.shape, order="C")
        if _is_basic(self.index):
            dx[self.index] = grad  # slices and integers read no entry twice
        elif is_cupy(dx):
            _add_each(dx, self.index, grad)
        else:
            np.add.at(dx, self.index, grad)
        return dx


class Cat(Function):
    """Tensors end to end along one axis; backward cuts the gradient at the seams."""

    def __init__(self, dim: int):
        self.dim = dim

    def forward(self, *arrays: Array) -> Array:
        self.seams = list(accumulate(array.shape[self.dim] for array in arrays))[:-1]
        return np.concatenate(arrays, self.dim)

    def backward(self, grad: Array) -> tuple[Array, ...]:
        return tuple(np.split(grad, self.seams, self.dim))


class Pad(Function):
    """A border of a constant; backward cuts it off."""

    def __init__(self, widths: tuple[tuple[int, int], ...], value: float):
        self.widths, self.value = widths, value

    def forward(self, x: Array) -> Array:
        return np.pad(x, self.widths, constant_values=self.value)

    def backward(self, grad: Array) -> Array:
        inner = (slice(before, size - after) for (before, after), size in zip(self.widths, grad.shape, strict=True))
        return grad[tuple(inner)]


@tensor_method("reshape")
def reshape(x: Any, *shape: Any) -> Tensor:
    """The same entries, in row-major order, under another shape; one size may be −1.

    Raises
    ------
    ValueError
        When the number of entries differs.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.Tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, -1).shape
    (2, 2)
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    return Reshape(sizes)(x)


@tensor_method("flatten")
def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes from ``start_dim`` to ``end_dim`` into one: with ``start_dim=1``, (N, C, H, W) -> (N, C·H·W).

    Raises
    ------
    ValueError
        When an axis does not exist or the first lies after the last.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> tc.Tensor(np.zeros((2, 3, 4, 5))).flatten(start_dim=1).shape
    (2, 60)
    """
    x = as_tensor(x)
    if x.ndim == 0:
        return reshape(x, 1)
    first, last = (checks.axis("flatten", d, x.ndim) for d in (start_dim, end_dim))
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} lies after end_dim {end_dim}")
    merged = math.prod(x.shape[first : last + 1])
    return reshape(x, *x.shape[:first], merged, *x.shape[last + 1 :])


@tensor_method("permute")
def permute(x: Any, *dims: Any) -> Tensor:
    """The axes in the order ``dims``: ``x.permute(0, 3, 1, 2)`` turns (N, H, W, C) into (N, C, H, W).

    Raises
    ------
    ValueError
        When ``dims`` does not name each axis once.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> tc.Tensor(np.zeros((1, 28, 28, 3))).permute(0, 3, 1, 2).shape
    (1, 3, 28, 28)
    """
    x = as_tensor(x)
    order = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
    axes = tuple(checks.axis("permute", d, x.ndim) for d in order)
    if sorted(axes) != list(range(x.ndim)):
        raise ValueError(f"permute: {order} does not name each of the {x.ndim} axes once")
    return Permute(axes)(x)


@tensor_method("transpose")
def transpose(x: Any, dim0: int, dim1: int) -> Tensor:
    """Swap two axes.

    Raises
    ------
    ValueError
        When one of them does not exist.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.Tensor([[1.0, 2.0]]).transpose(0, 1).data
    array([[1.],
           [2.]], dtype=float32)
    """
    x = as_tensor(x)
    axes = list(range(x.ndim))
    a, b = (checks.axis("transpose", d, x.ndim) for d in (dim0, dim1))
    axes[a], axes[b] = axes[b], axes[a]
    return Permute(tuple(axes))(x)


def _reversed_axes(x: Tensor) -> Tensor:
    """All axes in reverse order: the transpose of a matrix."""
    return Permute(tuple(reversed(range(x.ndim))))(x)


Tensor.T = property(_reversed_axes)  # type: ignore[assignment, method-assign]


@tensor_method("__getitem__")
def getitem(x: Any, index: Any) -> Tensor:
    """``x[index]`` as NumPy indexes; an index may hold integer or boolean Tensors.

    An entry that is read more than once gets the sum of its gradients.

    Raises
    ------
    IndexError
        As NumPy raises it.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x = tc.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> x[[0, 0, 2]].sum().backward()
    >>> x.grad
    array([2., 0., 1.], dtype=float32)
    """
    parts = index if isinstance(index, tuple) else (index,)
    plain = tuple(part.data if isinstance(part, Tensor) else part for part in parts)
    plain = tuple(part.copy() if is_array(part) else part for part in plain)  # for backward, should the caller's change
    x = as_tensor(x)
    if is_cupy(x.data):
        return GetItem(index_on_gpu(plain, x.data))(x)
    return GetItem(plain if isinstance(index, tuple) else plain[0])(x)


def cat(tensors: Sequence[Any], dim: int = 0) -> Tensor:
    """Join tensors end to end along the axis ``dim``.

    Parameters
    ----------
    tensors
        At least one; shapes equal but for ``dim``.
    dim
        The axis.

    Raises
    ------
    ValueError
        When there are none, or their other sizes differ.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.cat([tc.Tensor([1.0]), tc.Tensor([2.0, 3.0])]).data
    array([1., 2., 3.], dtype=float32)
    """
    parts = [as_tensor(tensor) for tensor in tensors]
    if not parts:
        raise ValueError("cat needs at least one tensor")
    floating = next((part for part in parts if part.dtype.kind == "f"), None)
    parts = [part if floating is None or part.dtype.kind == "f" else part.astype(floating.dtype) for part in parts]
    axis = checks.axis("cat", dim, parts[0].ndim)
    outline = [part.shape[:axis] + part.shape[axis + 1 :] for part in parts]
    if any(part.ndim != parts[0].ndim for part in parts) or len(set(outline)) > 1:
        shapes = ", ".join(str(part.shape) for part in parts)
        raise ValueError(f"cat along dim {dim} needs shapes that agree in every other axis, got {shapes}")
    return Cat(axis)(*parts)


def pad(x: Any, pad: Sequence[int], value: float = 0.0) -> Tensor:
    """Put a border of a constant around the last axes, named from the last back, as PyTorch orders them.

    Parameters
    ----------
    x
        Any shape.
    pad
        (left, right), (left, right, top, bottom), …: cells before and after, the last axis first.
    value
        What the border holds.

    Raises
    ------
    ValueError, TypeError
        For an odd number of widths, more than two an axis, a negative one, or a lone int.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.pad(tc.Tensor([[1.0]]), (1, 0, 0, 1)).data
    array([[0., 1.],
           [0., 0.]], dtype=float32)
    """
    x = as_tensor(x)
    if isinstance(pad, (int, np.integer)):
        raise TypeError(f"pad takes (left, right, top, bottom), got {pad}: write ({pad}, {pad}, {pad}, {pad})")
    widths = list(pad)
    if len(widths) % 2 or len(widths) > 2 * x.ndim:
        raise ValueError(f"pad takes (before, after) for the last axes of {x.shape}, the last first; got {tuple(pad)}")
    if any(not isinstance(width, (int, np.integer)) or width < 0 for width in widths):
        raise ValueError(f"pad takes ints of at least 0, got {tuple(pad)}; to crop, index the tensor")
    last_first = [(int(a), int(b)) for a, b in zip(widths[::2], widths[1::2], strict=True)]
    untouched = [(0, 0)] * (x.ndim - len(last_first))
    return Pad((*untouched, *reversed(last_first)), value)(x)


def _add_each(dx: Array, index: Any, grad: Array) -> None:
    """Add a gradient to the entries of ``dx`` that an index reads, once for each time it reads them, on a GPU.

    Threads that add to one entry would do so in any order, and the sum's last bits depend on it. So the gradients are
    sorted by the entries they go to, and neighbours that go to the same one are added in pairs until each is alone.
    """
    count = grad.size
    if not count:
        return
    number = np.arange(count, like=dx)
    entry = np.arange(dx.size, like=dx).reshape(dx.shape)[index].reshape(count)
    order = np.argsort(entry, kind="stable")
    entry, values = entry[order], grad.reshape(count)[order]
    rank = number - np.searchsorted(entry, entry)  # among those that go to the same entry
    while rank.any():
        second = rank % 2 == 1
        values[:-1] += np.where(second[1:], values[1:], values.dtype.type(0))
        entry, values, rank = entry[~second], values[~second], rank[~second] // 2
    dx.reshape(dx.size)[entry] = values


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    whole = (int, np.integer, slice)
    return all(
        part is None or part is Ellipsis or (isinstance(part, whole) and not isinstance(part, bool)) for part in parts
    )
