"""Where im2col and direct convolution overtake each other: maps over channels, image size and kernel."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from typing import Any

import numpy as np

from tinycnn.benchmarks.conv.convolutions import CROSSOVER
from tinycnn.benchmarks.conv.verdict import verdict
from tinycnn.benchmarks.pictures.looks import (
    ALGORITHMS,
    BLUE,
    GREY,
    ORANGE,
    PALE,
    WHITE,
    canvas,
    circumstances,
    fastest_backend,
    measured,
    outcomes,
)
from tinycnn.optional import require
from tinycnn.wording import counted

PAIR = "direct", "im2col"
LIMIT = 4  # times as fast, and more, has the full colour
STRENGTH = 0.8  # of the full colour: black figures stay readable on it
TIE = "tie"


def crossover(record: Mapping[str, Any], phase: str) -> Any:
    """Draw the grid of a record for one pass, a panel for each kernel.

    Parameters
    ----------
    record
        Of kind ``"conv"``, with the crossover grid.
    phase
        ``"forward"``, ``"backward_input"`` or ``"backward_weight"``.

    Returns
    -------
    matplotlib.figure.Figure
        A cell for each channel count and image size: blue where im2col is faster than direct convolution, orange where
        it is slower, and by how much.
    """
    cells = {i: found for i, found in enumerate(record["convolutions"]) if found["of"] == CROSSOVER}
    kernels = sorted({found["weight"][2] for found in cells.values()})
    batch = next(iter(cells.values()))["input"][0]
    rows = -(-len(kernels) // 2)
    with canvas(1.3 + 2.75 * rows) as figure:
        panels = figure.subplots(rows, min(2, len(kernels)), sharey=True, squeeze=False).ravel()
        reasons: set[str] = set()
        for axes, kernel in zip(panels, kernels, strict=False):
            here = {i: found for i, found in cells.items() if found["weight"][2] == kernel}
            image, missing = _map(axes, record, phase, here)
            axes.set_title(f"{kernel}x{kernel} kernel")
            reasons |= missing
        for axes in panels[len(kernels) :]:
            axes.remove()
        _scale(figure, image, list(panels[: len(kernels)]))
        figure.suptitle(
            f"im2col against direct convolution, {phase}: {counted(batch, 'image')}, {circumstances(record)}"
        )
        figure.legend(handles=_keys(reasons), loc="outside lower center", ncols=1)
    return figure


def _map(axes: Any, record: Mapping[str, Any], phase: str, here: Mapping[int, Any]) -> tuple[Any, set[str]]:
    """Fill one panel; returns the picture, for the scale, and why cells are missing."""
    channels, sizes = (sorted({found["input"][axis] for found in here.values()}) for axis in (1, 2))
    rows = measured(record, phase)
    seconds = {key: row["median_seconds"] for key, row in rows.items()}
    won, reasons = outcomes(record, phase), set()
    ratios = np.full((len(sizes), len(channels)), np.nan)
    for i, found in here.items():
        place = x, y = channels.index(found["input"][1]), sizes.index(found["input"][2])
        direct, im2col = (seconds.get((i, name)) for name in PAIR)
        if direct is None or im2col is None:
            reasons |= _reasons(record, phase, i)
            axes.add_patch(_square(place, facecolor=WHITE, edgecolor=GREY, linewidth=0, hatch="////"))
            continue
        tied = bool(verdict({name: rows[i, name]["run_seconds"] for name in PAIR}).tied)
        if tied:
            axes.add_patch(_square(place, facecolor=PALE))
        else:
            ratios[y, x] = log2(im2col / direct)
        lines = [TIE if tied else _times("direct" if direct < im2col else "im2col", im2col / direct)]
        other = won[i]["winner"] if i in won else ""
        if other and other not in PAIR:
            lines.append(_times(other, min(direct, im2col) / seconds[i, other]))
        axes.text(x, y, "\n".join(lines), ha="center", va="center", linespacing=1.05)
    limits = {"vmin": -log2(LIMIT), "vmax": log2(LIMIT)}
    image = axes.imshow(ratios, cmap=_colours(), origin="lower", aspect="auto", **limits)
    axes.set_xticks(range(len(channels)), channels)
    axes.set_yticks(range(len(sizes)), [f"{size}x{size}" for size in sizes])
    axes.set(xlabel="channels, C = K", xlim=(-0.5, len(channels) - 0.5), ylim=(-0.5, len(sizes) - 0.5))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.hlines(np.arange(0.5, len(sizes) - 1), -0.5, len(channels) - 0.5, color=WHITE, linewidth=1.5)
    axes.vlines(np.arange(0.5, len(channels) - 1), -0.5, len(sizes) - 0.5, color=WHITE, linewidth=1.5)
    return image, reasons


def _times(name: str, ratio: float) -> str:
    """Who is how many times as fast, such as d1.8."""
    ratio = max(ratio, 1 / ratio)
    return ALGORITHMS[name].letter + (f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}")


def _reasons(record: Mapping[str, Any], phase: str, index: int) -> set[str]:
    """Why one of the pair was not measured there."""
    backend = fastest_backend(record)
    return {
        row.get("cannot") or row["skipped"]
        for row in record["rows"]
        if (row["convolution"], row["pass"], row["backend"]) == (index, phase, backend)
        and row["algorithm"] in PAIR
        and {"cannot", "skipped"} & row.keys()
    }


def _square(place: tuple[int, int], **style: Any) -> Any:
    x, y = place
    return require("matplotlib.patches", "plots").Rectangle((x - 0.5, y - 0.5), 1, 1, **style)


def _colours() -> Any:
    """Blue, white, orange."""
    blue, orange = ([1 - STRENGTH * (1 - part) for part in colour] for colour in (BLUE, ORANGE))
    colours = require("matplotlib.colors", "plots").LinearSegmentedColormap
    return colours.from_list("blue to orange", [blue, (1, 1, 1), orange])


def _scale(figure: Any, image: Any, panels: list[Any]) -> None:
    bar = figure.colorbar(image, ax=panels, location="right", fraction=0.03, pad=0.02)
    steps = [1 / LIMIT, 1 / 2, 1, 2, LIMIT]
    bar.set_ticks([log2(step) for step in steps], labels=["¼", "½", "1", "2", f"{LIMIT}"])
    bar.set_label("time of im2col / time of direct")
    bar.outline.set_visible(False)


def _keys(reasons: set[str]) -> list[Any]:
    line, patch = require("matplotlib.lines", "plots").Line2D, require("matplotlib.patches", "plots").Patch
    texts = (
        "i1.8: im2col is 1.8 times as fast as direct convolution; d1.8: the other way round",
        "W1.8, F1.8 below: winograd or fft wins, and is 1.8 times as fast as the better of the two",
    )
    keys = [line([], [], linestyle="", label=text) for text in texts]
    keys.append(patch(facecolor=PALE, label="tie: the two cannot be told apart"))
    told = "not measured: " + "; ".join(sorted(reasons))
    return keys + ([patch(facecolor=WHITE, edgecolor=GREY, hatch="////", label=told)] if reasons else [])
