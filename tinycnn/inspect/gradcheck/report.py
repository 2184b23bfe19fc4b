"""What a gradient check found: a verdict for each entry, in a table, as JSON and on a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.frame import notebook_frame
from tinycnn.wording import table

VERDICTS = ("right", "wrong", "on a kink", "below noise", "both zero")
SHOWN = 5


class Cause(NamedTuple):
    """A mistake that explains a wrong gradient.

    Attributes
    ----------
    name
        Such as "overwritten".
    sentence
        What backward does, how that was told, and where to look.
    """

    name: str
    sentence: str


class Sweep(NamedTuple):
    """How far the difference quotient is from what backward gives, by step.

    Attributes
    ----------
    dtype
        In which the function ran.
    steps
        Relative to the size of the entries.
    errors
        Relative, the median of some entries.
    """

    dtype: str
    steps: tuple[float, ...]
    errors: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class InputReport:
    """How the gradient of one input compares.

    Attributes
    ----------
    name, shape
        Of the input.
    indices
        (k, ndim) of the entries that were looked at; in fast mode (k, 1), the numbers of random directions.
    analytic, numeric
        (k,) what backward gave, and the difference quotient.
    lower, upper
        (k,) at a kink, the range from the left to the right derivative; NaN elsewhere. Where several branches may
        change, the sum of the ranges of all entries of the result, which is wider.
    tolerance
        (k,) the difference that rounding explains.
    steps
        (k,) the relative step that was believed.
    verdicts
        (k,) ``"right"``, ``"wrong"``, ``"on a kink"`` (and right: within the range of one-sided derivatives), ``"below
        noise"`` where rounding in the quotient is larger than both gradients, or ``"both zero"``.
    causes
        Of what is wrong: the first that fits; empty where all is right, or nothing known fits.
    sweep
        By step, where it was asked for.
    is_fast
        Whether the entries are random directions.
    """

    name: str
    shape: tuple[int, ...]
    indices: Array
    analytic: Array
    numeric: Array
    lower: Array
    upper: Array
    tolerance: Array
    steps: Array
    verdicts: Array
    causes: tuple[Cause, ...] = ()
    sweep: tuple[Sweep, ...] = ()
    is_fast: bool = False

    @property
    def size(self) -> int:
        """Number of entries of the input."""
        return int(np.prod(self.shape))

    @property
    def counts(self) -> dict[str, int]:
        """How many entries have each verdict."""
        return {verdict: int((self.verdicts == verdict).sum()) for verdict in VERDICTS}

    @property
    def errors(self) -> Array:
        """Relative difference of each entry; at a kink from the nearer end of the range."""
        nearest = self._nearest
        largest = np.maximum(np.abs(self.analytic), np.abs(nearest))
        with np.errstate(invalid="ignore"):
            return np.where(largest > 0, np.abs(self.analytic - nearest) / np.where(largest > 0, largest, 1), 0.0)

    @property
    def _nearest(self) -> Array:
        """(k,) the slope, or the end of its range that is nearer."""
        is_kink = np.isfinite(self.lower)
        return np.where(is_kink, np.clip(self.analytic, self.lower, self.upper), self.numeric)

    @property
    def wrong(self) -> list[tuple[int, ...]]:
        """Indices of the wrong entries, the worst first."""
        return [tuple(map(int, self.indices[i])) for i in self._worst()]

    @property
    def judged(self) -> bool:
        """Whether at least half of the entries stand out from the noise."""
        return 2 * self.counts["below noise"] <= len(self.verdicts)

    @property
    def largest_error(self) -> float:
        """The largest difference among the entries that are right or wrong, relative to the largest gradient."""
        judged = (self.verdicts == "right") | (self.verdicts == "wrong")
        if not judged.any():
            return 0.0
        mine, nearest = self.analytic[judged], self._nearest[judged]
        with np.errstate(invalid="ignore"):
            return float(np.abs(mine - nearest).max() / max(np.abs(mine).max(), np.abs(nearest).max()))

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and words, as JSON takes them: what is not finite is None."""
        entries = [
            {
                "index": None if self.is_fast else [int(i) for i in self.indices[k]],
                "backward": _finite(self.analytic[k]),
                "difference": _finite(self.numeric[k]),
                "lower": _finite(self.lower[k]),
                "upper": _finite(self.upper[k]),
                "step": float(self.steps[k]),
                "error": _finite(self.errors[k]),
                "verdict": str(self.verdicts[k]),
            }
            for k in range(len(self.verdicts))
        ]
        return {
            "name": self.name,
            "shape": list(self.shape),
            "size": self.size,
            "checked": len(self.verdicts),
            "counts": self.counts,
            "largest_error": _finite(self.largest_error),
            "causes": [cause._asdict() for cause in self.causes],
            "entries": entries,
            "sweep": [
                {"dtype": s.dtype, "steps": list(s.steps), "errors": [_finite(error) for error in s.errors]}
                for s in self.sweep
            ],
        }

    def lines(self) -> list[str]:
        """What is wrong, with the worst entries and the causes; nothing where all is right."""
        worst = self._worst()
        told = [f"{self.name}{self._place(i)}: {self._comparison(i)}" for i in worst[:SHOWN]]
        if len(worst) > SHOWN:
            told.append(f"{self.name}: and {len(worst) - SHOWN:,} more")
        if not worst and not self.judged:
            told.append(
                f"{self.name}: below the rounding noise in {self.counts['below noise']} of {len(self.verdicts)} "
                "entries, too many to judge: give values that matter more; where the true gradient is 0, as that of a "
                "bias in front of batch normalisation, leave the input out"
            )
        return told + [f"{self.name}: {cause.sentence}" for cause in self.causes]

    def _worst(self) -> list[int]:
        is_wrong = np.flatnonzero(self.verdicts == "wrong")
        excess = self.errors[is_wrong]
        return [int(i) for i in is_wrong[np.argsort(-np.where(np.isfinite(excess), excess, np.inf), kind="stable")]]

    def _place(self, i: int) -> str:
        if self.is_fast:
            return f", direction {i}"
        return f"[{', '.join(str(n) for n in self.indices[i])}]" if self.shape else ""

    def _comparison(self, i: int) -> str:
        if np.isfinite(self.lower[i]):
            other = f"between {self.lower[i]:.6g} and {self.upper[i]:.6g} at a kink"
        else:
            other = f"{self.numeric[i]:.6g}"
        return f"backward gives {self.analytic[i]:.6g}, the difference quotient {other}"


@dataclass(frozen=True, eq=False)
class GradcheckReport:
    """The result of `gradcheck`: true when every gradient holds, and a text that says what is wrong, where and why.

    Attributes
    ----------
    inputs
        One report per input; none where a fault made the comparison meaningless.
    faults
        What else went wrong, such as an input changed in place.
    notes
        What a reader should know, such as an input without effect.
    dtype, seed, is_fast
        How it was checked.
    """

    inputs: tuple[InputReport, ...]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    dtype: str = "float64"
    seed: int = 0
    is_fast: bool = False

    def __bool__(self) -> bool:
        return self.verdict == "right"

    @property
    def verdict(self) -> str:
        """``"right"``, ``"wrong"``, ``"inconclusive"``, or ``"demonstration"`` for float32, which proves nothing."""
        if self.dtype != "float64":
            return "demonstration"
        if self.faults or any(item.counts["wrong"] for item in self.inputs):
            return "wrong"
        return "right" if all(item.judged for item in self.inputs) else "inconclusive"

    def as_dict(self) -> dict[str, Any]:
        """All of it in plain numbers and words."""
        return {
            "verdict": self.verdict,
            "mode": "projections" if self.is_fast else "entries",
            "dtype": self.dtype,
            "seed": self.seed,
            "faults": list(self.faults),
            "notes": list(self.notes),
            "inputs": [item.as_dict() for item in self.inputs],
        }

    def to_json(self) -> str:
        """`as_dict` as JSON."""
        return json.dumps(self.as_dict())

    def to_html(self, path: Path | str, title: str = "Gradient check") -> None:
        """Write a page with a heat map of each input; it needs no network, no script and no other file.

        Raises
        ------
        ModuleNotFoundError
            When Jinja2 is not installed.
        OSError
            When the file cannot be written; what was there before is intact.
        """
        from tinycnn.inspect.gradcheck.page import write_page

        write_page(Path(path), [{"title": title, **self.as_dict()}], title)

    def _repr_html_(self) -> str:
        from tinycnn.inspect.gradcheck.page import page

        return notebook_frame(page([{"title": "Gradient check", **self.as_dict()}], "Gradient check"), "Gradient check")

    def __str__(self) -> str:
        heads = {
            "right": "gradients hold",
            "wrong": "gradients are wrong",
            "inconclusive": "inconclusive",
            "demonstration": "float32 cannot tell: a demonstration, no verdict",
        }
        lines = [heads[self.verdict], *(f"  {fault}" for fault in self.faults), *(f"  {note}" for note in self.notes)]
        if self.inputs:
            shown = () if self.verdict == "demonstration" else VERDICTS
            lines += [f"  {line}" for line in _counts_table(self.inputs, shown).splitlines()]
        lines += [f"  {line}" for item in self.inputs for line in item.lines()]
        lines += [f"  {line}" for item in self.inputs for line in _sweep_lines(item)]
        return "\n".join(lines)

    __repr__ = __str__

    def beside_sweeps_of(self, other: GradcheckReport) -> GradcheckReport:
        """The same report with the sweeps of another, of the same inputs, beside its own."""
        pairs = zip(self.inputs, other.inputs, strict=True)
        return replace(self, inputs=tuple(replace(mine, sweep=mine.sweep + theirs.sweep) for mine, theirs in pairs))


def _counts_table(inputs: tuple[InputReport, ...], verdicts: Sequence[str]) -> str:
    """A row for each input, and a column for each of the verdicts that occurs."""
    occurring = [v for v in verdicts if any(item.counts[v] for item in inputs)]
    kind = "directions" if inputs[0].is_fast else "entries"
    rows = [["input", "shape", kind, *occurring, "largest error"]]
    for item in inputs:
        counts = [f"{item.counts[v]:,}" if item.counts[v] else "–" for v in occurring]
        looked = len(item.verdicts)
        of_all = f"{looked:,}" if item.is_fast or looked == item.size else f"{looked:,} of {item.size:,}"
        rows.append([item.name, str(item.shape), of_all, *counts, f"{item.largest_error:.1e}"])
    return table(rows, right=range(2, len(rows[0])))


def _sweep_lines(item: InputReport) -> list[str]:
    """The error by step, a column for each dtype."""
    if not item.sweep:
        return []
    rows = [["relative step", *(f"error in {s.dtype}" for s in item.sweep)]]
    for i, step in enumerate(item.sweep[0].steps):
        rows.append([f"{step:.0e}", *(f"{s.errors[i]:.1e}" for s in item.sweep)])
    return [f"{item.name}, how far the difference quotient is from backward:", *table(rows, right={1, 2}).splitlines()]


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
