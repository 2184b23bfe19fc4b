"""From main memory to the GPU and back."""

from __future__ import annotations

from typing import Any

from tinycnn.arrays import Array, is_cupy, moved
from tinycnn.backend import require_backend
from tinycnn.function import Function
from tinycnn.tensor import Tensor, as_tensor, tensor_method


class Move(Function):
    """The same numbers on another side; backward moves the gradient back."""

    def __init__(self, backend: str):
        self.backend = backend

    def forward(self, x: Array) -> Array:
        self.home = "cupy" if is_cupy(x) else "numpy"
        return moved(x, self.backend)

    def backward(self, grad: Array) -> Array:
        return moved(grad, self.home)


@tensor_method("to")
def to(x: Any, backend: str) -> Tensor:
    """The tensor where a backend computes; itself where it is there already.

    What comes back is computed from ``x``, and so has no ``grad`` of its own: `tinycnn.nn.Module.to` moves parameters
    in place.

    Parameters
    ----------
    x
        Any shape and dtype.
    backend
        ``"cupy"`` for the GPU, ``"numpy"`` or ``"numba"`` for main memory.

    Raises
    ------
    ValueError
        When there is no such backend here, with what to do about it.
    MemoryError
        When the GPU has too little memory.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x = tc.Tensor([1.0, 2.0])
    >>> x.to("numpy") is x
    True
    """
    require_backend(backend)
    x = as_tensor(x)
    return x if is_cupy(x.data) is (backend == "cupy") else Move(backend)(x)
