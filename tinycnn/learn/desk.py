"""A learner's folder: an exercise a file, and one text file that says how far the learner has come."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tinycnn.choices import look_up
from tinycnn.learn.dev import absent
from tinycnn.learn.exercise import Exercise, exercise, exercises
from tinycnn.learn.feedback import WORDS, Verdict, judge
from tinycnn.learn.process import Runner, answers
from tinycnn.storage import unused_name, write_text
from tinycnn.texts import FALLBACK, LANGUAGES, Texts

STATE = "tinycnn-progress.txt"
SEED = 0
"""Of the cases that a learner sees."""
DIGITS = 16
"""Of a file's checksum."""
PASSED, CHANGED, STARTED, UNTOUCHED, MISSING, LACKING = (
    "passed",
    "changed",
    "started",
    "untouched",
    "missing",
    "lacking",
)


class Desk:
    """A learner's folder.

    Attributes
    ----------
    folder
        With a file for each exercise, and `STATE`.
    language
        Of tasks, hints and messages.
    current
        Name of the exercise that is being worked on.
    passed
        For each exercise that has passed, the checksum of the file that did.
    hints
        How many were shown, by exercise.
    notes
        What the learner should be told of the folder, a sentence each.
    """

    def __init__(self, folder: Path, language: str = FALLBACK):
        self.folder, self.language, self.current = folder, language, next(iter(exercises()))
        self.passed: dict[str, str] = {}
        self.hints: dict[str, int] = {}
        self.notes: list[str] = []
        self._not_understood: list[int] = []

    @classmethod
    def make(cls, folder: Path, language: str = FALLBACK) -> Desk:
        """Fill a new or an empty folder with the exercises.

        Raises
        ------
        ValueError
            When there is something in it.
        """
        known_language(language)
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder} is a file: name a new or an empty folder")
        if is_desk(folder):
            raise ValueError(f"{folder} has your exercises already: tinycnn learn {folder} goes on with them")
        if folder.is_dir() and (there := sorted(path.name for path in folder.iterdir())):
            more = f" and {len(there) - 1} more" if len(there) > 1 else ""
            raise ValueError(f"{folder} is not empty, it holds {there[0]}{more}: name a new or an empty folder")
        desk, is_new, made = cls(folder, language), not folder.exists(), []
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for one in exercises().values():
                with desk.path(one).open("x", encoding="utf-8") as file:
                    made.append(desk.path(one))
                    file.write(one.file(language))
            write_text(folder / STATE, desk._text())
        except BaseException:
            for path in made:
                path.unlink(missing_ok=True)
            if is_new:
                folder.rmdir()
            raise
        return desk

    @classmethod
    def find(cls, start: Path) -> Desk:
        """The folder at ``start`` or above it.

        Raises
        ------
        ValueError
            When there is none.
        """
        if not start.exists():
            raise ValueError(f"there is no folder {start}: tinycnn learn init {start} makes one with the exercises")
        if not start.is_dir():
            raise ValueError(f"{start} is a file: name the folder that holds it")
        for folder in (start, *start.resolve().parents):
            if is_desk(folder):
                return cls(folder)._opened()
        where = "here" if start.resolve() == Path.cwd() else f"in {start}"
        raise ValueError(f"there are no exercises {where}: tinycnn learn init my-exercises makes a folder of them")

    def _opened(self) -> Desk:
        if (self.folder / STATE).exists():
            self._load()
        else:
            self._note("lost", file=STATE)
        return self

    @property
    def words(self) -> Texts:
        """In the learner's language."""
        return Texts(WORDS, self.language)

    def path(self, one: Exercise) -> Path:
        """The learner's file."""
        return self.folder / f"{one.name}.py"

    def checksum(self, one: Exercise) -> str:
        """Of the learner's file: what tells whether it was changed; empty where there is none."""
        path = self.path(one)
        if not path.exists():
            return ""
        try:
            return _checksum(path.read_bytes()) if path.is_file() else "no file"
        except FileNotFoundError:
            return ""
        except OSError as error:
            return str(error.strerror)

    def state(self, one: Exercise) -> str:
        """How far the learner is with an exercise: PASSED, CHANGED (since then), STARTED and so on."""
        mine = self.checksum(one)
        if not mine:
            return MISSING
        if self.passed.get(one.name) == mine:
            return PASSED
        if absent(one):
            return LACKING
        if self._is_stub(one, mine):
            return UNTOUCHED
        return CHANGED if one.name in self.passed else STARTED

    def state_words(self, one: Exercise) -> str:
        """The same for the learner."""
        return self.words.say(f"state.{self.state(one)}", needs=", ".join(one.needs))

    def count(self) -> int:
        """Exercises whose file, as it is now, has passed."""
        return sum(self.state(one) == PASSED for one in exercises().values())

    def following(self) -> Exercise | None:
        """The next exercise to do after the current one, or else the first one; None where all is done."""
        everything = list(exercises().values())
        place = [one.name for one in everything].index(self.current)
        for one in (*everything[place + 1 :], *everything[:place]):
            if self.state(one) not in (PASSED, LACKING):
                return one
        return None

    def go_to(self, one: Exercise) -> None:
        """Work on this one now."""
        if self.current != one.name:
            with self._changing():
                self.current = one.name

    def check(self, one: Exercise, runner: Runner | None = None) -> Verdict:
        """Check the learner's file, and keep whether it passed.

        Parameters
        ----------
        one
            Of the exercises.
        runner
            As for `tinycnn.learn.process.answers`.
        """
        if lack := absent(one):
            return _unchecked(LACKING, self.words.say("desk.lacking", needs=", ".join(lack)))
        before = self.checksum(one)
        if not before:
            return _unchecked(MISSING, self.missing(one))
        cases = one.cases(SEED)
        verdict = judge(one, cases, answers(one, cases, self.path(one), runner), self.language)
        is_kept = self.passed.get(one.name) == before
        if verdict.passed != is_kept and (verdict.passed or is_kept) and self.checksum(one) == before:
            with self._changing():
                self.passed.pop(one.name, None)
                if verdict.passed:
                    self.passed[one.name] = before
        return verdict

    def missing(self, one: Exercise) -> str:
        """What is said of a file that is not there."""
        return self.words.say("desk.missing", file=self.path(one).name)

    def next_hint(self, one: Exercise, everything: bool = False) -> tuple[str, ...]:
        """Show one hint more; all that were shown."""
        hints = tuple(str(hint).strip() for hint in one.texts(self.language)["hints"] or ())
        with self._changing():
            shown = len(hints) if everything else min(self.hints.get(one.name, 0) + 1, len(hints))
            self.hints[one.name] = shown
        return hints[:shown]

    def hint_title(self, one: Exercise, number: int) -> str:
        """Such as "Hint 2 of 3, the formula:"."""
        kinds: Sequence[str] = self.words["hints.kinds"]
        total = len(one.texts(self.language)["hints"])
        return self.words.say("hints.title", number=number, total=total, kind=kinds[min(number, len(kinds)) - 1])

    def reset(self, one: Exercise) -> Path | None:
        """Write the file as it was at first; where the old text is kept, if there was any of the learner's."""
        path, kept = self.path(one), None
        mine = self.checksum(one)
        if mine and not self._is_stub(one, mine):
            kept = unused_name(path)
            shutil.copyfile(path, kept)
        write_text(path, one.file(self.language))
        with self._changing():
            self.passed.pop(one.name, None)
            self.hints.pop(one.name, None)
        return kept

    def solution(self, one: Exercise) -> str:
        """Ours.

        Raises
        ------
        ValueError
            Before the learner's has passed.
        """
        if one.name not in self.passed:
            raise ValueError(self.words.say("desk.unsolved", name=one.name))
        return one.solution

    def speak(self, language: str) -> None:
        """Change the language, also of the files that the learner has not started."""
        known_language(language)
        if language == self.language:
            return
        for one in exercises().values():
            if self.checksum(one) == _checksum(one.file(self.language).encode()):
                write_text(self.path(one), one.file(language))
        with self._changing():
            self.language = language

    def _is_stub(self, one: Exercise, checksum: str) -> bool:
        return any(checksum == _checksum(one.file(language).encode()) for language in LANGUAGES)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Read what another command may have written, let it be changed, and write it: or note that it cannot be."""
        path = self.folder / STATE
        try:
            if path.exists():
                self._load()
            if self._not_understood:
                shutil.copyfile(path, unused_name(path))
                self._not_understood = []
        except OSError as error:
            self._note("unsaved", file=STATE, reason=error.strerror)
        yield
        try:
            write_text(path, self._text())
        except OSError as error:
            self._note("unsaved", file=STATE, reason=error.strerror)

    def _load(self) -> None:
        text = (self.folder / STATE).read_text(encoding="utf-8", errors="replace")
        told = self._not_understood
        self.passed, self.hints, self._not_understood = {}, {}, []
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.split()
            if words and not words[0].startswith("#") and not self._take(words):
                self._not_understood.append(number)
        if self._not_understood not in ([], told):
            numbers = ", ".join(map(str, self._not_understood[:5])) + (" …" if len(self._not_understood) > 5 else "")
            self._note("garbled", file=STATE, lines=numbers, kept=unused_name(self.folder / STATE).name)

    def _take(self, words: list[str]) -> bool:
        """Take what a line says; whether it says anything."""
        match words:
            case ["language", language] if language in LANGUAGES:
                self.language = language
            case ["current", name] if name in exercises():
                self.current = name
            case ["passed", name, checksum] if name in exercises() and len(checksum) == DIGITS:
                self.passed[name] = checksum
            case ["hints", name, count] if name in exercises() and count in map(str, range(1, 10)):
                self.hints[name] = int(count)
            case _:
                return False
        return True

    def _text(self) -> str:
        def listed(word: str, table: dict[str, str] | dict[str, int]) -> list[str]:
            return [f"{word} {name} {table[name]}" for name in exercises() if name in table]

        return "\n".join(
            (
                "# How far you have come in tinycnn learn. It is written by the program, and may be edited.",
                f"language {self.language}",
                f"current {self.current}",
                "",
                "# Exercises that have passed, with a checksum of the file that did.",
                *listed("passed", self.passed),
                "",
                "# How many hints were shown.",
                *listed("hints", self.hints),
                "",
            )
        )

    def _note(self, key: str, **values: object) -> None:
        sentence = self.words.say(f"desk.{key}", **values)
        if sentence not in self.notes:
            self.notes.append(sentence)


def is_desk(folder: Path) -> bool:
    """Whether a folder holds exercises: by its state, or, should that have been lost, by a file of one of them."""
    return (folder / STATE).exists() or any((folder / f"{name}.py").is_file() for name in exercises())


def named(word: str) -> Exercise:
    """The exercise of a number or a name.

    Raises
    ------
    ValueError
        When there is none, with the nearest name.
    """
    numbers = [one.number for one in exercises().values()]
    if word.isdecimal() and int(word) not in numbers:
        raise ValueError(f"there is no exercise {word}: they are numbered from {numbers[0]} to {numbers[-1]}")
    return exercise(word)


def known_language(word: str) -> None:
    """Refuse a language that is unknown.

    Raises
    ------
    ValueError
        With those that there are.
    """
    look_up("language", word, dict.fromkeys(LANGUAGES))


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def _unchecked(fault: str, message: str) -> Verdict:
    return Verdict(False, 0, 0, fault, None, message)
