"""Places: where in which tensor the entries of an array lie, and what becomes of that when NumPy moves them.

Like the other files of the recorder, this needs the standard library and NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

PADDING = -1
"""The place of an entry that lies in no tensor: zeros put around an image, say."""

UNKNOWN = -2
"""The place of an entry of a copy that has been overwritten since."""

MOVES = frozenset(
    {np.append, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.broadcast_to, np.column_stack, np.concatenate}
    | {np.delete, np.diag, np.diagonal, np.dstack, np.expand_dims, np.flip, np.fliplr, np.flipud, np.hstack}
    | {np.moveaxis, np.pad, np.ravel, np.repeat, np.reshape, np.roll, np.rollaxis, np.rot90, np.squeeze, np.stack}
    | {np.swapaxes, np.take, np.take_along_axis, np.tile, np.transpose, np.tril, np.triu, np.vstack}
    | {np.lib.stride_tricks.sliding_window_view}
)
"""Functions that only move the entries of their first argument, or put zeros beside them: the places move along."""

PADS = ("constant", "edge", "reflect", "symmetric", "wrap")
"""Modes of np.pad that only move entries."""

WRITERS = frozenset({np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask})
"""Functions that change their first argument."""


def data_arguments(function: Callable[..., Any]) -> int:
    """How many arguments of a function in `MOVES` hold the entries that it moves."""
    return 2 if function is np.append else 1


def moved(
    function: Callable[..., Any], data: Sequence[Any], others: Sequence[Any], options: dict[str, Any]
) -> np.ndarray | None:
    """What becomes of places; None where they cannot be followed.

    Parameters
    ----------
    function
        One of `MOVES`.
    data
        Its first arguments: one more than the place of each entry, so that a 0 which the function puts there is no
        place.
    others, options
        The rest of them, as they are.
    """
    if function is np.pad:
        if (others[1] if len(others) > 1 else options.get("mode", "constant")) not in PADS:
            return None
        options = {name: value for name, value in options.items() if name != "constant_values"}
    try:
        places = function(*data, *others, **options)
    except Exception:
        return None
    return np.asarray(places) - 1 if isinstance(places, np.ndarray) else None


def by_address(array: np.ndarray, tensor: np.ndarray) -> np.ndarray | None:
    """Where the entries of a view lie in a tensor; None where some do not."""
    if array.dtype != tensor.dtype or not np.may_share_memory(array, tensor):
        return None
    here, there = _addresses(array), _addresses(tensor).ravel()
    order = np.argsort(there)
    nearest = order[np.clip(np.searchsorted(there, here, sorter=order), 0, there.size - 1)]
    return nearest if np.array_equal(there[nearest], here) else None


def _addresses(array: np.ndarray) -> np.ndarray:
    start = array.__array_interface__["data"][0]
    axes = (step * np.arange(size) for size, step in zip(array.shape, array.strides, strict=True))
    total: np.ndarray = np.asarray(start)
    for axis in axes:
        total = total[..., None] + axis
    return total
