"""A learner's function, step by step: what it read and wrote, and beside it what each result should be made of.

Two questions are asked of each entry of the result. Is its value right? That says the exercise's check. Is it made of
the right entries? That is asked of the learner's function and of the check in the same way, by changing one entry of an
argument at a time and seeing which results change (`tinycnn.learn.dependence`). It is the truth whatever the code looks
like: seven loops and one call of einsum that do the same are told the same.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.inspect.trace.record import TooLargeError, Trace, made_record
from tinycnn.learn import dependence
from tinycnn.learn.case import Case
from tinycnn.learn.compare import Difference, difference
from tinycnn.learn.dependence import Reads, Results
from tinycnn.learn.desk import SEED, Desk
from tinycnn.learn.dev import absent
from tinycnn.learn.exercise import Exercise
from tinycnn.learn.feedback import WORDS, fault_of, judge
from tinycnn.learn.process import Answer, Runner, answers, stepped
from tinycnn.learn.step_record import Result, operation
from tinycnn.texts import Texts

AT_ONCE = 400
"""Calls that one process makes: what they print must not fill its report."""

NAMED = 8
"""Entries that the summary names."""


@dataclass(frozen=True)
class Stepped:
    """What came of it.

    Attributes
    ----------
    case
        Name of the case, or empty.
    is_right
        Whether the result is right and made of the right entries.
    message
        For the learner.
    trace
        The steps, where there are any.
    """

    case: str
    is_right: bool
    message: str
    trace: Trace | None = None


def step(one: Exercise, file: Path, language: str, number: int | None = None, runner: Runner | None = None) -> Stepped:
    """Run the learner's file on one case, and record each step.

    Parameters
    ----------
    one, file, language
        The exercise, the learner's file, and the language of what is said.
    number
        Of the case, from 1; by default the first that is wrong, or else the first.
    runner
        As for `tinycnn.learn.process.answers`.

    Raises
    ------
    ValueError
        When there is no such case.
    """
    words, cases = Texts(WORDS, language), one.cases(SEED)
    if number is not None and not 1 <= number <= len(cases):
        raise ValueError(f"exercise {one.number} has the cases 1 to {len(cases)}, got {number}")
    if reason := unsteppable(one):
        return Stepped("", True, words.say(f"step.cannot.{reason}"))
    found = answers(one, cases, file, runner)
    verdict = judge(one, cases, found, language)
    is_read = found.ending == "done" and verdict.fault not in ("library", "crash")
    if found.load is not None or (not is_read and found.ending != "time"):
        return Stepped("", False, verdict.message)
    place = number - 1 if number is not None else _chosen(one, cases, found.cases, found.running)
    case = cases[place]
    recorded, steps = stepped(one, case, file, runner)
    if not recorded.cases:
        return Stepped(case.name, False, judge(one, [case], recorded, language).message)
    # What was found without recording counts: Numba's compiled code is recorded as Python, and on copies.
    answer = found.cases[place] if place < len(found.cases) else recorded.cases[0]
    if answer.raised is not None and answer.raised["type"] == "NotImplementedError":
        return Stepped(case.name, False, words.say("case.unwritten", **answer.raised))
    if steps is None:
        return Stepped(case.name, False, words.say("step.cannot.large", case=case.name))
    return _told(one, file, case, answer, steps, words, language, runner)


def step_page(
    desk: Desk, one: Exercise, number: int | None = None, path: Path | None = None, runner: Runner | None = None
) -> tuple[Stepped, Path | None]:
    """Step through a file of a learner's folder, and write the page; where it was written, if it was.

    Parameters
    ----------
    desk, one
        The folder and the exercise.
    number, runner
        As for `step`.
    path
        Of the page; by default beside the learner's file.

    Raises
    ------
    OSError
        When the page cannot be written.
    ValueError
        When there is no such case.
    """
    words = desk.words
    if lack := absent(one):
        return Stepped("", True, words.say("desk.lacking", needs=", ".join(lack))), None
    if not desk.checksum(one):
        return Stepped("", False, desk.missing(one)), None
    found = step(one, desk.path(one), desk.language, number, runner)
    if found.trace is None:
        return found, None
    path = path or desk.folder / f"{one.name}-step.html"
    try:
        found.trace.to_html(path, desk.language)
    except TooLargeError:
        told = words.say("step.cannot.large", case=found.case)
        return replace(found, message=f"{found.message}\n{told}"), None
    return found, path


def unsteppable(one: Exercise) -> str:
    """Why no function of an exercise can be stepped through: the key of a sentence, or empty."""
    tree = ast.parse(one.solution)
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if any(isinstance(node, ast.ClassDef) and node.name in one.functions for node in tree.body):
        return "class"
    if not set(one.functions) <= set(functions):
        return "text"
    if one.allowed:
        return "layers"
    has_arrays = any(isinstance(value, np.ndarray) for case in one.cases(SEED) for value in case.arguments.values())
    return "" if has_arrays else "numbers"


def _chosen(one: Exercise, cases: Sequence[Case], found: Sequence[Answer], running: int) -> int:
    """The first case that is wrong, but for those whose function is not written yet; else the first that is right."""
    faults = [fault_of(one, case, answer) for case, answer in zip(cases, found, strict=False)]
    if not faults:
        return min(running, len(cases) - 1)
    wrong = [number for number, fault in enumerate(faults) if fault not in (None, "unwritten")]
    return next(iter([*wrong, *(number for number, fault in enumerate(faults) if fault is None), 0]))


def _told(
    one: Exercise,
    file: Path,
    case: Case,
    answer: Answer,
    steps: dict[str, Any],
    words: Texts,
    language: str,
    runner: Runner | None,
) -> Stepped:
    right = one.expected(case)
    wrong = difference(right, answer.results, answer.kinds, one.tolerance) if answer.raised is None else None
    name = _shown_result(right, wrong)
    reads = mine = None
    plan = dependence.plan(case)
    if plan is not None and answer.raised is None:
        reads = dependence.reads(plan, name, lambda cases: [_tried(one, each) for each in cases])
        mine = dependence.reads(plan, name, lambda cases: _ran(one, cases, file, runner))
    size = np.size(answer.results.get(name, ()))
    if mine is not None and any(len(each) != size for each in mine.values()):
        mine = None  # another size each time
    title = f"{one.texts(language)['title']}: {case.name}"
    raised = answer.raised if not steps["is_cut"] else None
    result = Result(name, answer.results.get(name), right[name], reads, mine)
    shown = operation(title, steps, case, result, raised)
    lines = [words.say("step.case", case=case.name)]
    if raised is not None:
        lines.append(words.say("step.raised" if raised["line"] is not None else "case.raised_elsewhere", **raised))
    elif answer.damaged:
        lines.append(words.say("case.damaged", names=", ".join(answer.damaged)))
    elif answer.raised is None:
        lines += _compared(wrong, name, case, right[name], answer, reads, mine, words)
    if steps["is_cut"]:
        key = "step.cut" if answer.raised is None else "step.endless"
        lines.append(words.say(key, count=f"{len(shown['phases'][0]['steps']):,}"))
    is_right = answer.raised is None and not answer.damaged and wrong is None and not _unlike(reads, mine)
    return Stepped(case.name, is_right, "\n".join(lines), Trace(made_record(title, [shown])))


def _compared(
    wrong: Difference | None,
    name: str,
    case: Case,
    right: Any,
    answer: Answer,
    reads: Reads | None,
    mine: Reads | None,
    words: Texts,
) -> list[str]:
    """What differs first, in a line or some."""
    shape = np.shape(right)
    if wrong is not None and wrong.kind == "shape":
        yours = np.shape(answer.results[name])
        return [words.say("case.shape", name=name, expected=shape, yours=yours)]
    if wrong is not None and wrong.kind != "value":
        return [words.say(f"case.{wrong.kind}", name=wrong.result, type=answer.types.get(wrong.result, ""))]
    if wrong is not None and wrong.result != name:
        return [words.say("step.other", name=wrong.result)]
    places = [int(np.ravel_multi_index(wrong.place, shape))] if wrong is not None and shape else [0]
    if wrong is None:
        places = _unlike(reads, mine)[:1]
    if not places:
        return [words["step.same"]]
    at = [int(i) for i in np.unravel_index(places[0], shape)]
    place = f"{name}{at}" if shape else name
    lines = []
    if wrong is not None:
        expected, yours = (float(np.asarray(value).ravel()[places[0]]) for value in (right, answer.results[name]))
        lines.append(words.say("case.value", place=place, expected=f"{expected:.6g}", yours=f"{yours:.6g}"))
    else:
        lines.append(words.say("step.by_chance", place=place))
    if reads is None or mine is None:
        return lines
    return lines + _entries(places[0], case, reads, mine, words)


def _unlike(reads: Reads | None, mine: Reads | None) -> list[int]:
    """Places of the result that are made of other entries than they should be."""
    if reads is None or mine is None:
        return []
    size = len(next(iter(reads.values()), []))
    return [place for place in range(size) if any(reads[key][place] != mine[key][place] for key in reads)]


def _entries(place: int, case: Case, reads: Reads, mine: Reads, words: Texts) -> list[str]:
    """Which entries one result is made of, and which it should be made of."""

    def named(chosen: Mapping[str, Sequence[int]]) -> str:
        texts = []
        for key, flat in chosen.items():
            shape = case.arguments[key].shape
            texts += [f"{key}{[int(i) for i in np.unravel_index(each, shape)]}" if shape else key for each in flat]
        more = [words.say("step.more", count=len(texts) - NAMED)] if len(texts) > NAMED else []
        return ", ".join([*texts[:NAMED], *more]) or words["step.nothing"]

    should = {key: each[place] for key, each in reads.items()}
    does = {key: each[place] for key, each in mine.items()}
    if should == does:
        return [words.say("step.right_entries", entries=named(does))]
    lacking = {key: [i for i in should[key] if i not in does[key]] for key in should}
    surplus = {key: [i for i in does[key] if i not in should[key]] for key in should}
    lines = [words.say("step.depends", entries=named(does)), words.say("step.should", entries=named(should))]
    for key, entries in (("step.lacking", lacking), ("step.surplus", surplus)):
        if any(entries.values()) and any(does.values()):
            lines.append(words.say(key, entries=named(entries)))
    return lines


def _shown_result(right: Mapping[str, Any], wrong: Difference | None) -> str:
    numbers = [name for name, value in right.items() if isinstance(value, (float, np.ndarray, np.floating))]
    return wrong.result if wrong is not None and wrong.result in numbers else numbers[0]


def _tried(one: Exercise, case: Case) -> Results:
    try:
        with np.errstate(all="ignore"):
            return one.expected(case)
    except Exception:  # numbers that the function does not know, such as a class that there is not
        return None


def _ran(one: Exercise, cases: Sequence[Case], file: Path, runner: Runner | None) -> list[Results]:
    """The learner's results of all cases."""
    found: list[Results] = []
    for start in range(0, len(cases), AT_ONCE):
        some = cases[start : start + AT_ONCE]
        given = answers(one, some, file, runner).cases
        if len(given) != len(some):
            return []
        found += [answer.results if answer.raised is None else None for answer in given]
    return found
