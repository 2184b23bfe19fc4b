"""How the lab's pictures look: one colour, mark and hatch for each algorithm in all of them; and how they are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tinycnn.optional import require
from tinycnn.plot.data_uri import NEGATIVE, POSITIVE
from tinycnn.storage import replace
from tinycnn.wording import counted

BLUE, ORANGE = (tuple(part / 255 for part in colour) for colour in (NEGATIVE, POSITIVE))
WHITE, PALE, GREY, DARK = "#ffffff", "#e4e4e4", "#8c8c8c", "#333333"
WIDTH = 9.0  # inches: a README shows them 900 pixels wide, and then 9 points are 12 pixels high
DPI = 150
STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.edgecolor": GREY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.titlesize": 11,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
}
PEERS = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "dezero": "DeZero"}
"""How a reader knows the libraries that tinycnn is measured against."""


class Look(NamedTuple):
    """How an algorithm is drawn.

    Attributes
    ----------
    colour
        Of its edges, and of what is filled.
    marker
        Of a point.
    hatch
        Of a bar; nothing where it is filled. What is hatched is hollow as a point.
    letter
        Where a name is too long.
    """

    colour: Any
    marker: str
    hatch: str
    letter: str

    @property
    def fill(self) -> Any:
        """White where the rate is an effective one: hollow, or hatched."""
        return WHITE if self.hatch else self.colour


ALGORITHMS = {
    "direct": Look(ORANGE, "o", "", "d"),
    "im2col": Look(BLUE, "s", "", "i"),
    "winograd": Look(DARK, "^", "/////", "W"),
    "fft": Look(GREY, "D", "xxxxx", "F"),
}


@contextmanager
def canvas(height: float) -> Iterator[Any]:
    """An empty figure so many inches high, in the style of the lab within the block.

    Raises
    ------
    ModuleNotFoundError
        When matplotlib is not installed.
    """
    style, figures = require("matplotlib.style", "plots"), require("matplotlib.figure", "plots")
    with style.context(["default", STYLE]):
        yield figures.Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG, at once or not at all; the same figure gives the same bytes."""
    with require("matplotlib.style", "plots").context(["default", STYLE]):
        replace(path, lambda temporary: figure.savefig(temporary, format="png", metadata={"Software": None}))


def circumstances(record: Mapping[str, Any]) -> str:
    """With which kernels, on how many threads of what a record of convolutions was measured."""
    return f"{fastest_backend(record)} backend, {counted(record['settings']['threads'], 'thread')}"


def fastest_backend(record: Mapping[str, Any]) -> str:
    """The one that is drawn, where there are several."""
    backends = record["settings"]["backends"]
    return "numba" if "numba" in backends else str(backends[0])


def measured(record: Mapping[str, Any], phase: str) -> dict[tuple[int, str], Mapping[str, Any]]:
    """Rows of one pass on the fastest backend that have a time, by convolution and algorithm."""
    return {
        (row["convolution"], row["algorithm"]): row
        for row in record["rows"]
        if (row["pass"], row["backend"]) == (phase, fastest_backend(record)) and "median_seconds" in row
    }


def outcomes(record: Mapping[str, Any], phase: str) -> dict[int, Mapping[str, Any]]:
    """Who won one pass on the fastest backend, by convolution."""
    backend = fastest_backend(record)
    return {w["convolution"]: w for w in record["winners"] if (w["pass"], w["backend"]) == (phase, backend)}
