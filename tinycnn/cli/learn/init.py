"""``tinycnn learn init``."""

from __future__ import annotations

from tinycnn.cli.learn.place import program
from tinycnn.cli.options import Place
from tinycnn.cli.status import DONE
from tinycnn.learn.desk import Desk
from tinycnn.learn.exercise import exercises
from tinycnn.learn.terminal import Page
from tinycnn.texts import FALLBACK


def init(folder: Place, *, language: str = FALLBACK) -> int:
    """Make a folder of exercises, each a plain Python file to fill in.

    Parameters
    ----------
    folder
        That does not exist yet, or is empty.
    language
        Of tasks, hints and messages: en or ko.
    """
    desk, page = Desk.make(folder, language), Page()
    page.say(desk.words.say("learn.made", count=len(exercises()), folder=folder))
    page.say(f"   {program()} learn {folder}", "bold")
    page.say(desk.words["learn.made_editor"])
    page.show()
    return DONE
