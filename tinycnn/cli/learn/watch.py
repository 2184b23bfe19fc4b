"""``tinycnn learn``."""

from __future__ import annotations

from tinycnn.cli.learn.place import desk_at, program, tell_notes
from tinycnn.cli.learn.run import check
from tinycnn.cli.options import Place
from tinycnn.cli.status import DONE
from tinycnn.learn.exercise import exercise
from tinycnn.learn.terminal import is_terminal
from tinycnn.learn.watch import watch as watch_desk


def watch(folder: Place | None = None, *, language: str | None = None) -> int:
    """Check the current exercise each time its file is saved, and go on with single keys; or once, without a terminal.

    Parameters
    ----------
    folder
        That `tinycnn learn init` made; the one around the current folder where not given.
    language
        Change it: en or ko.
    """
    desk = desk_at(folder, language)
    if is_terminal():
        watch_desk(desk, program())
        return DONE
    status, _ = check(desk, exercise(desk.current))
    tell_notes(desk)
    return status
