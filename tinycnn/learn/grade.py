"""Grade a class: every learner's files over hidden cases, each in a sandbox, into a table, XML and a page for each."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tinycnn.learn import dev, sandboxed
from tinycnn.learn.exercise import Exercise
from tinycnn.learn.exercise import exercises as all_exercises
from tinycnn.learn.feedback import WORDS, Verdict, judge
from tinycnn.learn.handed_in import HandedIn, collect
from tinycnn.learn.process import Answers
from tinycnn.learn.sandboxed import UNCONTAINED, Uncontained
from tinycnn.learn.untrusted import printable
from tinycnn.optional import require
from tinycnn.storage import PARTIAL, write_text
from tinycnn.texts import Texts
from tinycnn.version import __version__

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With what a cell starts that a spreadsheet would compute."""

PASSED, FAILED, MISSING, REFUSED, NOT_RUN = "passed", "failed", "missing", "refused", "not run"


@dataclass(frozen=True)
class Grade:
    """What came of one file.

    Attributes
    ----------
    exercise
        Its name.
    state
        "passed", "failed", "missing" where nothing was handed in, "refused" where the file may not be read, "not run"
        where the exercise needs what this machine lacks.
    good, total
        Hidden cases that are right, and all.
    fault, misconception, message
        As in `Verdict`.
    """

    exercise: str
    state: str
    good: int
    total: int
    fault: str
    misconception: str | None
    message: str

    @property
    def counts(self) -> bool:
        """Whether it is in the sum."""
        return self.state != NOT_RUN


@dataclass(frozen=True)
class Learner:
    """The grades of one folder.

    Attributes
    ----------
    name
        Of the folder, as far as it can be shown.
    page
        Name of the HTML file.
    grades
        In the order of the exercises.
    notes
        What else was found there.
    """

    name: str
    page: str
    grades: tuple[Grade, ...]
    notes: tuple[str, ...]

    @property
    def score(self) -> int:
        """Exercises that passed."""
        return sum(grade.state == PASSED for grade in self.grades)

    @property
    def max_score(self) -> int:
        """Exercises that count."""
        return sum(grade.counts for grade in self.grades)


@dataclass(frozen=True)
class Grades:
    """The grades of a class.

    Attributes
    ----------
    seed, language
        Of the hidden cases, and of the messages.
    titles
        By name of the exercise, in order.
    learners
        In the order of their names.
    notes
        What is no learner's folder.
    """

    seed: int
    language: str
    titles: dict[str, str]
    learners: tuple[Learner, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON holds it: the same submissions and seed give the same."""
        learners = [
            {**asdict(learner), "score": learner.score, "max_score": learner.max_score} for learner in self.learners
        ]
        return {"tinycnn": __version__, **asdict(self), "learners": learners}


def grade(
    submissions: Path,
    out: Path,
    *,
    seed: int,
    unsafe: bool = False,
    language: str = "en",
    exercises: Sequence[Exercise] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Grades:
    """Run every learner's files over cases that nobody has seen, and write what came of it.

    Parameters
    ----------
    submissions
        A folder for each learner, in it the files as they were given out, or one level down.
    out
        A new folder, or an empty one, for ``grades.csv``, ``grades.json``, ``junit.xml`` and ``learners/NAME.html``; it
        is there as a whole or not at all.
    seed
        Of the hidden cases.
    unsafe
        Run the files with bounds on time and memory alone: code in them can do all that you can.
    language
        Of messages and pages.
    exercises
        Those that count; all by default.
    progress
        Told how many files are done, of how many.

    Raises
    ------
    ValueError
        Where there is no sandbox and ``unsafe`` is not set, no learner's folder, or ``out`` holds something.
    OSError
        Where a folder cannot be read or written.
    """
    if seed < 0:
        raise ValueError(f"the seed must be at least 0, got {seed}")
    require("jinja2", "pages of grades")
    run = sandboxed.runner(unsafe)
    chosen = tuple(all_exercises().values() if exercises is None else exercises)
    words = Texts(WORDS, language)
    with made_whole(out, apart_from=submissions) as folder:
        learners, notes = collect(submissions, chosen, words)
        jobs = [
            sandboxed.Job(one, one.cases(seed, hidden=True), learner.texts[one.name])
            for learner in learners
            for one in chosen
            if one.name in learner.texts and not dev.absent(one)
        ]
        with closing(sandboxed.run_all(jobs, run, progress)) as answers:
            rows = [tuple(_grade(one, each, seed, answers, words, language) for one in chosen) for each in learners]
        graded = tuple(
            Learner(printable(learner.name), page, grades, learner.notes)
            for learner, page, grades in zip(learners, _page_names([each.name for each in learners]), rows, strict=True)
        )
        titles = {one.name: str(one.texts(language)["title"]) for one in chosen}
        found = Grades(seed, language, titles, graded, notes)
        _write(folder, found, words)
    return found


@contextmanager
def made_whole(folder: Path, apart_from: Path | None = None) -> Iterator[Path]:
    """A folder to write into that gets its name when all is written, and is gone where something fails.

    Parameters
    ----------
    folder
        A new one, or an empty one.
    apart_from
        A folder in which it may not lie.
    """
    folder = Path(os.path.abspath(folder))
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty: name a new folder")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: name a new folder")
    if apart_from is not None and folder.resolve().is_relative_to(apart_from.resolve()):
        raise ValueError(f"{folder} lies in {apart_from}, where it would be taken for a learner: name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=PARTIAL, dir=folder.parent) as staged:
        made = Path(staged) / folder.name
        made.mkdir()
        yield made
        os.replace(made, folder)


def _grade(
    one: Exercise, learner: HandedIn, seed: int, answers: Iterator[Answers | Uncontained], words: Texts, language: str
) -> Grade:
    total = len(one.cases(seed, hidden=True))
    if lack := dev.absent(one):
        return Grade(one.name, NOT_RUN, 0, total, "", None, words.say("grade.needs", names=", ".join(lack)))
    if one.name in learner.refused:
        return Grade(one.name, REFUSED, 0, total, REFUSED, None, learner.refused[one.name])
    if one.name not in learner.texts:
        return Grade(one.name, MISSING, 0, total, MISSING, None, words.say("grade.missing", file=f"{one.name}.py"))
    verdict = _verdict(one, seed, next(answers), words, language)
    state, message = PASSED if verdict.passed else FAILED, printable(verdict.message)
    return Grade(one.name, state, verdict.good, total, verdict.fault, verdict.misconception, message)


def _verdict(one: Exercise, seed: int, answers: Answers | Uncontained, words: Texts, language: str) -> Verdict:
    cases = one.cases(seed, hidden=True)
    if isinstance(answers, Uncontained):
        return Verdict(False, 0, len(cases), UNCONTAINED, None, words.say("grade.uncontained", message=answers))
    try:
        return judge(one, cases, answers, language)
    except Exception:  # whatever odd answers bring about in a comparison: one file fails, and the class is graded
        return Verdict(False, 0, len(cases), "odd", None, words.say("grade.odd"))


def _page_names(names: Sequence[str]) -> list[str]:
    """File names that hold letters, digits, dots and dashes alone, no two of them the same on any disk."""
    taken: set[str] = set()
    found = []
    for name in names:
        stem = re.sub(r"[^\w.-]", "_", name[:60]).lstrip(".-") or "_"
        page, number = stem, 1
        while page.casefold() in taken:
            number += 1
            page = f"{stem}-{number}"
        taken.add(page.casefold())
        found.append(f"{page}.html")
    return found


def _write(folder: Path, grades: Grades, words: Texts) -> None:
    (folder / "learners").mkdir()
    for learner in grades.learners:
        write_text(folder / "learners" / learner.page, page(learner, grades, words))
    write_text(folder / "grades.csv", table(grades))
    write_text(folder / "junit.xml", junit(grades))
    write_text(folder / "grades.json", json.dumps(grades.as_dict(), indent=1, ensure_ascii=False) + "\n")


def table(grades: Grades) -> str:
    """The grades as CSV: a row for each learner, a column for each exercise, empty where nothing was handed in."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["learner", "score", "max_score", *grades.titles])
    for learner in grades.learners:
        name = f"'{learner.name}" if learner.name.startswith(FORMULA) else learner.name
        cells = ["" if grade.state in (MISSING, NOT_RUN) else int(grade.state == PASSED) for grade in learner.grades]
        writer.writerow([name, learner.score, learner.max_score, *cells])
    return text.getvalue()


def junit(grades: Grades) -> str:
    """The grades as JUnit XML: a suite for each learner, a test case for each exercise."""
    root = ElementTree.Element("testsuites", name="tinycnn learn")
    for learner in grades.learners:
        states = [grade.state for grade in learner.grades]
        failures, skipped = (sum(s in some for s in states) for some in ((FAILED, REFUSED), (MISSING, NOT_RUN)))
        counts = {"tests": str(len(states)), "failures": str(failures), "skipped": str(skipped), "errors": "0"}
        suite = ElementTree.SubElement(root, "testsuite", {"name": learner.name, **counts})
        for grade in learner.grades:
            case = ElementTree.SubElement(suite, "testcase", classname=learner.name, name=grade.exercise)
            if grade.state in (FAILED, REFUSED):
                first = grade.message.partition("\n")[0]
                ElementTree.SubElement(case, "failure", type=grade.fault, message=first).text = grade.message
            elif grade.state != PASSED:
                ElementTree.SubElement(case, "skipped", message=grade.message)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def page(learner: Learner, grades: Grades, words: Texts) -> str:
    """One learner's grades as an HTML page that needs no network, no script and no other file."""
    source = Path(__file__).with_name("grade.html").read_text(encoding="utf-8")
    jinja = require("jinja2", "pages of grades")
    environment = jinja.Environment(
        autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(source)
    return str(template.render(learner=learner, grades=grades, say=words.say, version=__version__))
