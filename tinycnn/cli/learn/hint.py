"""``tinycnn learn hint``."""

from __future__ import annotations

import json as json_format

from tinycnn.cli.learn.place import desk_at, meant, tell_notes
from tinycnn.cli.status import DONE
from tinycnn.learn import screens
from tinycnn.learn.terminal import Page


def hint(name: str | None = None, *, all: bool = False, language: str | None = None, json: bool = False) -> int:
    """Show the next hint: a question first, then the formula, then the steps.

    Parameters
    ----------
    name
        Or number of the exercise, which becomes the current one; the current one where not given.
    all
        Show all of them.
    language
        Change it: en or ko.
    json
        Print the hints as one JSON object on the last line.
    """
    desk = desk_at(language=language)
    one = meant(desk, name)
    texts = desk.next_hint(one, everything=all)
    first = 1 if all else len(texts)
    page = Page()
    screens.heading(page, desk, one)
    screens.hints(page, desk, one, texts[first - 1 :], first)
    page.show()
    tell_notes(desk)
    if json:
        total = len(one.texts(desk.language)["hints"])
        print(
            json_format.dumps({"exercise": one.name, "number": len(texts), "total": total, "hints": texts[first - 1 :]})
        )
    return DONE
