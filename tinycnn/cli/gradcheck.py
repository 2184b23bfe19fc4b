"""``tinycnn gradcheck``."""

from __future__ import annotations

import json as json_format
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from tinycnn.choices import look_up
from tinycnn.cli.options import Place, Shapes, Whole
from tinycnn.cli.status import DONE, FAILED
from tinycnn.cli.target import is_target, target
from tinycnn.inspect.gradcheck import GradcheckReport
from tinycnn.inspect.gradcheck import gradcheck as check
from tinycnn.inspect.gradcheck.cases import CASES
from tinycnn.inspect.gradcheck.ties import TIES
from tinycnn.models import ARCHITECTURES
from tinycnn.wording import duration


class Job(NamedTuple):
    """One check to make."""

    name: str
    note: str
    function: Callable[..., Any]
    inputs: list[Any]
    is_fast: bool


def gradcheck(
    *what: str,
    shape: Shapes | None = None,
    fast: bool = False,
    sweep: bool = False,
    seed: Whole = 0,
    html: Place | None = None,
    json: bool = False,
) -> int:
    """Hold backward passes against difference quotients, in float64, and say what is wrong, where and why.

    Parameters
    ----------
    what
        Operations such as conv2d, models such as lenet5, or functions of your own, FILE.py:NAME; all operations where
        nothing is given.
    shape
        Of an input of your own function, such as 2x3x8x8; once for each input, which are drawn from the seed.
    fast
        Along random directions instead of entry by entry, as models always are.
    sweep
        Also show how the error depends on the step.
    seed
        Of the upstream gradient and of what is drawn.
    html
        Write a page with a heat map of every input.
    json
        Print the result as one JSON object on the last line.
    """
    jobs = list(_jobs(what, shape or [], fast, sweep, seed))
    by_themselves = any(is_target(name) or name in ARCHITECTURES for name in what)
    start = perf_counter()
    found = []
    for job in jobs:
        found.append((job, _report(job, sweep, seed)))
        print(_told(*found[-1], whole=by_themselves or sweep))
    ties = [tie for tie in TIES if not what or tie.operation in what]
    broken = [tie for tie in ties if not tie.holds()]
    for tie in ties:
        print(f"{'WRONG' if tie in broken else 'right':5}  {tie.operation:32} {tie.note}")
    wrong = sum(not report for _, report in found) + len(broken)
    verdict = f"{wrong} wrong" if wrong else "all right"
    seconds = perf_counter() - start
    print(f"{len(found)} checks and {len(ties)} rules for ties in {duration(seconds)}: {verdict}")
    if html is not None:
        _write(html, found)
    if json:
        rows = [_row(job, report) for job, report in found]
        rules = [{"operation": tie.operation, "rule": tie.note, "right": tie not in broken} for tie in ties]
        print(json_format.dumps({"wrong": wrong, "seconds": seconds, "cases": rows, "ties": rules}))
    return FAILED if wrong else DONE


def _jobs(what: tuple[str, ...], shapes: list[tuple[int, ...]], fast: bool, sweep: bool, seed: int) -> Iterator[Job]:
    operations = dict.fromkeys(case.operation for case in CASES)
    if sweep and any(name in ARCHITECTURES for name in what):
        raise ValueError("--sweep looks at single entries, and models are checked along directions: leave it out")
    if seed < 0:
        raise ValueError(f"--seed must be at least 0, got {seed}")
    if any(size < 0 for shape in shapes for size in shape):
        raise ValueError(f"--shape takes sizes of at least 0, got {'x'.join(map(str, shapes[-1]))}")
    if shapes and not any(is_target(name) for name in what):
        raise ValueError("--shape is for a function of your own, FILE.py:NAME: operations and models bring inputs")
    rng = np.random.default_rng(seed)
    for name in what or operations:
        if is_target(name):
            function = target(name)
            if not shapes:
                raise ValueError(f"{name} needs the shape of each input: --shape 2x3x8x8")
            yield Job(name, "", function, [rng.standard_normal(shape) for shape in shapes], fast)
        elif name in ARCHITECTURES:
            image = rng.standard_normal((2, *ARCHITECTURES[name].input_shape))
            yield Job(name, "two images", ARCHITECTURES[name].build().astype(np.float64), [image], True)
        else:
            look_up("operation", name, {**operations, **ARCHITECTURES})
            for case in CASES:
                if case.operation == name:
                    yield Job(name, case.note, case.function, case.inputs(), fast)


def _report(job: Job, sweep: bool, seed: int) -> GradcheckReport:
    try:
        return check(job.function, job.inputs, fast=job.is_fast, sweep=sweep, seed=seed)
    except (TypeError, RuntimeError) as error:  # of the function under check: bad input, as a ValueError is
        if not is_target(job.name):
            raise
        raise ValueError(f"{job.name}: {error}") from error


def _told(job: Job, report: GradcheckReport, whole: bool) -> str:
    entries = sum(len(item.verdicts) for item in report.inputs)
    kind = "directions" if job.is_fast else "entries"
    head = f"{report.verdict if report else report.verdict.upper():5}  {job.name:32} {entries:5} {kind}  {job.note}"
    return head.rstrip() if report and not whole else f"{head.rstrip()}\n{report}"


def _row(job: Job, report: GradcheckReport) -> dict[str, Any]:
    """All but the single entries, which a page shows."""
    whole = report.as_dict()
    inputs = [{key: value for key, value in item.items() if key != "entries"} for item in whole["inputs"]]
    entries = sum(item["checked"] for item in inputs)
    return {
        "operation": job.name,
        "case": job.note,
        "right": bool(report),
        "entries": entries,
        **whole,
        "inputs": inputs,
    }


def _write(path: Path, found: list[tuple[Job, GradcheckReport]]) -> None:
    from tinycnn.inspect.gradcheck.page import write_page

    checks = [{"title": f"{job.name}, {job.note}".removesuffix(", "), **report.as_dict()} for job, report in found]
    write_page(path, checks, checks[0]["title"] if len(checks) == 1 else f"{len(checks)} gradient checks")
    print(f"page: {path}")
