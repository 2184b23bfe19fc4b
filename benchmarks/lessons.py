"""What a record of the crossover grid teaches, in three sentences whose figures and claims are taken from it."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from tinycnn.benchmarks.conv.convolutions import CROSSOVER, brief
from tinycnn.benchmarks.pictures.looks import fastest_backend
from tinycnn.wording import counted, readable_bytes

Record = Mapping[str, Any]
MANY = 64  # channels
WIDTH = 120  # of a line of the README


def lessons(record: Record) -> str:
    """Three sentences, as a list in Markdown.

    Raises
    ------
    ValueError
        Where a sentence does not hold of this record: then it must be written anew.
    """
    told = enumerate((_passes(record), _columns(record), _winograd(record)), 1)
    return "\n".join(fill(f"{i}. {sentence}", WIDTH, subsequent_indent="   ") for i, sentence in told)


def _passes(record: Record) -> str:
    few = max(
        (i for i, found in enumerate(record["convolutions"]) if found["of"] == CROSSOVER and found["input"][1] == 1),
        key=lambda i: record["convolutions"][i]["flops"],
    )
    forward, image, weight = (
        _seconds(record, phase, "im2col")[few] / _seconds(record, phase, "direct")[few]
        for phase in ("forward", "backward_input", "backward_weight")
    )
    _require(min(forward, image) > 1 > weight, "direct wins two passes of the largest one-channel convolution")
    return (
        f"**The pass decides, not the layer alone.** On {brief(record['convolutions'][few])}, direct convolution is "
        f"{forward:.1f} times as fast as im2col forward and {image:.1f} times in `backward_input`, but im2col is "
        f"{1 / weight:.1f} times as fast in `backward_weight`, where direct convolution's vectors run along the "
        "channels of a tap, and there is one."
    )


def _columns(record: Record) -> str:
    direct, im2col = (_seconds(record, "forward", name) for name in ("direct", "im2col"))
    grid = {i: found for i, found in enumerate(record["convolutions"]) if found["of"] == CROSSOVER}
    many = [i for i, found in grid.items() if found["input"][1] >= MANY]
    ratios = [im2col[i] / direct[i] for i in many if i in direct and i in im2col]
    _require(min(ratios) > 0.8 and max(ratios) < 1.25, f"im2col and direct are alike from {MANY} channels on")
    held = {
        row["convolution"]: row["workspace_bytes"]
        for row in record["rows"]
        if (row["backend"], row["pass"], row["algorithm"]) == (fastest_backend(record), "forward", "im2col")
        and row.get("workspace_bytes")
    }
    largest = max(held, key=lambda i: record["convolutions"][i]["column_bytes"] / held[i])
    found = record["convolutions"][largest]
    images, size = counted(found["input"][0], "image"), readable_bytes(found["column_bytes"])
    return (
        f"**The column matrix costs next to nothing, if nobody writes it out.** That of {brief(found)} would have "
        f"{size} for {images}; a panel at a time, in cache, im2col holds {readable_bytes(held[largest])}, and from "
        f"{MANY} channels on it takes {min(ratios):.2f} to {max(ratios):.2f} of direct convolution's time forward, "
        "whatever the kernel and the image."
    )


def _winograd(record: Record) -> str:
    peak = sorted(found["flops"] for found in record["peaks"])[len(record["peaks"]) // 2]
    backend = fastest_backend(record)
    rows = [row for row in record["rows"] if (row["backend"], row["algorithm"]) == (backend, "winograd")]
    best = max((row for row in rows if "gflops" in row), key=lambda row: row["gflops"])
    seconds = {name: _seconds(record, "forward", name) for name in ("direct", "im2col", "winograd")}
    gains = [
        min(seconds["direct"][i], seconds["im2col"][i]) / seconds["winograd"][i]
        for i in seconds["winograd"]
        if record["convolutions"][i]["weight"][2] == 3
    ]
    won = [w["convolution"] for w in record["winners"] if (w["backend"], w["winner"]) == (backend, "winograd")]
    least = min(record["convolutions"][i]["input"][1] for i in won if record["convolutions"][i]["of"] == CROSSOVER)
    _require(best["gflops"] > peak / 1e9, "Winograd passes the peak")
    return (
        f"**Winograd does more than the processor can**, {best['gflops']:.0f} GFLOP/s, counted as direct convolution, "
        f"on cores that do {peak / 1e9:.0f}; yet with four times fewer products for a 3x3 kernel it is at best "
        f"{max(gains):.1f} times as fast, and on one image it wins nothing below {least} channels: the transforms take "
        "what the products save."
    )


def _seconds(record: Record, phase: str, algorithm: str) -> dict[int, float]:
    """Of an algorithm on the fastest backend, by convolution."""
    wanted = phase, algorithm, fastest_backend(record)
    rows = (row for row in record["rows"] if (row["pass"], row["algorithm"], row["backend"]) == wanted)
    return {row["convolution"]: row["median_seconds"] for row in rows if "median_seconds" in row}


def _require(holds: bool, claim: str) -> None:
    if not holds:
        raise ValueError(f"the record does not say that {claim}: write that lesson in benchmarks/lessons.py anew")
