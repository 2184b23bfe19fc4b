"""Runs what was handed in, two files at a time, each in a sandbox, and believes nothing of what comes back."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import queue
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import tinycnn.kernels
from tinycnn.learn import process, sandbox
from tinycnn.learn.case import Case
from tinycnn.learn.exercise import Exercise
from tinycnn.learn.process import Answers, Runner
from tinycnn.learn.untrusted import settle

AT_ONCE = 2
"""Files that run at the same time, where there are as many cores."""

UNCONTAINED = "uncontained"
"""The fault of a file that could not be run."""

CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@dataclass(frozen=True)
class Job:
    """One file, and what it is called with."""

    exercise: Exercise
    cases: tuple[Case, ...]
    text: bytes


class Uncontained(str):
    """Why a file could not be run, in place of its answers."""


Done: TypeAlias = "queue.SimpleQueue[tuple[int, Answers | Uncontained | BaseException]]"


def runner(unsafe: bool) -> Callable[[Job], Runner]:
    """How the file of a job is run.

    Parameters
    ----------
    unsafe
        With bounds on time and memory alone.

    Raises
    ------
    ValueError
        Where there is no sandbox.
    """
    if unsafe:
        return lambda job: process.bounded
    reason = sandbox.available()
    if reason is not None:
        raise ValueError(f"{reason.rstrip('.')}; --unsafe runs them nevertheless, and they can do all that you can")
    return _contained


def _contained(job: Job) -> Runner:
    hidden = [] if job.exercise.allowed or job.exercise.needs else solvers()

    def run(command: Sequence[str], folder: Path, out: Path, file: Path, seconds: float) -> str:
        limits = sandbox.Limits(seconds, math.ceil(seconds), process.MEMORY)
        readable = [folder, process.WORKER]
        outcome = sandbox.run(command, folder=file.parent, output=out, limits=limits, readable=readable, hidden=hidden)
        ending = outcome.ending
        return ending if ending in ("done", "time") else "crash"

    return run


@cache
def solvers() -> list[Path]:
    """Folders of the libraries that do an exercise for you, wherever a Python may find them.

    The worker tells which it has loaded, but in its process a submission can make it tell anything.
    """
    found = [Path(place) for place in tinycnn.__path__] + [Path(place) for place in tinycnn.kernels.__path__]
    found = [place for place in found if (place / "__init__.py").is_file()]
    roots = [Path(root) for root in dict.fromkeys([sys.prefix, sys.base_prefix, "/usr", "/usr/local"])]
    packages = [folder for root in roots for folder in root.glob("lib*/python3*/*-packages")]
    return found + [place for folder in packages for name in process.FORBIDDEN if (place := folder / name).is_dir()]


def run_all(
    jobs: Sequence[Job], run: Callable[[Job], Runner], progress: Callable[[int, int], None]
) -> Generator[Answers | Uncontained, None, None]:
    """The answers to all jobs, in their order; nothing runs any more when this ends, however it ends.

    Parameters
    ----------
    jobs
        What to run.
    run
        From `runner`.
    progress
        Told how many are done, of how many.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: Done = queue.SimpleQueue()
    for number in range(len(jobs)):
        waiting.put(number)

    def work() -> None:
        try:
            while True:
                number = waiting.get_nowait()
                done.put((number, _answers(jobs[number], run(jobs[number]))))
        except queue.Empty:
            return
        except BaseException as error:
            done.put((-1, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, CPUS, len(jobs)))]
    for thread in threads:
        thread.start()
    try:
        yield from _in_order(len(jobs), done, progress)
    except BaseException:
        _stop(waiting, threads)
        raise
    finally:
        for thread in threads:
            thread.join()


def _in_order(count: int, done: Done, progress: Callable[[int, int], None]) -> Iterator[Answers | Uncontained]:
    found: dict[int, Answers | Uncontained] = {}
    for number in range(count):
        while number not in found:
            which, answers = done.get()
            if isinstance(answers, BaseException):
                raise answers
            found[which] = answers
            progress(len(found) + number, count)
        yield found.pop(number)


def _stop(waiting: queue.SimpleQueue[int], threads: Sequence[threading.Thread]) -> None:
    """Start nothing more, and end what runs: an exception in its thread makes that thread clean up."""
    with contextlib.suppress(queue.Empty):
        while True:
            waiting.get_nowait()
    for thread in threads:
        if thread.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))


def _answers(job: Job, run: Runner) -> Answers | Uncontained:
    def disbelieved(command: Sequence[str], folder: Path, out: Path, file: Path, seconds: float) -> str:
        is_whole = False
        try:
            ending = run(command, folder, out, file, seconds)
        finally:
            is_whole = settle(out, len(job.cases))
        return ending if is_whole or ending != "done" else "crash"

    with tempfile.TemporaryDirectory(prefix="tinycnn-grade-") as folder:
        file = Path(folder) / f"{job.exercise.name}.py"
        file.write_bytes(job.text)
        try:
            return process.answers(job.exercise, job.cases, file, disbelieved)
        except sandbox.SandboxError as error:
            return Uncontained(error)
