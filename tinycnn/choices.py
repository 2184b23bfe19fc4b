"""Names to choose from, and the nearest one where a name is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

Value = TypeVar("Value")


def look_up(what: str, name: str, table: Mapping[str, Value]) -> Value:
    """The entry of ``table`` called ``name``.

    Parameters
    ----------
    what
        What the names are of, for the message.
    name
        The name asked for.
    table
        All there are.

    Raises
    ------
    ValueError
        Naming the nearest one, or all of them where none is near.

    Examples
    --------
    >>> look_up("colour", "bleu", {"blue": 1, "red": 2})
    Traceback (most recent call last):
    ...
    ValueError: unknown colour 'bleu': did you mean blue?
    """
    if name in table:
        return table[name]
    near = get_close_matches(str(name).lower(), table, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(table)}"
    raise ValueError(f"unknown {what} {name!r}: {hint}")
