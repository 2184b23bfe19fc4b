"""``tinycnn gradcheck``."""

from __future__ import annotations

import json as json_format
from time import perf_counter

from tinycnn.choices import look_up
from tinycnn.cli.status import DONE, FAILED
from tinycnn.inspect.gradcheck import GradcheckReport
from tinycnn.inspect.gradcheck import gradcheck as check
from tinycnn.inspect.gradient_cases import CASES, Case


def gradcheck(*operations: str, json: bool = False) -> int:
    """Hold the backward pass of each operation against finite differences, in float64.

    Parameters
    ----------
    operations
        Names such as conv2d or max_pool2d; all where none is given.
    json
        Print the result as one JSON object on the last line.
    """
    by_name: dict[str, list[Case]] = {}
    for case in CASES:
        by_name.setdefault(case.operation, []).append(case)
    chosen = [case for name in operations or by_name for case in look_up("operation", name, by_name)]
    rows = []
    start = perf_counter()
    for case in chosen:
        report = check(case.function, case.inputs())
        entries = sum(entry.analytic.size for entry in report.inputs)
        rows.append({"operation": case.operation, "case": case.note, "right": bool(report), "entries": entries})
        print(_line(case, report, entries))
    wrong = sum(not row["right"] for row in rows)
    verdict = f"{wrong} wrong" if wrong else "all right"
    print(f"{len(rows)} cases of {len({row['operation'] for row in rows})} operations: {verdict}")
    if json:
        print(json_format.dumps({"wrong": wrong, "seconds": perf_counter() - start, "cases": rows}))
    return FAILED if wrong else DONE


def _line(case: Case, report: GradcheckReport, entries: int) -> str:
    head = f"{'right' if report else 'WRONG':5}  {case.operation:32} {entries:5} entries  {case.note}".rstrip()
    return head if report else f"{head}\n{report}"
