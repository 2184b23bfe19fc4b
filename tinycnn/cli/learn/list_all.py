"""``tinycnn learn list``."""

from __future__ import annotations

import json as json_format

from tinycnn.cli.learn.place import desk_at, tell_notes
from tinycnn.cli.status import DONE
from tinycnn.learn import screens
from tinycnn.learn.exercise import exercises
from tinycnn.learn.terminal import Page


def list_all(*, language: str | None = None, json: bool = False) -> int:
    """List all exercises, and how far each is.

    Parameters
    ----------
    language
        Change it: en or ko.
    json
        Print the list as one JSON object on the last line.
    """
    desk, page = desk_at(language=language), Page()
    screens.listing(page, desk, desk.current)
    page.say()
    screens.progress(page, desk)
    page.show()
    tell_notes(desk)
    if json:
        rows = [
            {
                "exercise": one.name,
                "number": one.number,
                "title": one.texts(desk.language)["title"],
                "state": desk.state(one),
                "hints": desk.hints.get(one.name, 0),
            }
            for one in exercises().values()
        ]
        found = {"passed": desk.count(), "total": len(rows), "current": desk.current, "language": desk.language}
        print(json_format.dumps({**found, "exercises": rows}))
    return DONE
