"""Exercises as assignments for nbgrader, and grades as Gradescope reads them."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_args

import numpy as np

from tinycnn.arrays import Array
from tinycnn.choices import look_up
from tinycnn.learn import dev, markers, worker
from tinycnn.learn.exercise import Exercise, exercise
from tinycnn.learn.exercise import exercises as all_exercises
from tinycnn.learn.feedback import judge
from tinycnn.learn.grade import NOT_RUN, PASSED, made_whole
from tinycnn.learn.process import Answer, Answers
from tinycnn.storage import write_text

SCHEMA = 3
"""Of nbgrader's metadata."""

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
"""Between them is what nbgrader takes out."""

Visibility = Literal["visible", "after_due_date", "after_published", "hidden"]
"""When Gradescope shows a test."""


def nbgrader(
    folder: Path, *, seed: int, language: str = "en", exercises: Sequence[Exercise] | None = None
) -> list[Path]:
    """Write a source assignment for nbgrader: a notebook for each exercise.

    Parameters
    ----------
    folder
        A new folder, or an empty one: ``source/NAME`` of a course.
    seed
        Of the hidden cases.
    language
        Of the task.
    exercises
        Those to write; all by default.

    Returns
    -------
    list
        The notebooks.

    Raises
    ------
    ValueError
        Where the folder is not empty.
    OSError
        Where it cannot be written.
    """
    if seed < 0:
        raise ValueError(f"the seed must be at least 0, got {seed}")
    chosen = tuple(all_exercises().values() if exercises is None else exercises)
    with made_whole(folder) as made:
        for one in chosen:
            text = json.dumps(notebook(one, seed, language), indent=1, ensure_ascii=False)
            write_text(made / f"{one.name}.ipynb", text + "\n")
    return [folder / f"{one.name}.ipynb" for one in chosen]


def notebook(one: Exercise, seed: int, language: str) -> dict[str, Any]:
    """An exercise as a notebook: task, solution and tests; what nbgrader takes out of it is between its marks."""
    texts = one.texts(language)
    task = f"# {texts['title']}\n\n{str(texts['task']).strip()}"
    code = _with_regions(one.source)
    if given := _given(one):
        task += f"\n\n```python\n{given}\n```"
        code = f"{BEGIN}\n{_code(one.solution)}\n{END}"
    tests = (
        "from tinycnn.learn.export import verify\n\n"
        f"verify({one.name!r}, globals(), language={language!r})\n"
        "### BEGIN HIDDEN TESTS\n"
        f"verify({one.name!r}, globals(), language={language!r}, seed={seed}, hidden=True)\n"
        "### END HIDDEN TESTS"
    )
    cells = [
        _cell("markdown", f"{one.name}-task", task, locked=True),
        _cell("code", f"{one.name}-solution", code, solution=True),
        _cell("code", f"{one.name}-tests", tests, grade=True, locked=True, points=1),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cell(kind: str, name: str, source: str, **flags: Any) -> dict[str, Any]:
    told = {"grade": False, "locked": False, "solution": False, "task": False, **flags}
    more: dict[str, Any] = {} if kind == "markdown" else {"execution_count": None, "outputs": []}
    return {
        "cell_type": kind,
        "id": name.replace("_", "-")[:64],
        "metadata": {"nbgrader": {"grade_id": name, "schema_version": SCHEMA, **told}},
        "source": source.splitlines(keepends=True),
        **more,
    }


def _with_regions(source: str) -> str:
    """The source with nbgrader's marks around its solutions; nbgrader puts its own stub in the place of each."""
    marks = {markers.SOLUTION: BEGIN, markers.STUB: END, markers.END: None}
    lines, part = [], markers.END
    for line in _code(source).splitlines():
        marker = line.strip()
        if marker in marks:
            part, mark = marker, marks[marker]
            lines += [line.replace(marker, mark)] if mark else []
        elif part != markers.STUB:
            lines.append(line)
    return "\n".join(lines)


def _given(one: Exercise) -> str:
    """The code that a learner starts from, where it is more than lines that say what to write.

    It stands in the task then, and all code is one solution: nbgrader's own stub is a raise, which fits in the place of
    statements, but not of a decorator, nor in a kernel that is a string.
    """
    own = set(one.stub.splitlines()) - set(one.solution.splitlines())
    is_told = all(line.strip().startswith("raise NotImplementedError") for line in own)
    return "" if is_told else _code(one.stub)


def _code(source: str) -> str:
    """A source without the task at its top, which stands in a cell of its own."""
    return source[source.index('"""', source.index('"""') + 3) + 3 :].strip()


def verify(
    name: str, functions: Mapping[str, Any], *, seed: int = 0, hidden: bool = False, language: str = "en"
) -> None:
    """Hold the functions of a notebook against the cases of an exercise.

    Parameters
    ----------
    name
        Of the exercise.
    functions
        By name, such as ``globals()``.
    seed, hidden
        Of the cases; by default those that a learner sees everywhere.
    language
        Of the message.

    Raises
    ------
    AssertionError
        With the message, where a case fails.
    """
    one = exercise(name)
    cases = one.cases(seed, hidden)
    if lack := dev.absent(one):
        raise AssertionError(f"{name} needs {', '.join(lack)}")
    missing = [function for function in one.functions if function not in functions]
    if missing:
        load = {"kind": "missing", "message": missing[0], "line": None, "text": ""}
        verdict = judge(one, cases, Answers("done", load), language)
    else:
        module = SimpleNamespace(**functions)
        found = tuple(_answer(one, module, case.arguments) for case in cases)
        verdict = judge(one, cases, Answers("done", None, found), language)
    if not verdict.passed:
        raise AssertionError(verdict.message)


def _answer(one: Exercise, module: SimpleNamespace, arguments: Mapping[str, Any]) -> Answer:
    """One call, told as a worker tells it."""
    given = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in arguments.items()}
    arrays: dict[str, Array] = {}
    told: dict[str, dict[str, Any]] = {}
    raised = None
    try:
        with np.errstate(all="ignore"):
            returned = one.call(module, given)
        told = {name: worker._encoded(value, name, arrays) for name, value in returned.items()}
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        raised = {"type": type(error).__name__, "message": str(error), "line": line.lineno, "text": line.line or ""}
    damaged = tuple(
        name
        for name, value in arguments.items()
        if isinstance(value, np.ndarray) and not np.array_equal(value, given[name], equal_nan=value.dtype.kind == "f")
    )
    results = {name: arrays[name] if name in arrays else result["text"] for name, result in told.items()}
    kinds = {name: result["kind"] for name, result in told.items()}
    types = {name: "str" if result["kind"] == "text" else str(result["text"]) for name, result in told.items()}
    return Answer(results, kinds, types, raised, damaged, "")


def gradescope(grades: Path, out: Path, *, visibility: Visibility = "after_published") -> list[Path]:
    """Write each learner's grades as Gradescope's autograder hands them in: ``NAME/results.json``.

    Parameters
    ----------
    grades
        The folder that a grading made.
    out
        A new folder, or an empty one.
    visibility
        When learners see the tests: "visible", "after_due_date", "after_published" or "hidden".

    Returns
    -------
    list
        The files.

    Raises
    ------
    ValueError
        Where there is no grading, or the folder is not empty.
    OSError
        Where it cannot be written.
    """
    look_up("visibility", visibility, dict.fromkeys(get_args(Visibility)))
    found = _grading(grades)
    files = [out / Path(learner["page"]).stem / "results.json" for learner in found["learners"]]
    with made_whole(out) as made:
        for file, learner in zip(files, found["learners"], strict=True):
            (made / file.parent.name).mkdir()
            text = json.dumps(results(learner, found["titles"], visibility), indent=1, ensure_ascii=False)
            write_text(made / file.parent.name / file.name, text + "\n")
    return files


def results(learner: Mapping[str, Any], titles: Mapping[str, str], visibility: str) -> dict[str, Any]:
    """One learner's grades in Gradescope's words; what was not run on this machine is not in the sum."""
    tests = [
        {
            "name": titles[grade["exercise"]],
            "number": grade["exercise"].partition("_")[0].lstrip("0"),
            "score": float(grade["state"] == PASSED),
            "max_score": 1.0,
            "status": "passed" if grade["state"] == PASSED else "failed",
            "output": grade["message"],
            "output_format": "text",
            "visibility": visibility,
        }
        for grade in learner["grades"]
        if grade["state"] != NOT_RUN
    ]
    return {
        "score": float(learner["score"]),
        "output": "\n".join([learner["name"], *learner["notes"]]),
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "extra_data": {"max_score": learner["max_score"]},
        "tests": tests,
    }


def _grading(folder: Path) -> dict[str, Any]:
    path = folder / "grades.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{folder} holds no grades.json: name the folder that tinycnn learn grade made") from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"learners", "titles"} <= set(found):
        raise ValueError(f"{path} was not written by tinycnn learn grade: grade once more")
    return found
