"""Tensor: an array, its gradient, and the Function that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tinycnn.arrays import Array, array_like, as_array, beside, index_on_gpu, is_cupy, on_gpu, to_numpy
from tinycnn.backend import on_chosen_side
from tinycnn.function import Function, is_grad_enabled
from tinycnn.function import backward as walk_back

AnyCallable = TypeVar("AnyCallable", bound=Callable[..., Any])

_ufuncs: dict[np.ufunc, Callable[..., Tensor]] = {}


class Tensor:
    """An array that remembers how it was computed.

    Parameters
    ----------
    data
        Anything that NumPy can make an array of. An array's dtype is kept (and its memory shared, in main memory or on
        the GPU); Python numbers become float32, on the GPU after ``use_backend("cupy")``; another Tensor gives its
        array.
    requires_grad
        Whether `backward` shall fill ``grad``. Only floating-point tensors can.

    Attributes
    ----------
    data : array
        Assigning, or an in-place operator such as ``t.data -= step``, counts as a change; writing through
        ``t.data[...]`` is not seen.
    grad : array or None
        Sum of the gradients of all backward passes since `zero_grad`.
    creator : Function or None
        The Function that made this Tensor; None for a leaf.

    Raises
    ------
    TypeError
        For data that holds no real numbers, or a gradient asked of integers.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x = tc.Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4.], dtype=float32)
    """

    __slots__ = ("__weakref__", "_data", "_requires_grad", "changes", "creator", "grad", "retains_grad")

    def __init__(self, data: Any, requires_grad: bool = False):
        self._data = data.data if isinstance(data, Tensor) else as_array(data, on_chosen_side)
        self.changes = [0]  # how often the data was changed; views of the same data share the list
        self.grad: Array | None = None
        self.creator: Function | None = None
        self.retains_grad = False
        self.requires_grad = requires_grad

    @property
    def data(self) -> Array:
        """The array."""
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        array = as_array(value, lambda array: beside(array, self._data))
        if self.requires_grad:
            _require_floating(array)
        self._data = array
        self.changes[0] += 1

    @property
    def requires_grad(self) -> bool:
        """Whether backward fills ``grad``, or passes through to tensors that ask for it."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value:
            _require_floating(self._data)
        self._requires_grad = bool(value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self._data.dtype

    def backward(self, grad: Any = None) -> None:
        """Add to ``grad`` of every tensor that this one was computed from and that requires it.

        Parameters
        ----------
        grad
            Gradient of the final result with respect to this tensor, of its shape; may be left out for a tensor with
            one entry, where it is 1.

        Raises
        ------
        RuntimeError
            When no gradient is recorded, the graph was walked before, or data that backward needs was changed.
        ValueError
            When ``grad`` is missing or of another shape.
        TypeError
            When ``grad`` is in main memory and this tensor on the GPU, or the other way round.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward() on a tensor that requires no gradient: set requires_grad=True on an input, "
                "and compute it outside no_grad()"
            )
        if grad is None:
            if self.size != 1:
                raise ValueError(
                    f"backward() without a gradient needs a tensor with one entry, this one has shape {self.shape}: "
                    "reduce it with .sum() or .mean(), or pass backward(grad) of its shape"
                )
            grad = np.ones_like(self._data)
        else:
            grad = as_tensor(grad, like=self)._data.astype(self.dtype)
            on_gpu((self._data, grad))
            if grad.shape != self.shape:
                raise ValueError(f"backward() got a gradient of shape {grad.shape} for a tensor of shape {self.shape}")
        walk_back(self, grad)

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    def retain_grad(self) -> None:
        """Ask that backward also fills ``grad`` of this tensor, though it is no leaf."""
        self.retains_grad = True

    def detach(self) -> Tensor:
        """The same array in a Tensor that no graph leads to."""
        alone = Tensor(self._data)
        alone.changes = self.changes
        return alone

    def item(self) -> float:
        """The value of a tensor with one entry, as a Python number."""
        if self.size != 1:
            raise ValueError(f"item() needs a tensor with one entry, this one has shape {self.shape}")
        return self._data.item()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"a tensor of shape {self.shape} is neither true nor false: use .data.any() or .data.all()"
            )
        return bool(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __setitem__(self, index: Any, value: Any) -> None:
        value = as_tensor(value, like=self)
        on_gpu((self._data, value._data))
        if (self.requires_grad or value.requires_grad) and is_grad_enabled():
            raise RuntimeError(
                "assigning in place would lose a gradient: compute a new tensor, or assign under no_grad()"
            )
        index = _plain(index)
        self._data[index_on_gpu(index, self._data) if is_cupy(self._data) else index] = value._data
        self.changes[0] += 1

    def __repr__(self) -> str:
        text = np.array2string(to_numpy(self._data), separator=", ", prefix="Tensor(", threshold=100)
        notes = [] if self.dtype == np.float32 else [f"dtype={self.dtype}"]
        notes += ["requires_grad=True"] if self.requires_grad else []
        notes += ["on the GPU"] if is_cupy(self._data) else []
        return f"Tensor({', '.join([text, *notes])})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if is_cupy(self._data):
            raise TypeError(
                'this tensor is on the GPU, and nothing is copied silently: NumPy takes x.to("numpy") of it'
            )
        if copy is False and dtype is not None and np.dtype(dtype) != self.dtype:
            raise ValueError(f"an array of {np.dtype(dtype)} from a tensor of {self.dtype} needs a copy")
        return np.array(self._data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__" and not options and ufunc in _ufuncs:
            return _ufuncs[ufunc](*inputs)
        if "out" in options:
            raise TypeError(
                f"np.{ufunc.__name__} cannot write a tensor's result into an array: assign the result instead"
            )
        if is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
            raise TypeError(
                f"np.{ufunc.__name__} has no backward pass here: use a tensor operation, or t.data where no "
                "gradient is wanted"
            )
        return getattr(ufunc, method)(*(x.data if isinstance(x, Tensor) else x for x in inputs), **options)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        """Other NumPy functions see the plain array; where that would cut a gradient off, they are refused."""
        result = function(*(_plain(x) for x in args), **{name: _plain(x) for name, x in kwargs.items()})
        first = result[0] if isinstance(result, (tuple, list)) and result else result
        if self.requires_grad and is_grad_enabled() and getattr(first, "dtype", np.dtype(bool)).kind == "f":
            raise TypeError(
                f"np.{function.__name__} has no backward pass here: use a tensor operation such as tc.cat or t.sum(), "
                "or t.data where no gradient is wanted"
            )
        return result

    if TYPE_CHECKING:
        # Attached by the files of functional/ through tensor_method; listed for readers, editors and type checkers.
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Array: ...
        def __le__(self, other: Any) -> Array: ...
        def __eq__(self, other: Any) -> Array: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Array: ...  # type: ignore[override]
        def __ge__(self, other: Any) -> Array: ...
        def __gt__(self, other: Any) -> Array: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def abs(self) -> Tensor: ...
        def exp(self) -> Tensor: ...
        def log(self) -> Tensor: ...
        def sqrt(self) -> Tensor: ...
        def astype(self, dtype: Any) -> Tensor: ...
        def sum(self, dim: Any = None, keepdim: bool = False) -> Tensor: ...
        def mean(self, dim: Any = None, keepdim: bool = False) -> Tensor: ...
        def max(self, dim: Any = None, keepdim: bool = False) -> Tensor: ...
        def argmax(self, dim: int | None = None) -> Array: ...
        def to(self, backend: str) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor: ...
        def permute(self, *dims: int) -> Tensor: ...
        def transpose(self, dim0: int, dim1: int) -> Tensor: ...
        @property
        def T(self) -> Tensor: ...

    __hash__ = object.__hash__  # a Tensor is itself, whatever it holds: graphs and optimisers keep it in dictionaries


def tensor_method(*names: str, ufunc: np.ufunc | None = None) -> Callable[[AnyCallable], AnyCallable]:
    """Make a function a method of Tensor under these names, and what ``ufunc`` does when it meets a Tensor."""

    def attach(function: AnyCallable) -> AnyCallable:
        for name in names:
            setattr(Tensor, name, function)
        if ufunc is not None:
            _ufuncs[ufunc] = function
        return function

    return attach


def as_tensor(value: Any, like: Tensor | None = None) -> Tensor:
    """Return ``value`` as a Tensor; what is no Tensor beside ``like``, as `tinycnn.arrays.array_like` makes it."""
    if isinstance(value, Tensor):
        return value
    return Tensor(value if like is None else array_like(value, like.data))


def _require_floating(array: Array) -> None:
    if array.dtype.kind != "f":
        raise TypeError(f"only floating-point tensors have gradients, got {array.dtype}: use x.astype(np.float32)")


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.data
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(x) for x in value)
    return value
