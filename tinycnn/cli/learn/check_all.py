"""``tinycnn learn check-all``."""

from __future__ import annotations

import json as json_format
from typing import Any

from tinycnn.cli.bar import bar
from tinycnn.cli.learn.place import desk_at, tell_notes
from tinycnn.cli.status import DONE, FAILED
from tinycnn.learn import screens
from tinycnn.learn.desk import LACKING, UNTOUCHED
from tinycnn.learn.exercise import exercises
from tinycnn.learn.terminal import Page


def check_all(*, language: str | None = None, json: bool = False) -> int:
    """Check every exercise; the exit status is 1 where any that this machine can run has not passed.

    Parameters
    ----------
    language
        Change it: en or ko.
    json
        Print the result as one JSON object on the last line.
    """
    desk, page = desk_at(language=language), Page()
    rows: list[dict[str, Any]] = []
    with bar("checking", len(exercises())) as advance:
        for one in exercises().values():
            row = {"exercise": one.name, "passed": False, "fault": UNTOUCHED, "misconception": None}
            if desk.state(one) != UNTOUCHED:  # that one fails is known
                verdict = desk.check(one)
                row |= {"passed": verdict.passed, "fault": verdict.fault, "misconception": verdict.misconception}
            rows.append(row)
            advance(1)
    screens.listing(page, desk, desk.current)
    page.say()
    screens.progress(page, desk)
    page.show()
    tell_notes(desk)
    if json:
        skipped = sum(row["fault"] == LACKING for row in rows)
        found = {"passed": sum(row["passed"] for row in rows), "total": len(rows), "skipped": skipped}
        print(json_format.dumps({**found, "exercises": rows}))
    return DONE if all(row["passed"] or row["fault"] == LACKING for row in rows) else FAILED
