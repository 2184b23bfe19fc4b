"""What a class handed in: a folder for each learner, whose names and files nobody has looked at yet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinycnn.learn.exercise import Exercise
from tinycnn.learn.untrusted import Unfit, plain_bytes, printable
from tinycnn.texts import Texts

MOST_BYTES = 2**18
"""Of a file."""

MOST_NAMED = 20
"""Files that a note names; the rest is counted."""


@dataclass(frozen=True)
class HandedIn:
    """What one learner handed in.

    Attributes
    ----------
    name
        Of the folder, as it is.
    texts
        What the files hold, by exercise.
    refused
        Why a file may not be read, by exercise.
    notes
        What else is there, in sentences.
    """

    name: str
    texts: Mapping[str, bytes]
    refused: Mapping[str, str]
    notes: tuple[str, ...]


def collect(
    submissions: Path, exercises: Sequence[Exercise], words: Texts
) -> tuple[tuple[HandedIn, ...], tuple[str, ...]]:
    """Read all that is handed in, and follow no link.

    Parameters
    ----------
    submissions
        A folder for each learner, in it the files as they were given out, or one level down.
    exercises
        Those to look for.
    words
        For the notes.

    Returns
    -------
    tuple
        The learners by name, and notes on what is none.

    Raises
    ------
    ValueError
        Where no learner's folder is there.
    OSError
        Where a folder cannot be read.
    """
    if not submissions.is_dir():
        raise ValueError(f"{submissions} is no folder: expected one that holds a folder for each learner")
    entries = sorted(os.scandir(submissions), key=lambda entry: entry.name)
    folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")]
    if not folders:
        raise ValueError(f"{submissions} holds no folders: expected one for each learner")
    links = [entry.name for entry in entries if entry.is_symlink()]
    others = [entry.name for entry in entries if entry not in folders and not entry.is_symlink()]
    notes = [words.say("grade.no_learners", names=_named(others))] if others else []
    notes += [words.say("grade.links", names=_named(links))] if links else []
    return tuple(_of_one(Path(entry.path), exercises, words) for entry in folders), tuple(notes)


def _of_one(folder: Path, exercises: Sequence[Exercise], words: Texts) -> HandedIn:
    names = {f"{one.name}.py": one.name for one in exercises}
    texts: dict[str, bytes] = {}
    refused: dict[str, str] = {}
    links: list[str] = []
    others: list[str] = []
    for entry in _files(folder):
        shown = printable(os.path.relpath(entry.path, folder), 200)
        name = names.get(entry.name)
        if name is None:
            (links if entry.is_symlink() else others).append(shown)
            continue
        try:
            text = plain_bytes(Path(entry.path), MOST_BYTES)
        except (OSError, Unfit) as error:
            told = _reason("link" if entry.is_symlink() else error, words)
            refused[name] = words.say("grade.refused", file=shown, message=told)
            continue
        if texts.setdefault(name, text) != text:
            refused[name] = words.say("grade.twice", file=entry.name)
    notes = [words.say("grade.links", names=_named(links))] if links else []
    notes += [words.say("grade.others", names=_named(python))] if (python := _python(others)) else []
    return HandedIn(folder.name, {n: t for n, t in texts.items() if n not in refused}, refused, tuple(notes))


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Files and links in a folder, and one level down."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            inside = sorted(os.scandir(entry), key=lambda entry: entry.name)
            yield from (inner for inner in inside if not inner.is_dir(follow_symlinks=False))
        else:
            yield entry


def _python(names: Sequence[str]) -> list[str]:
    """Files that may have been meant for an exercise."""
    return [name for name in names if name.endswith(".py")]


def _reason(error: Exception | str, words: Texts) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return words.say(f"grade.unfit.{error}", most=f"{MOST_BYTES // 1024} KiB")


def _named(names: Sequence[str]) -> str:
    told = [printable(name, 100) for name in names[:MOST_NAMED]]
    return ", ".join(told) + (f", … (+{len(names) - MOST_NAMED})" if len(names) > MOST_NAMED else "")
