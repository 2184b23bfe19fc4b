"""Types of options that several commands have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token


def whole_number(kind: Any, tokens: Sequence[Token]) -> int:
    """An int from a word such as 12; 3.5 is refused, not rounded."""
    (token,) = tokens
    try:
        return int(token.value)
    except ValueError:
        raise ValueError(f"expected a whole number such as 12, got {token.value!r}") from None


def whole_numbers(kind: Any, tokens: Sequence[Token]) -> list[int]:
    """Ints from the words of an option that may be given several times."""
    return [whole_number(kind, [token]) for token in tokens]


def sizes(kind: Any, tokens: Sequence[Token]) -> tuple[int, ...]:
    """Ints from a word such as 4x64x56x56."""
    (token,) = tokens
    try:
        return tuple(int(part) for part in token.value.split("x"))
    except ValueError:
        raise ValueError(
            f"expected whole numbers with an x between them, such as 4x64x56x56, got {token.value!r}"
        ) from None


def shapes(kind: Any, tokens: Sequence[Token]) -> list[tuple[int, ...]]:
    """Shapes from the words of an option that may be given several times."""
    return [sizes(kind, [token]) for token in tokens]


def number(kind: Any, tokens: Sequence[Token]) -> float:
    """A float from a word such as 0.1."""
    (token,) = tokens
    try:
        return float(token.value)
    except ValueError:
        raise ValueError(f"expected a number such as 0.1, got {token.value!r}") from None


def place(kind: Any, tokens: Sequence[Token]) -> Path:
    """A path; an empty word, as a variable that is not set leaves it, is refused, and ~ is the home folder."""
    (token,) = tokens
    if not token.value:
        raise ValueError("expected a path, got an empty word")
    return Path(token.value).expanduser()


Whole = Annotated[int, Parameter(converter=whole_number)]
WholeNumbers = Annotated[list[int], Parameter(converter=whole_numbers)]
Batches = Annotated[WholeNumbers, Parameter(name=("--batch-size", "--batch"))]
Sizes = Annotated[tuple[int, ...], Parameter(converter=sizes, n_tokens=1)]
Shapes = Annotated[list[tuple[int, ...]], Parameter(converter=shapes, n_tokens=1)]
Number = Annotated[float, Parameter(converter=number)]
Place = Annotated[Path, Parameter(converter=place)]
