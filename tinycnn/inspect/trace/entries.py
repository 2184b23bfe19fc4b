"""Entries of tensors: how their numbers are written, where they lie, and what they are called.

The page's script does the same in the browser (web/numbers.js and web/places.js).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

DIGITS = Context(prec=5, rounding=ROUND_HALF_UP)
OPERATOR, POWER = re.compile(r"[-−+*·/%@] ?$"), re.compile(r" ?\*\*")
"""An operator before a number, and the one that binds a number closer than its minus sign."""
NOT_FINITE = {"nan": "NaN", "inf": "∞", "-inf": "−∞"}

Value = float | int | str
"""A number of a record; one that is not finite is a word."""
Access = tuple[str, int]
"""A tensor and a flat place in it; -1 is padding."""


def number_text(value: Value) -> str:
    """A number with at most five digits that count and a true minus sign.

    Examples
    --------
    >>> number_text(-0.123456), number_text(-0.0), number_text(1234567), number_text("inf")
    ('−0.12346', '0', '1.2346e6', '∞')
    """
    if isinstance(value, str):
        return NOT_FINITE[value]
    if value != value or value in (float("inf"), float("-inf")):
        return number_text({float("inf"): "inf", float("-inf"): "-inf"}.get(value, "nan"))
    rounded = DIGITS.plus(Decimal(value)).normalize()
    if rounded == 0:
        return "0"
    exponent = rounded.adjusted()
    text = f"{rounded:f}" if -4 <= exponent < 5 else f"{rounded.scaleb(-exponent):f}e{exponent}"
    return text.replace("-", "−")


def put_in(formula: str, place: re.Match[str], number: str) -> str:
    """A number as it stands at a place of a formula: in brackets where a minus sign would be beside an operator.

    Examples
    --------
    >>> formula = "max(A, 0) + A"
    >>> [put_in(formula, place, "−1") for place in re.finditer("A", formula)]
    ['−1', '(−1)']
    """
    is_beside = OPERATOR.search(formula[: place.start()]) or POWER.match(formula[place.end() :])
    return f"({number})" if number.startswith("−") and is_beside else number


def index_of(shape: Iterable[int], place: int) -> tuple[int, ...]:
    """The index of a flat place.

    Examples
    --------
    >>> index_of((2, 3), 4)
    (1, 1)
    """
    found: list[int] = []
    for size in reversed(list(shape)):
        place, at = divmod(place, size)
        found.insert(0, at)
    return tuple(found)


def place_name(operation: Mapping[str, Any], tensor: str, place: int, padding: str = "padding") -> str:
    """The name of an entry, such as ``x[0, 1, 2, 3]``."""
    shape = operation["tensors"].get(tensor, {}).get("shape")
    if place < 0 or shape is None:
        return padding if place == -1 else tensor
    return f"{tensor}[{', '.join(map(str, index_of(shape, place)))}]" if shape else tensor


def is_at_loops(letters: Iterable[str], index: Iterable[int], loops: Mapping[str, int]) -> bool:
    """Whether an index over axes is where the loops are: all letters that the loops have agree, and there is one."""
    known = [(loops[letter], at) for letter, at in zip(letters, index, strict=True) if letter in loops]
    return bool(known) and all(loop == at for loop, at in known)


def padding_text(operation: Mapping[str, Any], tensor: str) -> str:
    """What stands in the cells around an image: what can never win where the largest is searched."""
    is_searched = operation["operation"].startswith("max_pool") and operation["tensors"][tensor]["role"] == "input"
    return "−∞" if is_searched else "0"


def narrowed(line: str) -> str:
    """A line of source with half of its indentation: seven nested loops are wide.

    Examples
    --------
    >>> narrowed("        y += x")
    '    y += x'
    """
    code = line.lstrip(" ")
    return " " * ((len(line) - len(code)) // 2) + code


def broken(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Lines that fit, broken between words; a word that does not fit stands alone.

    Examples
    --------
    >>> broken("one two three", lambda line: len(line) <= 7)
    ['one two', 'three']
    """
    lines: list[str] = []
    for word in text.split():
        if lines and fits(f"{lines[-1]} {word}"):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
