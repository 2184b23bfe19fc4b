"""What the commands share: the learner's folder, the exercise that is meant, how the program is called."""

from __future__ import annotations

import shutil
import sys
from difflib import get_close_matches
from pathlib import Path

from tinycnn.learn.desk import Desk, named
from tinycnn.learn.exercise import Exercise, exercise, exercises

COMMANDS = ("init", "run", "step", "hint", "list", "reset", "solution", "check-all", "grade", "export", "dev")


def desk_at(folder: Path | None = None, language: str | None = None) -> Desk:
    """The learner's folder, that is at or above the one named; with the language changed where one is named.

    Raises
    ------
    ValueError
        When there is none, with what was perhaps meant.
    """
    if folder is not None and not folder.is_dir():
        word = str(folder)
        if meant := get_close_matches(word, COMMANDS, n=1):
            raise ValueError(f"{word} is neither a folder nor a command: did you mean tinycnn learn {meant[0]}?")
        if folder.stem in exercises():
            raise ValueError(f"tinycnn learn takes a folder: did you mean tinycnn learn run {folder.stem}?")
    desk = Desk.find(Path.cwd() if folder is None else folder)
    if language is not None:
        desk.speak(language)
    return desk


def meant(desk: Desk, name: str | None) -> Exercise:
    """The exercise of a name or number, which becomes the current one; else the current one."""
    if name is None:
        return exercise(desk.current)
    one = named(name)
    desk.go_to(one)
    return one


def tell_notes(desk: Desk) -> None:
    """Say on standard error what the learner should know of the folder."""
    for note in desk.notes:
        print(f"tinycnn: {note}", file=sys.stderr)


def program() -> str:
    """How the program can be called from any folder."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py" and called.parent.name == "tinycnn":
        return f"{'python' if shutil.which('python') == sys.executable else sys.executable} -m tinycnn"
    if called.name == "tinycnn" and shutil.which("tinycnn") != str(called.absolute()):
        return str(called.absolute())
    return "tinycnn"
