"""The time of each layer of a model, by algorithm and by pass, and what a peer needs for the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinycnn.benchmarks.conv.convolutions import brief
from tinycnn.benchmarks.pictures.looks import (
    ALGORITHMS,
    DARK,
    GREY,
    PEERS,
    canvas,
    circumstances,
    fastest_backend,
    measured,
    outcomes,
)
from tinycnn.optional import require
from tinycnn.wording import counted, milliseconds

BAR = 0.15  # inches from one bar to the next
GAP = 1.2  # bars of space between two layers
FAR = 3  # bars longer than so many of the slowest winner are cut off, and say how long they are
ROOM = 1.65  # for what is written behind the longest bar
WINS, AUTO, CUT = " ★", " auto", "» "
MEANING = "★: the fastest, or in a tie with it; auto: what runs by default; »: longer than is drawn"
BEHIND: dict[str, Any] = {"textcoords": "offset points", "va": "center"}
MARKERS = {"torch": "D", "onnxruntime": "o"}


def layers(record: Mapping[str, Any], model: str) -> Any:
    """Draw the layers of one model, a panel for each pass.

    Parameters
    ----------
    record
        Of kind ``"conv"``, with convolutions of that model.
    model
        As the record calls it.

    Returns
    -------
    matplotlib.figure.Figure
        A bar of milliseconds for each algorithm that was measured, with marks at who wins and at what ``auto`` runs;
        below them a line for the fastest way of each peer.
    """
    found = {i: entry for i, entry in enumerate(record["convolutions"]) if entry["of"] == model}
    passes = record["settings"]["passes"]
    rows = {phase: {k: r for k, r in measured(record, phase).items() if k[0] in found} for phase in passes}
    names = [name for name in ALGORITHMS if any(name == algorithm for keys in rows.values() for _, algorithm in keys)]
    peers = [peer for peer in PEERS if any(r["peer"] == peer and r["convolution"] in found for r in record["against"])]
    pitch = len(names) + len(peers) + GAP
    with canvas(1.6 + BAR * pitch * len(found)) as figure:
        panels = figure.subplots(1, len(passes), sharey=True, squeeze=False)[0]
        for axes, phase in zip(panels, passes, strict=True):
            tops = {i: pitch * place for place, i in enumerate(found)}
            limit = FAR * max((_fastest(rows[phase], i) for i in found), default=0.0) or 1.0
            _bars(axes, record, phase, rows[phase], names, tops, limit)
            for place, peer in enumerate(peers, len(names)):
                _peer(axes, record, phase, peer, {i: top + place for i, top in tops.items()}, limit)
            longest = max((bar.get_width() for bar in axes.patches), default=1.0)
            axes.set(title=phase, xlabel="ms", xlim=(0, ROOM * longest))
            axes.locator_params(axis="x", nbins=5)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        labels = [f"{entry['layers']}\n{_folded(brief(entry))}".strip() for entry in found.values()]
        panels[0].set_yticks([top + (len(names) + len(peers) - 1) / 2 for top in tops.values()], labels)
        panels[0].set_ylim(pitch * len(found) - GAP / 2 - 0.5, -0.5 - GAP / 2)
        batch = next(iter(found.values()))["input"][0]
        figure.suptitle(f"Convolutions: {model}, {counted(batch, 'image')}, {circumstances(record)}")
        figure.legend(handles=_keys(names, peers), loc="outside lower center", ncols=6, title=MEANING)
    return figure


def _fastest(rows: Mapping[tuple[int, str], Any], index: int) -> float:
    """Milliseconds of the fastest algorithm of a convolution."""
    return 1e3 * min((row["median_seconds"] for (i, _), row in rows.items() if i == index), default=0.0)


def _bars(
    axes: Any,
    record: Mapping[str, Any],
    phase: str,
    rows: Mapping[tuple[int, str], Any],
    names: list[str],
    tops: Mapping[int, float],
    limit: float,
) -> None:
    """The algorithms' bars, with what is written behind each."""
    won, absent = outcomes(record, phase), {name: _absent(record, phase, name) for name in names}
    for place, name in enumerate(names):
        look = ALGORITHMS[name]
        times = {i: 1e3 * rows[i, name]["median_seconds"] for i in tops if (i, name) in rows}
        lengths = [min(time, limit) for time in times.values()]
        style = {"color": look.fill, "edgecolor": look.colour, "hatch": look.hatch}
        axes.barh([tops[i] + place for i in times], lengths, 0.82, label=name, linewidth=0.8, **style)
        for i in tops.keys() & absent[name].keys():
            axes.annotate(absent[name][i], (0, tops[i] + place), (5, -0.5), color=GREY, **BEHIND)
        for i, time in times.items():
            best = i in won and name in (won[i]["tied"] or [won[i]["winner"]])
            _tell(axes, time, tops[i] + place, limit, WINS * best + AUTO * rows[i, name]["auto"])


def _absent(record: Mapping[str, Any], phase: str, name: str) -> dict[int, str]:
    """Convolutions for which an algorithm has no time."""
    key = phase, fastest_backend(record), name
    rows = [row for row in record["rows"] if (row["pass"], row["backend"], row["algorithm"]) == key]
    return {
        row["convolution"]: "cannot" if "cannot" in row else "not measured"
        for row in rows
        if "median_seconds" not in row
    }


def _peer(
    axes: Any, record: Mapping[str, Any], phase: str, peer: str, places: Mapping[int, float], limit: float
) -> None:
    """A line that ends in a mark, below the bars."""
    for row in record["against"]:
        if (row["pass"], row["peer"]) == (phase, peer) and row["convolution"] in places and "peer_seconds" in row:
            time, place = 1e3 * row["peer_seconds"], places[row["convolution"]]
            axes.plot([0, min(time, limit)], [place, place], label=peer, markevery=[1], **_line(peer))
            _tell(axes, time, place, limit, "")


def _tell(axes: Any, time: float, place: float, limit: float, more: str) -> None:
    """Write milliseconds behind a bar."""
    text, weight = f"{CUT * (time > limit)}{milliseconds(time / 1e3)}{more}", "bold" if WINS in more else "normal"
    at = min(time, limit), place
    axes.annotate(text, at, (5, -0.5), fontweight=weight, **BEHIND)


def _line(peer: str) -> dict[str, Any]:
    return {"color": DARK, "linewidth": 1, "marker": MARKERS[peer], "markersize": 5}


def _folded(text: str) -> str:
    """What comes after the sizes in a line of its own."""
    channels, sizes, *more = text.split(", ", 2)
    return "\n".join([f"{channels}, {sizes}", *more])


def _keys(names: list[str], peers: list[str]) -> list[Any]:
    line, patch = require("matplotlib.lines", "plots").Line2D, require("matplotlib.patches", "plots").Patch
    looks = {name: ALGORITHMS[name] for name in names}
    keys = [patch(facecolor=k.fill, edgecolor=k.colour, hatch=k.hatch, label=name) for name, k in looks.items()]
    return keys + [line([], [], label=f"{PEERS[peer]} at its fastest", **_line(peer)) for peer in peers]
