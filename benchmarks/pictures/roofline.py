"""The roofline: the rate of each algorithm against what the machine can compute, and against what it can move.

A convolution that does few operations for each byte it must read or write cannot be faster than memory: below the
ridge, the roof is slanted. After Williams, Waterman and Patterson, "Roofline: an insightful visual performance model
for multicore architectures", 2009.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import atan, degrees
from statistics import median
from typing import Any

import numpy as np

from tinycnn.benchmarks.conv.convolutions import CROSSOVER
from tinycnn.benchmarks.pictures.looks import ALGORITHMS, DARK, GREY, WHITE, canvas, circumstances, measured
from tinycnn.optional import require

FOOT = 0.055  # of the axes' height: a line of marks that show where a model's layers stand
HOLLOW = "hollow: effective rate, counted as direct convolution, so it may pass the roof"


def roofline(record: Mapping[str, Any]) -> Any:
    """Draw the layers of all models of a record, a panel for each pass.

    Parameters
    ----------
    record
        Of kind ``"conv"``, with at least one convolution that is not of the grid.

    Returns
    -------
    matplotlib.figure.Figure
        A point for each algorithm that was measured, labelled by its name; the roof is the median of the peaks.
    """
    flops, moved = (median(peak[what] for peak in record["peaks"]) / 1e9 for what in ("flops", "bytes"))
    passes = record["settings"]["passes"]
    intensities = {
        i: found["flops"] / found["least_bytes"]
        for i, found in enumerate(record["convolutions"])
        if found["of"] != CROSSOVER
    }
    left = min(flops / moved / 4, *(x / 2.5 for x in intensities.values()))
    right = 1.6 * max(flops / moved * 2, *intensities.values())
    with canvas(5.2) as figure:
        panels = figure.subplots(1, len(passes), sharex=True, sharey=True, squeeze=False)[0]
        rates = [flops]
        for axes, phase in zip(panels, passes, strict=True):
            _roof(axes, flops, moved, left, right)
            rates += _points(axes, record, phase, intensities)
            axes.set(title=phase, xlabel="arithmetic intensity (FLOP per byte)")
            _models(axes, record["convolutions"], intensities)
        panels[0].set(ylabel="GFLOP/s", ylim=(min(rates) / 9, 2 * max(rates)))
        figure.suptitle(f"Roofline of the models' convolutions: {circumstances(record)}")
        drawn = [name for name in ALGORITHMS if any(line.get_label() == name for a in panels for line in a.lines)]
        figure.legend(handles=[_key(name) for name in drawn], loc="outside lower center", ncols=4, title=HOLLOW)
    return figure


def _roof(axes: Any, flops: float, moved: float, left: float, right: float) -> None:
    ridge = flops / moved
    axes.set(xscale="log", yscale="log", xlim=(left, right))
    axes.grid(which="major", color="#eeeeee")
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(lambda value, place: "")  # matplotlib writes some where it shows few decades
    axes.plot([left, ridge, right], [left * moved, flops, flops], color=DARK, linewidth=1.4, label="roof")
    axes.plot([ridge, ridge], [1e-9, flops], color=GREY, linewidth=0.8, linestyle=":", label="ridge")
    axes.text(1.1 * ridge, 1.1 * flops, f"{flops:.0f} GFLOP/s", ha="left", va="bottom")
    # Along the slope, as the axes turn it.
    slope = {"rotation": degrees(atan(moved)), "rotation_mode": "anchor", "transform_rotates_text": True}
    axes.text(1.2 * left, 1.3 * left * moved, f"{moved:.1f} GB/s", ha="left", va="bottom", **slope)
    at = {"rotation": "vertical", "ha": "right", "va": "center", "transform": axes.get_xaxis_transform()}
    axes.text(0.96 * ridge, 0.45, f"ridge: {ridge:.1f} FLOP per byte", **at)


def _points(axes: Any, record: Mapping[str, Any], phase: str, intensities: Mapping[int, float]) -> list[float]:
    """One line of points for each algorithm; returns their rates."""
    rates: list[float] = []
    rows = measured(record, phase)
    for name in ALGORITHMS:
        found = [(intensities[i], rows[i, name]["gflops"]) for i in intensities if (i, name) in rows]
        if found:
            x, y = np.transpose(found)
            axes.plot(x, y, linestyle="", label=name, **_mark(name))
            rates += y.tolist()
    return rates


def _models(axes: Any, convolutions: Any, intensities: Mapping[int, float]) -> None:
    """At the foot, a line for each model: where its layers stand."""
    names = list(dict.fromkeys(convolutions[i]["of"] for i in intensities))
    for row, name in enumerate(reversed(names)):
        x = [intensity for i, intensity in intensities.items() if convolutions[i]["of"] == name]
        height = FOOT * (row + 0.5)
        foot = axes.get_xaxis_transform()  # x as the data, y as a part of the axes
        axes.plot(x, [height] * len(x), transform=foot, color=GREY, marker="|", linestyle="-", linewidth=0.6)
        box = {"facecolor": WHITE, "linewidth": 0, "pad": 0.5}  # over the ridge
        style = {"ha": "right", "va": "center", "color": DARK, "bbox": box}
        axes.annotate(name, (min(x), height), (-4, 0), foot, "offset points", **style)


def _mark(name: str) -> dict[str, Any]:
    look = ALGORITHMS[name]
    edge = look.colour if look.hatch else WHITE  # keeps points apart that lie on each other
    return {"marker": look.marker, "markersize": 6.5, "markerfacecolor": look.fill, "markeredgecolor": edge}


def _key(name: str) -> Any:
    return require("matplotlib.lines", "plots").Line2D([], [], linestyle="", label=name, **_mark(name))
