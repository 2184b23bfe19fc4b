"""One step of a proof that a tutorial's controls work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Move(NamedTuple):
    """A control, the value it is moved to, and the numbers that the page must show then.

    Attributes
    ----------
    control
        Its key in the words.
    to
        A slider's number, the text of a choice's option, True for a switch or a button (False: switched off).
    shows
        By the numbers' keys: the value itself, or the text. Computed without tinycnn.
    """

    control: str
    to: Any
    shows: Mapping[str, float | str]
