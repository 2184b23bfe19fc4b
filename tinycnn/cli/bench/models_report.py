"""What ``tinycnn bench models`` prints: for each model a table of its sides, and what takes the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tinycnn.benchmarks.models.layers import KINDS
from tinycnn.wording import counted, milliseconds, percent, readable_bytes, table

HEAD = ("work", "images", "threads")
Row = Mapping[str, Any]


def report(record: Mapping[str, Any]) -> str:
    """A record of kind ``"models"`` as text."""
    blocks = ["\n".join(_peaks(record["peaks"]))]
    for model in record["settings"]["models"]:
        rows = [row for row in record["rows"] if row["model"] == model]
        blocks.append("\n".join(_model(model, rows, record["against"])))
        if any("kinds" in row for row in rows):
            blocks.append("\n".join(_kinds(model, rows)))
            blocks.append("\n".join(_layers(model, rows)))
    return "\n\n".join(blocks)


def _peaks(peaks: Sequence[Row]) -> Iterator[str]:
    for found in peaks:
        rates = f"{found['flops'] / 1e9:.0f} GFLOP/s ({found['flops_by']}), {found['bytes'] / 1e9:.1f} GB/s"
        yield f"peaks of this machine on {counted(found['threads'], 'thread')}: {rates}"


def _model(model: str, rows: Sequence[Row], against: Sequence[Row]) -> Iterator[str]:
    yield model
    cells = [
        (*HEAD, "side", "ms a step", "quartiles", "images/s", "of peak", "memory", "tinycnn is so many times as fast")
    ]
    yield table(cells + [_cells(row, against) for row in rows], right={1, 2, 4, 6, 7, 8})
    yield from dict.fromkeys(f"  {row['cannot']}" for row in rows if "cannot" in row)
    for row in rows:
        if "skipped" in row:
            yield f"  {_side(row)}, {row['work']}, {counted(row['batch'], 'image')}: {row['skipped']}"


def _cells(row: Row, against: Sequence[Row]) -> tuple[str, ...]:
    start = *_case(row), _side(row)
    if "median_seconds" not in row:
        return *start, "", "cannot" if "cannot" in row else "not measured", "", "", "", ""
    low, high = (f"{1e3 * seconds:.3g}" for seconds in row["quartiles_seconds"])
    share = f"{100 * row['share_of_peak']:.1f} %"
    numbers = f"{1e3 * row['median_seconds']:.3g}", f"{low} to {high}", f"{row['images_per_second']:.3g}", share
    return *start, *numbers, readable_bytes(row["peak_bytes"]), ", ".join(_duels(row, against))


def _duels(row: Row, against: Sequence[Row]) -> Iterator[str]:
    """Beside a peer's fastest way: what each backend is compared with it."""
    for duel in against:
        same = all(duel[what] == row[what] for what in ("model", "work", "batch", "threads", "variant"))
        if same and duel["peer"] == row["side"]:
            low, high = duel["quartiles"]
            yield f"{duel['side']} {duel['times_as_fast']:.2f} ({low:.2f} to {high:.2f})"


def _kinds(model: str, rows: Sequence[Row]) -> Iterator[str]:
    split = [row for row in rows if "kinds" in row]
    kinds = [kind for kind in KINDS if any(row["kinds"][kind] for row in split)]
    cells: list[tuple[str, ...]] = [(*HEAD, "side", "ms", *kinds)]
    for row in split:
        whole = row["unfused_seconds"]
        shares = (percent(row["kinds"][kind] / whole, 0) for kind in kinds)
        cells.append((*_case(row), _side(row), f"{1e3 * whole:.3g}", *shares))
    yield f"{model}: what takes the time of a step whose layers run one by one"
    yield table(cells, right={1, 2, *range(4, 5 + len(kinds))})


def _layers(model: str, rows: Sequence[Row]) -> Iterator[str]:
    """The time of each layer in the last step of a kind of work that was split, which is the largest."""
    last = {row["work"]: row for row in rows if "layers" in row}
    for row in last.values():
        whole, cells = row["unfused_seconds"], [("layer", "kind", "forward ms", "backward ms", "of the step")]
        for layer in row["layers"]:
            forward, backward = layer["forward"], layer["backward"]
            if forward or backward:
                share = percent((forward + backward) / whole, 1)
                times = (milliseconds(seconds) if seconds else "" for seconds in (forward, backward))
                cells.append((layer["name"], layer["kind"], *times, share))
        yield f"{model}, {row['work']} with {counted(row['batch'], 'image')}, {_side(row)}, by layer"
        yield table(cells, right={2, 3, 4})


def _case(row: Row) -> tuple[str, str, str]:
    return row["work"], str(row["batch"]), str(row["threads"])


def _side(row: Row) -> str:
    return f"{row['side']}, {row['variant']}" if row["variant"] else str(row["side"])
