"""``tinycnn bench compare``."""

from __future__ import annotations

import json as json_format

from tinycnn.benchmarks.compare import Change, changes, median_ratio
from tinycnn.benchmarks.record import load
from tinycnn.cli.options import Number, Place
from tinycnn.cli.status import DONE, FAILED
from tinycnn.wording import percent, table

SHOWN = 10


def compare(old: Place, new: Place, *, tolerance: Number = 0.1, json: bool = False) -> int:
    """Tell what became faster and what slower between two records, in shares of the peak measured with each.

    Exit status 1 where something is slower by more than the tolerance and than its samples scatter.

    Parameters
    ----------
    old, new
        Files that bench conv or bench models wrote.
    tolerance
        Part by which a row may be slower.
    json
        Print the result as one JSON object on the last line.
    """
    if not 0 <= tolerance < 1:
        raise ValueError(f"--tolerance must be from 0 to less than 1, such as 0.1, got {tolerance:g}")
    before, after = load(old), load(new)
    found = changes(before, after)
    slower = [change for change in found if change.is_regression(tolerance)]
    for what in ("processor", "cores"):
        if before["machine"][what] != after["machine"][what]:
            print(f"{what}: {before['machine'][what]}, then {after['machine'][what]}")
    print(f"{len(found)} rows of both, {median_ratio(found):.3f} times as fast in the median")
    print(_table("the slowest now", found[:SHOWN]))
    print(_table("the fastest now", found[: -SHOWN - 1 : -1]))
    if slower:
        print(f"{len(slower)} slower by more than {percent(tolerance, 0)}:")
        print("\n".join(f"  {change.ratio:.2f} {change.name}" for change in slower))
    else:
        print(f"nothing is slower by more than {percent(tolerance, 0)}")
    if json:
        rows = [change._asdict() | {"ratio": change.ratio} for change in found]
        print(json_format.dumps({"changes": rows, "regressions": [change.name for change in slower]}))
    return FAILED if slower else DONE


def _table(heading: str, found: list[Change]) -> str:
    rows = [(heading, "times as fast", "of peak then", "now")]
    rows += [(c.name, f"{c.ratio:.2f}", f"{100 * c.old:.1f} %", f"{100 * c.new:.1f} %") for c in found]
    return table(rows, right={1, 2, 3})
