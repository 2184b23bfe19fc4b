"""A process for the learner's code: bounded in time and memory, and killed with all that it started."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import tinycnn
from tinycnn.arrays import Array
from tinycnn.learn.case import Case
from tinycnn.learn.closure import closure
from tinycnn.learn.exercise import Exercise
from tinycnn.learn.untrusted import Unfit, plain_bytes, settle
from tinycnn.learn.untrusted_steps import LIMIT, MOST, STEPS, checked_steps

WORKER = Path(__file__).with_name("worker.py")
RECORDER = Path(tinycnn.__file__ or "").parent / "inspect" / "trace"
"""The folder of what records steps, which a worker loads without the library around it."""

MEMORY = 4 * 1024**3
FORBIDDEN = ("tinycnn", "torch", "tensorflow", "jax", "scipy", "cupy", "keras", "mxnet")
START = 5.0
"""Seconds that loading NumPy and the file may take, beside the exercise's own."""

LOOK = 0.05
"""Seconds between two looks at whether a process has ended."""

Runner = Callable[[Sequence[str], Path, Path, Path, float], str]
"""Runs a command on (job folder, output folder, the learner's file, seconds): "done", "time" or "crash"."""


@dataclass(frozen=True)
class Answer:
    """What one call gave.

    Attributes
    ----------
    results
        By name: an array, a text, or None.
    kinds
        What each result is: "array", "text", "none" or "other".
    types
        Of what was returned, for the message.
    raised
        Type, message, line and text of an exception, or None.
    damaged
        Arguments that were changed.
    printed
        What was printed, in part.
    """

    results: dict[str, Any]
    kinds: dict[str, str]
    types: dict[str, str]
    raised: dict[str, Any] | None
    damaged: tuple[str, ...]
    printed: str


@dataclass(frozen=True)
class Answers:
    """What a file gave on all calls.

    Attributes
    ----------
    ending
        "done", "time" or "crash".
    load
        What is wrong with the file as a whole, or None.
    cases
        An answer for each call that ended.
    running
        Number of the call that was running when it was stopped.
    used
        Modules of the library that were loaded though they may not be.
    """

    ending: str
    load: dict[str, Any] | None = None
    cases: tuple[Answer, ...] = ()
    running: int = 0
    used: tuple[str, ...] = field(default=())


def answers(exercise: Exercise, cases: Sequence[Case], file: Path, runner: Runner | None = None) -> Answers:
    """Run the learner's file on all cases in a process of its own.

    Parameters
    ----------
    exercise, cases
        What is called, and with what.
    file
        The learner's.
    runner
        How the process is run; by default with bounds on time and memory alone.
    """
    return _run(exercise, cases, file, runner)[0]


def stepped(
    exercise: Exercise, case: Case, file: Path, runner: Runner | None = None
) -> tuple[Answers, dict[str, Any] | None]:
    """Run the learner's file on one case with arrays that record; the answers, and the steps if there are any.

    Parameters
    ----------
    exercise, case, file, runner
        As for `answers`.
    """
    found, data = _run(exercise, [case], file, runner, steps=LIMIT)
    try:
        return found, checked_steps(data) if found.ending == "done" and data else None
    except Unfit:
        return found, None


def _run(
    exercise: Exercise, cases: Sequence[Case], file: Path, runner: Runner | None, steps: int = 0
) -> tuple[Answers, bytes]:
    """The answers, and the bytes of the steps as they were handed back."""
    with tempfile.TemporaryDirectory(prefix="tinycnn-learn-") as folder:
        job, out = Path(folder) / "job", Path(folder) / "out"
        for made in (job, out):
            made.mkdir()
        _write_job(job, exercise, cases, steps)
        command = [sys.executable, "-I", str(WORKER), str(job), str(out), str(file.resolve())]
        ending = (runner or bounded)(command, job, out, file, exercise.seconds + START)
        data = b""
        with contextlib.suppress(OSError, Unfit):
            data = plain_bytes(out / STEPS, MOST)
        is_whole = settle(out, len(cases))
        return _read(out, "crash" if ending == "done" and not is_whole else ending, exercise), data


def bounded(command: Sequence[str], job: Path, out: Path, file: Path, seconds: float) -> str:
    """Run a command in a group of its own, which is killed as a whole when its time is over."""
    return watched(command, seconds, lambda: None)


def watched(command: Sequence[str], seconds: float, look: Callable[[], None]) -> str:
    """As `bounded`; ``look`` is called all the while, and may raise to give it up."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    nowhere, end = subprocess.DEVNULL, time.monotonic() + seconds
    with subprocess.Popen(
        command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True, env=environment
    ) as process:
        try:
            while time.monotonic() < end:
                try:
                    return "done" if process.wait(LOOK) == 0 else "crash"
                except subprocess.TimeoutExpired:
                    look()
            return "time"
        finally:
            _kill_group(process.pid)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _write_job(folder: Path, exercise: Exercise, cases: Sequence[Case], steps: int = 0) -> None:
    arrays: dict[str, Array] = {}
    rows = []
    for number, case in enumerate(cases):
        row: dict[str, Any] = {}
        for name, value in case.arguments.items():
            if isinstance(value, np.ndarray):
                arrays[f"{number}/{name}"] = value
                row[name] = "array"
            else:
                row[name] = {"tuple": list(value)} if isinstance(value, tuple) else {"value": value}
        rows.append(row)
    job = {
        "call": _call_source(exercise),
        "functions": list(exercise.functions),
        "cases": rows,
        "allowed": list(exercise.allowed),
        "forbidden": list(FORBIDDEN),
        "memory": MEMORY,
        "steps": steps,
        "recorder": str(RECORDER),
        "path": [str(Path(place).parent) for place in tinycnn.__path__] if exercise.allowed or exercise.needs else [],
    }
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    np.savez(folder / "arguments.npz", **arrays)  # type: ignore[arg-type]


def _call_source(exercise: Exercise) -> str:
    """How the functions are called, without a word of what is expected."""
    if hasattr(exercise.check, "call"):
        return closure(inspect.getsource(exercise.check), "call")
    return (
        "def call(module, **arguments):\n"
        f"    return {{'result': getattr(module, {exercise.functions[0]!r})(*arguments.values())}}\n"
    )


def _read(out: Path, ending: str, exercise: Exercise) -> Answers:
    """Read what was handed back, once it is settled."""
    progress = out / "progress"
    running = len(progress.read_text(encoding="utf-8").split()) - 1 if progress.is_file() else 0
    if ending != "done":
        return Answers(ending, running=max(0, running))
    report = json.loads((out / "result.json").read_text(encoding="utf-8"))
    with np.load(out / "results.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    found = tuple(_answer(number, row, arrays) for number, row in enumerate(report["cases"]))
    used = () if exercise.allowed or exercise.needs else tuple(map(str, report["modules"]))
    return Answers("done", report["load"], found, running, used)


def _answer(number: int, row: dict[str, Any], arrays: dict[str, Array]) -> Answer:
    results: dict[str, Any] = {}
    for name, told in row["results"].items():
        results[name] = arrays[f"{number}/{name}"] if told["kind"] == "array" else told["text"]
    kinds = {name: str(told["kind"]) for name, told in row["results"].items()}
    types = {name: "str" if told["kind"] == "text" else str(told["text"]) for name, told in row["results"].items()}
    return Answer(results, kinds, types, row["raised"], tuple(map(str, row["damaged"])), str(row["printed"]))
