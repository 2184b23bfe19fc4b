"""``tinycnn learn grade``, ``export`` and ``dev check``: for teachers, and for authors of exercises."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tinycnn.cli.bar import bar
from tinycnn.cli.options import Place, Whole
from tinycnn.cli.status import DONE, FAILED
from tinycnn.learn import dev, export
from tinycnn.learn import grade as grading
from tinycnn.learn.exercise import Exercise, exercise, exercises
from tinycnn.learn.grade import MISSING, NOT_RUN, PASSED, Grades
from tinycnn.learn.sandboxed import UNCONTAINED
from tinycnn.wording import counted, table

Language = Literal["en", "ko"]


def grade(
    submissions: Place,
    *,
    seed: Whole,
    out: Place = Path("grades"),
    only: list[str] | None = None,
    language: Language = "en",
    unsafe: bool = False,
    json: bool = False,
) -> int:
    """Grade a class: every file is run on hidden cases, in a sandbox.

    Writes grades.csv, grades.json, junit.xml and a page for each learner. An exercise counts when all cases are right.

    Parameters
    ----------
    submissions
        A folder for each learner, in it the files NN_NAME.py, or one level down.
    seed
        Of the hidden cases: another seed draws other numbers and shapes.
    out
        A new folder for what is written.
    only
        An exercise that counts, by number or name; once for each. All count where none is given.
    language
        Of messages and pages.
    unsafe
        Run the files without a sandbox where there is none: code in them can do all that you can.
    json
        Print the result as one JSON object on the last line.
    """
    chosen = _chosen(only)
    with bar("grading", 1.0) as advance:
        told = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal told
            advance(done / total - told)
            told = done / total
            if not sys.stderr.isatty() and (done == total or done % 50 == 0):
                print(f"{done} of {total} files", file=sys.stderr)

        found = grading.grade(
            submissions, out, seed=seed, unsafe=unsafe, language=language, exercises=chosen, progress=progress
        )
    _print(found, out)
    if json:
        print(json_format.dumps(found.as_dict()))
    return DONE


def _print(grades: Grades, out: Path) -> None:
    rows = [("learner", "right", "handed in")]
    for learner in grades.learners:
        handed_in = sum(grade.state not in (MISSING, NOT_RUN) for grade in learner.grades)
        rows.append((learner.name, f"{learner.score}/{learner.max_score}", str(handed_in)))
    print(table(rows, right={1, 2}))
    for note in grades.notes:
        print(note)
    for learner in grades.learners:
        for note in learner.notes:
            print(f"{learner.name}: {note}")
    lost = sum(grade.fault == UNCONTAINED for learner in grades.learners for grade in learner.grades)
    if lost:
        print(f"{counted(lost, 'file')} could not be run safely and counted as wrong: grade once more")
    passed = sum(grade.state == PASSED for learner in grades.learners for grade in learner.grades)
    print(f"{counted(len(grades.learners), 'learner')}, {counted(passed, 'exercise')} right: see {out}")


def export_nbgrader(
    folder: Place, *, seed: Whole, only: list[str] | None = None, language: Language = "en", json: bool = False
) -> int:
    """Write a source assignment for nbgrader: a notebook with task, solution and hidden tests for each exercise.

    The tests import tinycnn, which must be installed where nbgrader grades.

    Parameters
    ----------
    folder
        A new folder, such as source/convolution in a course.
    seed
        Of the hidden cases.
    only
        An exercise to write, by number or name; once for each. All are written where none is given.
    language
        Of the tasks.
    json
        Print the files as one JSON object on the last line.
    """
    return _told(export.nbgrader(folder, seed=seed, language=language, exercises=_chosen(only)), folder, json)


def export_gradescope(
    grades: Place, out: Place, *, visibility: export.Visibility = "after_published", json: bool = False
) -> int:
    """Write a grading as Gradescope reads it: NAME/results.json for each learner.

    Parameters
    ----------
    grades
        The folder that ``grade`` made.
    out
        A new folder.
    visibility
        When learners see the tests.
    json
        Print the files as one JSON object on the last line.
    """
    return _told(export.gradescope(grades, out, visibility=visibility), out, json)


def dev_check(*names: str) -> int:
    """Say what is wrong with the exercises themselves: stubs that pass, mistakes that nobody notices, missing texts.

    Parameters
    ----------
    names
        Of exercises, or numbers; all where none is given.
    """
    return FAILED if dev.main(list(names)) else DONE


def _told(files: Sequence[Path], folder: Path, json: bool) -> int:
    print(f"{counted(len(files), 'file')} in {folder}")
    if json:
        print(json_format.dumps({"files": [str(file) for file in files]}))
    return DONE


def _chosen(names: Sequence[str] | None) -> list[Exercise]:
    """The exercises that are named, in their order; all where none is."""
    named = {exercise(name).name for name in names or ()}
    return [one for name, one in exercises().items() if not named or name in named]
