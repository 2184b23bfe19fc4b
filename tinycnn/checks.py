"""What is asked of numbers and saved states, in sentences that name the value and the nearest fix."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import inf, isfinite
from typing import Any

import numpy as np

from tinycnn.arrays import Array, beside, is_array


def positive(owner: str, argument: str, value: Any, advice: str = "") -> float:
    """``value`` as a Python float above 0 and finite."""
    return _number(owner, argument, value, "a positive number", lambda x: 0 < x < inf, advice)


def not_negative(owner: str, argument: str, value: Any, advice: str = "") -> float:
    """``value`` as a Python float, 0 or above and finite."""
    return _number(owner, argument, value, "0 or a positive number", lambda x: 0 <= x < inf, advice)


def finite(owner: str, argument: str, value: Any) -> float:
    """``value`` as a Python float that is neither infinite nor NaN."""
    return _number(owner, argument, value, "a finite number", isfinite)


def fraction(owner: str, argument: str, value: Any, advice: str = "") -> float:
    """``value`` as a Python float from 0 up to, but not including, 1."""
    return _number(owner, argument, value, "a number from 0 up to, but not including, 1", lambda x: 0 <= x < 1, advice)


def count(owner: str, argument: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """``value`` as a Python int, ``least`` or above, and ``most`` or below where there is one."""
    limits = f"{least} or more" if most is None else f"from {least} to {most}"
    expected = f"{owner}: {argument} must be a whole number, {limits}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(expected)
    if value < least or (most is not None and value > most):
        raise ValueError(expected)
    return int(value)


def truth(owner: str, argument: str, value: Any) -> bool:
    """``value`` as a Python bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{owner}: {argument} must be True or False, got {value!r}")
    return bool(value)


def keys(owner: str, state: Mapping[str, Any], expected: Collection[str], allow_more: bool = False) -> None:
    """Refuse a state with a name missing, or one too many.

    Raises
    ------
    TypeError
        When it is no mapping at all.
    ValueError
        Naming the first missing, else the first unexpected name.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"{owner}: a state is what state_dict() returns, got {type(state).__name__}")
    for name in expected:
        if name not in state:
            raise ValueError(f"{owner}: the state has no {name!r}: was it saved by another class, or cut short?")
    for name in state:
        if not allow_more and name not in expected:
            raise ValueError(f"{owner}: the state has an unexpected {name!r}: was it saved by another class or model?")


def array_like(owner: str, name: str, value: Any, like: Array) -> Array:
    """A copy of ``value``, which must have the shape and dtype of ``like``, on the side (NumPy or CuPy) of ``like``."""
    if not is_array(value):
        raise TypeError(f"{owner}: {name!r} of the state must be an array, got {type(value).__name__}")
    if (value.shape, value.dtype) != (like.shape, like.dtype):
        raise ValueError(
            f"{owner}: {name!r} of the state is {value.dtype} of shape {value.shape}, but its parameter is "
            f"{like.dtype} of shape {like.shape}: make the model that the state was saved with"
        )
    return beside(value, like).copy(order="C")


def _number(
    owner: str, argument: str, value: Any, expected: str, holds: Callable[[float], bool], advice: str = ""
) -> float:
    message = f"{owner}: {argument} must be {expected}, got {value!r}" + (f": {advice}" if advice else "")
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(message)
    if not holds(float(value)):
        raise ValueError(message)
    return float(value)  # a NumPy float64 would widen float32 parameters in every formula it enters
