"""From a learner's answers to a message: the smallest case that fails, with its numbers, and the misconception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinycnn.learn.case import Case
from tinycnn.learn.compare import Difference, difference
from tinycnn.learn.exercise import Exercise
from tinycnn.learn.process import Answer, Answers
from tinycnn.texts import Texts

WORDS = Path(__file__).with_name("words")
SHOWN = 200
"""Entries of an array beyond which only its shape is shown."""


@dataclass(frozen=True)
class Verdict:
    """What is said of a learner's file.

    Attributes
    ----------
    passed
        Whether all is right.
    good, total
        Cases that are right, and all.
    fault
        What is wrong, in a word: "value", "shape", "raised", "time", "syntax" and so on; empty where it passed.
    misconception
        The wrong solution whose results are the same, or None.
    message
        For the learner.
    """

    passed: bool
    good: int
    total: int
    fault: str
    misconception: str | None
    message: str


def judge(exercise: Exercise, cases: Sequence[Case], answers: Answers, language: str) -> Verdict:
    """Compare answers with what is expected.

    Parameters
    ----------
    exercise, cases, answers
        What was called, with what, and what came back.
    language
        Of the message.
    """
    words, texts = Texts(WORDS, language), exercise.texts(language)
    total = len(cases)
    whole = _whole_file(answers, words, exercise, cases)
    if whole is not None:
        return Verdict(False, 0, total, whole[0], None, whole[1])
    faults = [fault_of(exercise, case, answer) for case, answer in zip(cases, answers.cases, strict=True)]
    good = sum(fault is None for fault in faults)
    if good == total:
        return Verdict(True, total, total, "", None, words.say("passed", total=total))
    number = next(i for i, fault in enumerate(faults) if fault is not None)
    case, answer, fault = cases[number], answers.cases[number], faults[number]
    assert fault is not None
    misconception = _misconception(exercise, cases, answers)
    lines = [words.say("fails", case=case.name, good=good, total=total), ""]
    lines += _case_lines(exercise, case, answer, fault, words)
    if misconception:
        lines += ["", *(str(texts[f"misconceptions.{misconception}.{part}"]) for part in ("what", "where"))]
    if answer.printed.strip():
        lines += ["", words.say("printed", text=answer.printed.strip())]
    return Verdict(False, good, total, fault if isinstance(fault, str) else fault.kind, misconception, "\n".join(lines))


def _whole_file(answers: Answers, words: Texts, exercise: Exercise, cases: Sequence[Case]) -> tuple[str, str] | None:
    """What keeps the cases from being looked at, in a word and in a sentence."""
    if answers.load is not None:
        kind = str(answers.load["kind"])
        values = {"type": "", "message": "", "line": "?", "text": "", **{k: v for k, v in answers.load.items() if v}}
        return kind, words.say(f"load.{kind.replace(' ', '_')}", **values)
    if answers.ending != "done":
        case = cases[min(answers.running, len(cases) - 1)].name
        return answers.ending, words.say(f"ending.{answers.ending}", case=case, seconds=f"{exercise.seconds:g}")
    if answers.used:
        return "library", words.say("load.library", modules=", ".join(answers.used[:2]))
    if len(answers.cases) != len(cases):
        return "crash", words.say("ending.crash", case=cases[0].name)
    return None


def fault_of(exercise: Exercise, case: Case, answer: Answer) -> str | Difference | None:
    """What is wrong with an answer, in a word or as a difference; None where it is right."""
    if answer.raised is not None:
        return "unwritten" if answer.raised["type"] == "NotImplementedError" else "raised"
    if answer.damaged:
        return "damaged"
    return difference(exercise.expected(case), answer.results, answer.kinds, exercise.tolerance)


def _case_lines(exercise: Exercise, case: Case, answer: Answer, fault: str | Difference, words: Texts) -> list[str]:
    if isinstance(fault, str):
        values: Mapping[str, Any] = answer.raised or {"names": ", ".join(answer.damaged)}
        is_elsewhere = fault == "raised" and values["line"] is None
        told = words.say("case.raised_elsewhere" if is_elsewhere else f"case.{fault}", **values)
        return [told, *_arguments(case)] if fault == "raised" else [told]
    right = exercise.expected(case)[fault.result]
    if fault.kind in ("missing", "none", "type"):
        kind = answer.types.get(fault.result, "")
        return [words.say(f"case.{fault.kind}", name=fault.result, type=kind), *_arguments(case)]
    mine = answer.results[fault.result]
    if fault.kind == "shape":
        told = words.say("case.shape", name=fault.result, expected=np.shape(right), yours=np.shape(mine))
        return [told, *_arguments(case)]
    told = _value_line(fault, right, mine, words)
    layout = getattr(exercise.check, "layout", None)
    if layout is not None:
        return [told, "", str(layout(case.arguments, fault.result, fault.place, right, mine))]
    results = [
        f"{words.say(title, name=fault.result)}\n{_shown(value)}"
        for title, value in (("expected", right), ("yours", mine))
    ]
    return [told, *_arguments(case), "", *results]


def _value_line(fault: Difference, right: Any, mine: Any, words: Texts) -> str:
    place = f"[{', '.join(map(str, fault.place))}]" if fault.place else ""
    at = fault.place
    expected, yours = (np.asarray(v)[at] if not isinstance(v, str) else v for v in (right, mine))
    return words.say("case.value", place=f"{fault.result}{place}", expected=_number(expected), yours=_number(yours))


def _number(value: Any) -> str:
    if isinstance(value, str) or value is None:
        return repr(value)
    return f"{float(value):.6g}" if np.asarray(value).dtype.kind == "f" else str(value)


def _arguments(case: Case) -> list[str]:
    return ["", *(f"{name} = {_shown(value)}" for name, value in case.arguments.items())]


def _shown(value: Any) -> str:
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        return str(value)
    if value.size > SHOWN:
        return f"{value.dtype} {value.shape}"
    text = np.array2string(value, precision=4, suppress_small=True, max_line_width=100)
    return f"{value.shape}\n{text}" if value.ndim > 1 else text


def _misconception(exercise: Exercise, cases: Sequence[Case], answers: Answers) -> str | None:
    """The wrong solution that gives the same as the learner's, call by call, where those are written."""
    written = [k for k, answer in enumerate(answers.cases) if fault_of(exercise, cases[k], answer) != "unwritten"]
    if all(fault_of(exercise, cases[k], answers.cases[k]) is None for k in written):
        return None
    for name, theirs in _wrong_results(exercise, tuple(cases)).items():
        if all(_same(theirs[k], answers.cases[k], exercise.tolerance) for k in written):
            return name
    return None


@lru_cache(maxsize=64)
def _wrong_results(exercise: Exercise, cases: tuple[Case, ...]) -> dict[str, list[dict[str, Any] | str]]:
    """For each wrong solution, its results of each case, or what it raises."""
    found: dict[str, list[dict[str, Any] | str]] = {}
    for mutant in exercise.mutants:
        module = SimpleNamespace()
        exec(compile(mutant.source(exercise.solution), f"{exercise.name} {mutant.name}", "exec"), module.__dict__)
        found[mutant.name] = [_tried(exercise, module, case) for case in cases]
    return found


def _tried(exercise: Exercise, module: Any, case: Case) -> dict[str, Any] | str:
    arguments = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in case.arguments.items()}
    try:
        with np.errstate(all="ignore"):
            return exercise.call(module, arguments)
    except Exception as error:
        return type(error).__name__


def _same(theirs: dict[str, Any] | str, answer: Answer, tolerance: float) -> bool:
    if isinstance(theirs, str) or answer.raised is not None:
        return answer.raised is not None and answer.raised["type"] == theirs
    return difference(theirs, answer.results, answer.kinds, tolerance) is None
