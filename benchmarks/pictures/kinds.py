"""Where the time of a model's step goes, by kind of work."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from tinycnn.benchmarks.pictures.looks import BLUE, DARK, ORANGE, PEERS, WHITE, canvas
from tinycnn.optional import require
from tinycnn.wording import counted, milliseconds

AXIS = "percent of tinycnn's step, its layers run one by one (»: more than is drawn)"
BAR = 0.36  # inches from one bar to the next
SHOWN = 5.5  # percent: a narrower part has no room for its figure
ROOM = 118  # percent: the bars, and what is written behind them
FURTHEST = 200  # percent: a peer that takes longer stands there
BETWEEN = 0.4  # bars of space between two models
BELOW = 0.46  # bars, from the middle of one to the marks under it
MARKERS = {"torch": "D", "onnxruntime": "o", "dezero": "s"}


def _mixed(colour: Any, part: float) -> Any:
    return tuple(1 - part * (1 - value) for value in colour)


LOOKS: dict[str, dict[str, Any]] = {
    "convolution": {"color": _mixed(BLUE, 0.85)},
    "activation": {"color": _mixed(BLUE, 0.3)},
    "pooling": {"color": WHITE, "hatch": "////"},
    "LRN": {"color": _mixed(ORANGE, 0.35), "hatch": "...."},
    "full layers": {"color": _mixed(ORANGE, 0.9)},
    "optimiser": {"color": "#b5b5b5"},
    "everything else": {"color": WHITE},
}


def kinds(record: Mapping[str, Any]) -> Any:
    """Draw every row of a record that was split.

    Parameters
    ----------
    record
        Of kind ``"models"``.

    Returns
    -------
    matplotlib.figure.Figure
        A bar of 100 % for each model, work and batch, with the milliseconds of the whole behind it; a mark tells how
        long the fastest way of each peer takes, in percent of that.
    """
    rows = [row for row in record["rows"] if "kinds" in row]
    names = [name for name in LOOKS if any(row["kinds"][name] for row in rows)]
    models = list(dict.fromkeys(row["model"] for row in rows))
    places = [place + BETWEEN * models.index(row["model"]) for place, row in enumerate(rows)]
    with canvas(1.6 + BAR * (places[-1] + 1)) as figure:
        axes = figure.add_subplot(xlabel=AXIS)
        starts = [0.0] * len(rows)
        for name in names:
            look = LOOKS[name]
            parts = [100 * row["kinds"][name] / row["unfused_seconds"] for row in rows]
            axes.barh(places, parts, 0.62, starts, label=name, edgecolor=DARK, linewidth=0.5, **look)
            for place, start, part in zip(places, starts, parts, strict=True):
                if part >= SHOWN:
                    box = {"facecolor": WHITE, "linewidth": 0, "pad": 1} if "hatch" in look else None
                    axes.text(start + part / 2, place, f"{part:.0f}", ha="center", va="center", bbox=box)
            starts = [start + part for start, part in zip(starts, parts, strict=True)]
        for place, row in zip(places, rows, strict=True):
            axes.text(101.5, place, f"{milliseconds(row['unfused_seconds'])} ms", ha="left", va="center")
        peers = [peer for peer in record["settings"]["against"] if _peer(axes, record, peer, rows, places)]
        axes.set_yticks(places, [_label(record, row) for row in rows])
        axes.set(xlim=(0, max(ROOM, axes.dataLim.x1 + 3)), ylim=(places[-1] + 0.7, -0.5))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        figure.suptitle("A step by kind of work" + _common(record))
        figure.legend(handles=_keys(names, peers), loc="outside lower center", ncols=4)
    return figure


def _common(record: Mapping[str, Any]) -> str:
    """What all rows have in common."""
    backends, threads = record["settings"]["backends"], record["settings"]["threads"]
    told = [f"{backends[0]} backend"] * (len(backends) == 1) + [counted(threads[0], "thread")] * (len(threads) == 1)
    return ": " + ", ".join(told) if told else ""


def _label(record: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Which step it is; backend and threads where there are several."""
    told = [f"{row['model']} {row['work']}", counted(row["batch"], "image")]
    told += [row["side"]] * (len(record["settings"]["backends"]) > 1)
    told += [counted(row["threads"], "thread")] * (len(record["settings"]["threads"]) > 1)
    return ", ".join(told)


def _peer(axes: Any, record: Mapping[str, Any], peer: str, rows: Any, places: list[float]) -> bool:
    """A line below each bar that the peer has done the same as, if there are any."""
    theirs: dict[tuple[Any, ...], float] = {}
    for row in record["rows"]:
        if row["side"] == peer and "median_seconds" in row:
            theirs[_work(row)] = min(row["median_seconds"], theirs.get(_work(row), inf))
    for row, place in zip(rows, places, strict=True):
        if _work(row) in theirs:
            percent = 100 * theirs[_work(row)] / row["unfused_seconds"]
            x, y = min(FURTHEST, percent), place + BELOW
            axes.plot([0, x], [y, y], label=peer, markevery=[1], **_line(peer))
            if percent > FURTHEST:
                axes.annotate(f"» {percent:.0f}", (x, y), (5, 0), textcoords="offset points", va="center")
    return bool(theirs)


def _work(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["model"], row["work"], row["batch"], row["threads"]


def _line(peer: str) -> dict[str, Any]:
    return {"color": DARK, "linewidth": 0.8, "marker": MARKERS[peer], "markersize": 5}


def _keys(names: list[str], peers: list[str]) -> list[Any]:
    line, patch = require("matplotlib.lines", "plots").Line2D, require("matplotlib.patches", "plots").Patch
    looks = {name: LOOKS[name] for name in names}
    keys = [
        patch(edgecolor=DARK, linewidth=0.5, facecolor=look["color"], hatch=look.get("hatch"), label=name)
        for name, look in looks.items()
    ]
    return keys + [line([], [], label=f"{PEERS[peer]}'s whole step", **_line(peer)) for peer in peers]
