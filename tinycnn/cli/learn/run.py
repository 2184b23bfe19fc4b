"""``tinycnn learn run``."""

from __future__ import annotations

import json as json_format
from pathlib import Path

from tinycnn.cli.learn.place import desk_at, meant, program, tell_notes
from tinycnn.cli.status import DONE, FAILED
from tinycnn.learn import screens
from tinycnn.learn.desk import LACKING, MISSING, Desk
from tinycnn.learn.exercise import Exercise
from tinycnn.learn.feedback import Verdict
from tinycnn.learn.terminal import Page


def run(name: str | None = None, *, language: str | None = None, json: bool = False) -> int:
    """Check an exercise once.

    Parameters
    ----------
    name
        Or number of the exercise, which becomes the current one; the current one where not given.
    language
        Change it: en or ko.
    json
        Print the result as one JSON object on the last line.
    """
    desk = desk_at(language=language)
    one = meant(desk, name)
    status, verdict = check(desk, one)
    tell_notes(desk)
    if json:
        following = desk.following()
        found = {
            "exercise": one.name,
            "file": str(desk.path(one)),
            "passed": verdict.passed,
            "good": verdict.good,
            "total": verdict.total,
            "fault": verdict.fault,
            "misconception": verdict.misconception,
            "message": verdict.message,
            "next": following.name if verdict.passed and following else None,
        }
        print(json_format.dumps(found))
    return status


def check(desk: Desk, one: Exercise) -> tuple[int, Verdict]:
    """Check an exercise, say what is found and how to go on; the exit status, and the verdict."""
    verdict, page = desk.check(one), Page()
    screens.heading(page, desk, one)
    screens.told(page, desk, one, verdict, program())
    page.say()
    screens.progress(page, desk)
    _say_commands(page, desk, one, verdict)
    page.show()
    return DONE if verdict.passed else FAILED, verdict


def _say_commands(page: Page, desk: Desk, one: Exercise, verdict: Verdict) -> None:
    following = desk.following()
    onward = [(f"run {following.number}", "next")] if following else []
    if verdict.passed:
        rows = [*onward, (f"solution {one.number}", "solution")]
        if following is None:
            page.say(desk.words["learn.done"], screens.GOOD)
    elif verdict.fault == MISSING:
        rows = [(f"reset {one.number}", "reset")]
    elif verdict.fault == LACKING:
        rows = onward
    else:
        rows = [("run", "run"), ("hint", "hint")]
    rows += [("list", "list")]
    folder = desk.folder.resolve()
    page.say()
    if Path.cwd().is_relative_to(folder):
        page.say(desk.words["learn.commands"])
    else:
        page.say(desk.words.say("learn.commands_in", folder=screens.shown(folder)))
    width = max(len(words) for words, _ in rows)
    for words, key in rows:
        name = following.name if following else ""
        page.say(f"   {program()} learn {words:{width}}   {desk.words.say(f'learn.command_{key}', name=name)}")
