"""``tinycnn learn reset``."""

from __future__ import annotations

from tinycnn.cli.learn.place import desk_at, meant, tell_notes
from tinycnn.cli.status import DONE
from tinycnn.learn.terminal import Page


def reset(name: str, *, language: str | None = None) -> int:
    """Write the file of an exercise as it was at first; your text is kept beside it, as .old.

    Parameters
    ----------
    name
        Or number of the exercise, which becomes the current one.
    language
        Change it: en or ko.
    """
    desk, page = desk_at(language=language), Page()
    one = meant(desk, name)
    kept = desk.reset(one)
    file = desk.path(one).name
    page.say(desk.words.say("learn.kept" if kept else "learn.reset", file=file, kept=kept and kept.name))
    page.show()
    tell_notes(desk)
    return DONE
