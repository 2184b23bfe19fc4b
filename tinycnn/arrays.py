"""What counts as an array: NumPy's, or CuPy's where it is installed. Nothing here imports CuPy."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""A NumPy or CuPy array. CuPy has no stubs, so both go by NumPy's type."""


def is_cupy(value: object) -> bool:
    """Whether ``value`` is a CuPy array or scalar, told by its type's module so that CuPy stays unimported."""
    kind = type(value)
    return kind is not np.ndarray and kind.__module__.partition(".")[0] == "cupy"


def is_array(value: object) -> bool:
    """Whether ``value`` is an array that a Tensor can hold as it is."""
    return isinstance(value, np.ndarray) or is_cupy(value)


def to_numpy(array: Array) -> Array:
    """The array in main memory: itself, or a copy of what is on the GPU."""
    return array.get() if is_cupy(array) else array  # type: ignore[attr-defined]


def to_cupy(array: Array) -> Array:
    """The array on the GPU: itself, or a copy of what is in main memory."""
    import cupy

    return cupy.asarray(array)


def beside(array: Array, like: Array) -> Array:
    """The array on the side where ``like`` is, copied only where it is not there."""
    return to_cupy(array) if is_cupy(like) else to_numpy(array)


def as_array(value: Any) -> Array:
    """Turn ``value`` into an array with native byte order.

    Arrays and NumPy scalars keep their dtype; Python numbers and sequences of them become float32.

    Raises
    ------
    TypeError
        When the result does not hold real numbers or booleans.
    ValueError
        For a ragged list.
    """
    if is_array(value):
        array = value
    elif isinstance(value, np.generic):
        array = np.asarray(value)
    else:
        try:
            array = np.asarray(value)
        except ValueError:  # rows of different lengths
            raise ValueError("a Tensor needs rows of equal length, got a ragged list") from None
        if array.dtype.kind in "fiu" and is_plain(value):
            array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"a Tensor holds real numbers, got dtype {array.dtype}: "
            "use a rectangular list of numbers or an array of float32 or float64"
        )
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array


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
