"""``tinycnn learn step``."""

from __future__ import annotations

import json as json_format

from tinycnn.cli.learn.place import desk_at, meant, tell_notes
from tinycnn.cli.options import Place, Whole
from tinycnn.cli.status import DONE, FAILED
from tinycnn.learn import screens
from tinycnn.learn.step import step_page
from tinycnn.learn.terminal import Page


def step(
    name: str | None = None,
    *,
    case: Whole | None = None,
    html: Place | None = None,
    language: str | None = None,
    json: bool = False,
) -> int:
    """Step through your function, as a page: what it reads and writes, beside what it should.

    Parameters
    ----------
    name
        Or number of the exercise, which becomes the current one; the current one where not given.
    case
        Number of the case, from 1; the first that is wrong where not given, or else the first.
    html
        Where the page is written; NAME-step.html beside your file where not given.
    language
        Change it: en or ko.
    json
        Print the result as one JSON object on the last line.
    """
    desk, page = desk_at(language=language), Page()
    one = meant(desk, name)
    found, written = step_page(desk, one, case, html)
    screens.heading(page, desk, one)
    page.say()
    page.say(found.message)
    if written is not None:
        page.say()
        page.say(desk.words.say("step.page", file=screens.shown(written)))
    page.show()
    tell_notes(desk)
    if json:
        told = {"exercise": one.name, "case": found.case, "right": found.is_right, "message": found.message}
        steps = len(found.trace) if found.trace is not None else 0
        print(json_format.dumps({**told, "steps": steps, "page": None if written is None else str(written)}))
    return DONE if found.is_right else FAILED
