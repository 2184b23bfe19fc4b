"""What counts as an array: NumPy's, or CuPy's where it is installed. CuPy is imported where an array is moved to it."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""A NumPy or CuPy array. CuPy has no stubs, so both go by NumPy's type."""


def is_cupy(value: object) -> bool:
    """Whether ``value`` is a CuPy array or scalar, told by its type's module so that CuPy stays unimported."""
    return _is_of_cupy(type(value))  # type: ignore[arg-type]  # mypy takes a class for something without a hash


@cache
def _is_of_cupy(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "cupy"


def is_array(value: object) -> bool:
    """Whether ``value`` is an array that a Tensor can hold as it is."""
    return _holds_numbers(type(value))  # type: ignore[arg-type]


@cache
def _holds_numbers(kind: type) -> bool:
    return issubclass(kind, np.ndarray) or _is_of_cupy(kind)  # type: ignore[arg-type]


def on_gpu(arrays: Sequence[Array]) -> bool:
    """Whether the arrays that meet in one operation are on the GPU.

    Raises
    ------
    TypeError
        When only some of them are: nothing is copied silently.
    """
    for array in arrays:
        if type(array) is not np.ndarray:
            break
    else:
        return False  # told at a glance, as it is asked in every operation
    there = [is_cupy(array) for array in arrays]
    if any(there) and not all(there):
        sides = " and ".join("on the GPU" if it_is else "in main memory" for it_is in there)
        raise TypeError(
            f"one operation got arrays that are {sides}: nothing is copied silently, so move them to one side first, "
            'x.to("cupy") or x.to("numpy")'
        )
    return any(there)


def to_numpy(array: Array) -> Array:
    """The array in main memory: itself, or a copy of what is on the GPU."""
    return array.get() if is_cupy(array) else array  # type: ignore[attr-defined]


def to_cupy(array: Array) -> Array:
    """The array on the GPU: itself, or a copy of what is in main memory.

    Raises
    ------
    MemoryError
        When the GPU has too little memory.
    """
    if is_cupy(array):
        return array
    import cupy

    from tinycnn.kernels.cuda.device import explained

    with explained():
        return cupy.asarray(array)


def moved(array: Array, backend: str) -> Array:
    """The array where a backend computes: itself, or a copy.

    Raises
    ------
    MemoryError
        When the GPU has too little memory.
    """
    return to_cupy(array) if backend == "cupy" else to_numpy(array)


def beside(array: Array, like: Array) -> Array:
    """The array on the side where ``like`` is, copied only where it is not there."""
    return to_cupy(array) if is_cupy(like) else to_numpy(array)


def index_on_gpu(index: Any, array: Array) -> tuple[Any, ...]:
    """An index as an array on the GPU takes it: lists become arrays there.

    Raises
    ------
    IndexError
        For positions outside, as NumPy raises it. CuPy would wrap them round.
    TypeError
        For an index array in main memory.
    """
    parts = tuple(_indices_on_gpu(part) for part in (index if isinstance(index, tuple) else (index,)))
    on_gpu([array, *filter(is_array, parts)])
    spans = [_axes_spanned(part) for part in parts]
    axis = 0
    for part, span in zip(parts, spans, strict=True):
        if is_array(part) and part.dtype.kind in "iu" and part.size and axis < array.ndim:
            size = array.shape[axis]
            for position in (int(part.min()), int(part.max())):
                if not -size <= position < size:
                    raise IndexError(f"index {position} is out of bounds for axis {axis} with size {size}")
        axis += array.ndim - sum(spans) if part is Ellipsis else span
    return parts


def as_array(value: Any, place: Callable[[Array], Array] = to_numpy) -> Array:
    """Turn ``value`` into an array with native byte order.

    Arrays and NumPy scalars keep their dtype; Python numbers and sequences of them become float32.

    Parameters
    ----------
    value
        An array, which stays where it is, or what NumPy can make one of.
    place
        Given the array that was made of numbers, gives it where it shall be.

    Raises
    ------
    TypeError
        When the result does not hold real numbers or booleans.
    ValueError
        For a ragged list.
    """
    is_new = not is_array(value)
    array = _made_of(value) if is_new else value
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"a Tensor holds real numbers, got dtype {array.dtype}: "
            "use a rectangular list of numbers or an array of float32 or float64"
        )
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return place(array) if is_new else array


def array_like(value: Any, like: Array) -> Array:
    """Turn ``value`` into an array to meet ``like`` in one operation.

    An array stays as it is. Numbers are put beside ``like``; they take its dtype where that is floating-point, and a
    Python int where it is an integer's, so that they neither widen nor narrow the result.
    """
    if is_array(value):
        return as_array(value)
    if like.dtype.kind == "f" and is_plain(value):
        return beside(np.asarray(value).astype(like.dtype), like)
    if like.dtype.kind in "iu" and isinstance(value, int) and not isinstance(value, bool):
        return beside(np.asarray(value, like.dtype), like)
    return as_array(value, lambda array: beside(array, like))


def is_plain(value: Any) -> bool:
    """Whether ``value`` is a number or a nested list of Python numbers: nothing whose dtype was chosen on purpose."""
    if isinstance(value, np.generic):
        return True
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (int, float, list, tuple)) and not isinstance(value, np.generic)


def owner(array: Array) -> Array:
    """The array whose memory ``array`` is a view of, or itself."""
    base = array.base
    while base is not None and is_array(base):  # NumPy's base may also be a buffer that is no array, such as bytes
        array, base = base, base.base
    return array


class Recycled(np.ndarray):
    """Memory that a workspace lends again once nothing but the workspace refers to it."""


def owns_memory(array: Array) -> bool:
    """Whether an array is no view of another one: its memory is its own, or was lent to it by a workspace."""
    return type(array.base) is Recycled or bool(array.flags.owndata)


def _made_of(value: Any) -> Array:
    """What NumPy makes of something that is no array; Python numbers become float32."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        raise ValueError("a Tensor needs rows of equal length, got a ragged list") from None
    chosen = isinstance(value, np.generic) or array.dtype.kind not in "fiu" or not is_plain(value)
    return array if chosen else array.astype(np.float32)


def _indices_on_gpu(part: Any) -> Any:
    """One part of an index, an array on the GPU where it is a list."""
    if not isinstance(part, (list, tuple, range)):
        return part
    array = np.asarray(part)
    return to_cupy(array if array.size else array.astype(np.intp))


def _axes_spanned(part: Any) -> int:
    """How many axes of an array one part of its index takes up; what an ellipsis does depends on the others."""
    if part is None or part is Ellipsis or isinstance(part, (bool, np.bool_)):
        return 0
    return part.ndim if is_array(part) and part.dtype.kind == "b" else 1
