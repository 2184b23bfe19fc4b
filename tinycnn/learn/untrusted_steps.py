"""The steps that a worker handed back: rebuilt key by key from what is well-formed, as `untrusted` does it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from tinycnn.learn.untrusted import Unfit, printable

STEPS = "steps.json"
MOST = 2**24
"""Bytes that the file may have."""

LIMIT = 4000
"""Steps of a learner's function that are kept."""

ACCESSES = 50 * LIMIT
"""Reads and writes of all steps together."""

SIZE = 20_000
"""Entries of a tensor."""

NAME, LINE = 80, 400
"""Characters of a name, and of a line of the source."""

LARGEST = 2.0**1023
"""What a number may be: whole ones in JSON have no end."""


def checked_steps(data: bytes) -> dict[str, Any]:
    """What the worker says of the steps.

    Returns
    -------
    dict
        ``lines`` of the file, ``first_line`` and ``length`` of the function; ``expressions``, ``tensors`` and ``steps``
        as a record has them; ``arguments``, the names of those tensors that were given; ``entries``, for each result
        that lies in a tensor its name and the places; ``is_cut``, whether there were more steps.

    Raises
    ------
    Unfit
        When a worker writes no such thing.
    """
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unfit("it is no JSON") from error
    told = _dict(told)
    lines = [printable(_str(line), LINE) for line in _list(told.get("lines"), 5000)]
    tensors = {_name(name): _tensor(tensor) for name, tensor in _table(told.get("tensors"), 100)}
    sizes = {name: len(tensor["values"]) for name, tensor in tensors.items()}
    steps = [_step(step, sizes, len(lines)) for step in _list(told.get("steps"), LIMIT)]
    if sum(len(step["reads"]) + len(step["writes"]) for step in steps) > ACCESSES:
        raise Unfit("there are too many reads and writes")
    return {
        "lines": lines,
        "first_line": _whole(told.get("first_line"), 1, len(lines) + 1),
        "length": _whole(told.get("length"), 0, len(lines)),
        "expressions": {
            str(_whole(int(_digits(line)), 1, len(lines))): printable(_str(text), LINE)
            for line, text in _table(told.get("expressions"), 5000)
        },
        "tensors": tensors,
        "arguments": [name for name in _list(told.get("arguments"), 100) if _str(name) in tensors],
        "steps": steps,
        "entries": {_name(name): _entries(given, sizes) for name, given in _table(told.get("entries"), 50)},
        "is_cut": told.get("is_cut") is True,
    }


def _tensor(told: Any) -> dict[str, Any]:
    tensor = _dict(told)
    shape = [_whole(length, 0, SIZE) for length in _list(tensor.get("shape"), 8)]
    values = [_number(value) for value in _list(tensor.get("values"), SIZE)]
    if math.prod(shape) != len(values):
        raise Unfit("a tensor of another size than it says")
    return {"shape": shape, "values": values}


def _step(told: Any, sizes: Mapping[str, int], lines: int) -> dict[str, Any]:
    step = _dict(told)
    return {
        "line": _whole(step.get("line"), 1, lines),
        "loops": {_name(name): _whole(value, -(2**53), 2**53) for name, value in _table(step.get("loops"), 30)},
        "reads": [_access(access, sizes) for access in _list(step.get("reads"), ACCESSES)],
        "writes": [_access(access, sizes) for access in _list(step.get("writes"), ACCESSES)],
        "products": [_number(value) for value in _list(step.get("products"), ACCESSES)],
    }


def _access(told: Any, sizes: Mapping[str, int]) -> list[Any]:
    tensor, place, value = _exactly(told, 3)
    if not isinstance(tensor, str) or tensor not in sizes:
        raise Unfit("an entry of no tensor")
    return [tensor, _whole(place, -1, sizes[tensor] - 1), _number(value)]


def _entries(told: Any, sizes: Mapping[str, int]) -> tuple[str, list[int]]:
    tensor, places = _exactly(told, 2)
    if not isinstance(tensor, str) or tensor not in sizes:
        raise Unfit("a result in no tensor")
    return tensor, [_whole(place, -1, sizes[tensor] - 1) for place in _list(places, SIZE)]


def _dict(told: Any) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise Unfit("an object was expected")
    return told


def _str(told: Any) -> str:
    if not isinstance(told, str):
        raise Unfit("a text was expected")
    return told


def _list(told: Any, most: int) -> list[Any]:
    if not isinstance(told, list) or len(told) > most:
        raise Unfit(f"a list of at most {most} was expected")
    return told


def _exactly(told: Any, count: int) -> list[Any]:
    found = _list(told, count)
    if len(found) != count:
        raise Unfit(f"{count} were expected")
    return found


def _table(told: Any, most: int) -> list[tuple[str, Any]]:
    return _list(list(_dict(told).items()), most)


def _name(told: str) -> str:
    if not told or printable(told, NAME) != told:
        raise Unfit("a name that cannot be printed")
    return told


def _digits(told: str) -> str:
    if not (told.isascii() and told.isdigit() and len(told) < 7):
        raise Unfit("a line was expected")
    return told


def _whole(told: Any, least: int, most: int) -> int:
    if type(told) is not int or not least <= told <= most:
        raise Unfit(f"a whole number from {least} to {most} was expected")
    return told


def _number(told: Any) -> int | float | str:
    """As a record has it: what is not finite in words."""
    if told in ("nan", "inf", "-inf"):
        return str(told)
    if isinstance(told, bool) or not isinstance(told, (int, float)) or abs(told) > LARGEST or told != told:
        raise Unfit("a number was expected")
    return told
