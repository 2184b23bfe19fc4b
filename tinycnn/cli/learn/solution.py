"""``tinycnn learn solution``."""

from __future__ import annotations

from tinycnn.cli.learn.place import desk_at, tell_notes
from tinycnn.cli.status import DONE
from tinycnn.learn.desk import named


def solution(name: str, *, language: str | None = None) -> int:
    """Print our solution of an exercise, once yours has passed.

    Parameters
    ----------
    name
        Or number of the exercise.
    language
        Change it: en or ko.
    """
    desk = desk_at(language=language)
    print(desk.solution(named(name)), end="")
    tell_notes(desk)
    return DONE
