"""Two records of the lab against each other, each in shares of the peak that was measured with it.

A share moves less than a time does when the processor's clock, or the processor, is another. What is slower counts as a
regression where it is slower by more than a tolerance, and by more than the samples of both scatter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any, NamedTuple

from tinycnn.benchmarks.conv.convolutions import title
from tinycnn.wording import counted

Record = Mapping[str, Any]
FEWEST = 3  # samples that a row must have: of fewer, nobody knows how they scatter


class Change(NamedTuple):
    """What became of one row.

    Attributes
    ----------
    name
        What was measured, in words.
    old, new
        Share of the peak, then and now.
    apart
        Whether the middle halves of the samples do not overlap.
    """

    name: str
    old: float
    new: float
    apart: bool

    @property
    def ratio(self) -> float:
        """How many times as fast it is now."""
        return self.new / self.old

    def is_regression(self, tolerance: float) -> bool:
        """Whether it is slower, by more than this part and than chance."""
        return self.ratio < 1 - tolerance and self.apart


def changes(old: Record, new: Record) -> list[Change]:
    """What both records have measured, the slowest now, compared with then, first.

    Raises
    ------
    ValueError
        When they are of two kinds, or have nothing in common.
    """
    if old["kind"] != new["kind"]:
        raise ValueError(f"a record of bench {old['kind']} cannot be compared with one of bench {new['kind']}")
    before, after = dict(_shares(old)), dict(_shares(new))
    found = [
        Change(
            name, before[name][1], after[name][1], after[name][2] < before[name][0] or before[name][2] < after[name][0]
        )
        for name in before
        if name in after
    ]
    by = [min(peak["flops_by"] for peak in record["peaks"]) for record in (old, new)]
    if by[0] != by[1]:
        raise ValueError(f"the peaks were measured by {by[0]} and by {by[1]}: shares of them cannot be compared")
    if not found:
        raise ValueError(
            "the two records have nothing in common: no row of the same work, batch, backend and number of threads"
        )
    return sorted(found, key=lambda change: change.ratio)


def _shares(record: Record) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Rows of tinycnn by name, each with its share of the peak: of the upper quartile, the median, the lower one."""
    for row in record["rows"]:
        ours = row.get("side", row.get("backend")) in record["settings"]["backends"]
        if ours and "share_of_peak" in row and row["samples"] >= FEWEST:
            low, high = row["quartiles_seconds"]
            scale = row["share_of_peak"] * row["median_seconds"]
            yield _name(record, row), (scale / high, row["share_of_peak"], scale / low)


def _name(record: Record, row: Mapping[str, Any]) -> str:
    if record["kind"] == "models":
        work, threads = f"{row['model']} {row['work']}", counted(row["threads"], "thread")
        return f"{work}, {counted(row['batch'], 'image')}, {row['side']}, {threads}"
    found, threads = record["convolutions"][row["convolution"]], counted(record["settings"]["threads"], "thread")
    return f"{title(found)}, {row['pass']}, {row['algorithm']}, {row['backend']}, {threads}"


def median_ratio(found: list[Change]) -> float:
    """How many times as fast all of it is now, in the median."""
    return median(change.ratio for change in found)
