"""What a learner reads of an exercise, of the hints and of all that there is to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len

from tinycnn.learn.desk import CHANGED, MISSING, PASSED, UNTOUCHED, Desk
from tinycnn.learn.exercise import Exercise, exercises
from tinycnn.learn.feedback import Verdict
from tinycnn.learn.terminal import Page

BAR = 30
GOOD, BAD, WARNING, QUIET = "green", "red", "yellow", "bright_black"
UNWRITTEN = "unwritten"


def heading(page: Page, desk: Desk, one: Exercise) -> None:
    """Which exercise this is, and which file."""
    title = one.texts(desk.language)["title"]
    page.say(desk.words.say("learn.title", number=one.number, total=len(exercises()), title=title), "bold")
    page.say(shown(desk.path(one)), QUIET)


def told(page: Page, desk: Desk, one: Exercise, verdict: Verdict, program: str = "") -> None:
    """What is right or wrong with the file; how to begin where it is as it was at first.

    Parameters
    ----------
    page
        That it is added to.
    desk, one, verdict
        Whose file, of which exercise, and what is found.
    program
        How to call the program to check again; empty where each save is checked.
    """
    page.say()
    if desk.state(one) == UNTOUCHED:
        step = desk.words["learn.write" if verdict.fault == UNWRITTEN else "learn.mend"]
        page.say(desk.words.say("learn.begin", file=shown(desk.path(one)), step=step))
        page.say(desk.words.say("learn.then_run", program=program) if program else desk.words["learn.then_save"])
        if verdict.fault == UNWRITTEN:
            return
        page.say()
    first, _, rest = verdict.message.partition("\n")
    page.say(first, GOOD if verdict.passed else BAD)
    if rest:
        page.say(rest)


def hints(page: Page, desk: Desk, one: Exercise, texts: Sequence[str], first: int = 1) -> None:
    """Hints, numbered from ``first``."""
    for number, text in enumerate(texts, start=first):
        page.say()
        page.say(desk.hint_title(one, number), "bold")
        page.say(text)
    if len(texts) + first - 1 >= len(one.texts(desk.language)["hints"]):
        page.say()
        page.say(desk.words["hints.all"], QUIET)


def progress(page: Page, desk: Desk) -> None:
    """A bar of how much has passed."""
    done, total = desk.count(), len(exercises())
    full = BAR * done // total
    page.say(f"[{'#' * full}{'-' * (BAR - full)}] {desk.words.say('learn.count', passed=done, total=total)}")


def listing(page: Page, desk: Desk, chosen: str, lines: int | None = None) -> None:
    """All exercises, or as many around the chosen one as there are lines."""
    everything = list(exercises().values())
    place = [one.name for one in everything].index(chosen)
    if lines is not None:
        start = max(0, min(place - lines // 2, len(everything) - lines))
        everything = everything[start : start + lines]
    titles = {one.name: str(one.texts(desk.language)["title"]) for one in everything}
    width = max(map(cell_len, titles.values()))
    for one in everything:
        title, state = titles[one.name], desk.state(one)
        mark = ">" if one.name == chosen else " "
        row = f"{mark} {one.number:2}  {title}{' ' * (width - cell_len(title))}  {desk.state_words(one)}".rstrip()
        style = GOOD if state == PASSED else WARNING if state in (CHANGED, MISSING) else ""
        page.say(row, f"{style} bold".strip() if one.name == chosen else style)


def shown(path: Path) -> str:
    """A path as short as it can be from the folder where the learner is."""
    here = Path.cwd()
    path = path if path.is_absolute() else here / path
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
