"""What ``tinycnn bench conv`` prints: tables of convolutions, maps of the grid, ratios to peers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from tinycnn.benchmarks.conv.convolutions import CROSSOVER, title
from tinycnn.benchmarks.pictures.looks import ALGORITHMS
from tinycnn.wording import counted, readable_bytes, table

LETTERS = {name: look.letter for name, look in ALGORITHMS.items()}
Row = Mapping[str, Any]


def report(record: Mapping[str, Any]) -> str:
    """A record of kind ``"conv"`` as text."""
    blocks = [_machine(record)]
    for index, found in enumerate(record["convolutions"]):
        if found["of"] != CROSSOVER:
            blocks.append("\n".join(_convolution(record, index, found)))
    blocks += _maps(record)
    blocks += _peers(record)
    return "\n\n".join(blocks)


def _machine(record: Mapping[str, Any]) -> str:
    flops, moved = (median(peak[what] for peak in record["peaks"]) for what in ("flops", "bytes"))
    by, threads = record["peaks"][0]["flops_by"], counted(record["settings"]["threads"], "thread")
    return (
        f"peaks of this machine on {threads}: {flops / 1e9:.0f} GFLOP/s ({by}), {moved / 1e9:.1f} GB/s: "
        f"{flops / moved:.1f} operations a byte\n"
        "~ an effective rate, counted as direct convolution; * what auto runs; error: largest over rms of float64's"
    )


def _convolution(record: Mapping[str, Any], index: int, found: Row) -> Iterator[str]:
    intensity = found["flops"] / found["least_bytes"]
    moved = f"{readable_bytes(found['least_bytes'])} to move at the least"
    yield f"{title(found)} · {found['flops'] / 1e9:.3g} GFLOP, {moved}, {intensity:.1f} operations a byte"
    cells: list[tuple[str, ...]] = [
        ("pass", "backend", "algorithm", "ms", "quartiles", "GFLOP/s", "of peak", "workspace", "error", "")
    ]
    winners = {(w["pass"], w["backend"]): w for w in record["winners"] if w["convolution"] == index}
    found_rows = [row for row in record["rows"] if row["convolution"] == index]
    for phase in record["settings"]["passes"]:
        for row in (row for row in found_rows if row["pass"] == phase):
            outcome = winners.get((phase, row["backend"]))
            cells.append((*_cells(row), _mark(row["algorithm"], outcome) if outcome else ""))
    yield table(cells, right={3, 5, 6, 7, 8})
    yield from dict.fromkeys(f"  {row['backend']}: {row['cannot']}" for row in found_rows if "cannot" in row)
    for (phase, backend), outcome in winners.items():
        yield f"  {phase}, {backend}: {_outcome(outcome)}: {outcome['why']}"


def _mark(algorithm: str, outcome: Row) -> str:
    return "wins" if algorithm == outcome["winner"] else "ties" if algorithm in outcome["tied"] else ""


def _outcome(found: Row) -> str:
    if found["tied"]:
        return f"a tie of {' and '.join(found['tied'])}"
    return f"{found['winner']} wins" + (f", {found['ahead']:.2f} times as fast" if found["ahead"] > 1 else "")


def _cells(row: Row) -> tuple[str, ...]:
    start = row["pass"], row["backend"], row["algorithm"] + "*" * row["auto"]
    about = readable_bytes(row["workspace_bytes"]) if "workspace_bytes" in row else ""
    error = f"{row['error']:.0e}" if "error" in row else ""
    if "cannot" in row:
        return *start, "cannot", "", "", "", "", ""
    if "skipped" in row:
        return *start, f"about {1e3 * row['estimated_seconds']:.0f}", "not measured", "", "", about, error
    low, high = (f"{1e3 * seconds:.3g}" for seconds in row["quartiles_seconds"])
    rate = f"{'~' * row['effective']}{row['gflops']:.1f}"
    share = f"{100 * row['share_of_peak']:.1f} %"
    return *start, f"{1e3 * row['median_seconds']:.3g}", f"{low} to {high}", rate, share, about, error


def _maps(record: Mapping[str, Any]) -> Iterator[str]:
    """Who wins on the grid: a letter for each channel count and image size, two for a tie."""
    places = {
        (index, found["weight"][2]): (found["input"][2], found["input"][1])
        for index, found in enumerate(record["convolutions"])
        if found["of"] == CROSSOVER
    }
    if not places:
        return
    letters = ", ".join(f"{letter} {name}" for name, letter in LETTERS.items())
    yield f"crossover: who wins by channels (across) and image size (down); {letters}; several letters are a tie"
    outcomes = {(found["backend"], found["pass"], found["convolution"]): found for found in record["winners"]}
    for backend in record["settings"]["backends"]:
        for phase in record["settings"]["passes"]:
            for kernel in sorted({kernel for _, kernel in places}):
                here = {place: outcomes.get((backend, phase, i)) for (i, k), place in places.items() if k == kernel}
                yield f"{backend} {phase}, {kernel}x{kernel}\n{_map(here)}"


def _map(outcomes: Mapping[tuple[int, int], Row | None]) -> str:
    sizes, channels = (sorted({place[axis] for place in outcomes}) for axis in (0, 1))
    rows = [("", *map(str, channels))]
    for size in sizes:
        found = [outcomes[size, count] for count in channels]
        rows.append((f"{size}x{size}", *("".join(LETTERS[n] for n in _winners(f)) if f else "" for f in found)))
    return table(rows, right=range(len(channels) + 1))


def _winners(found: Row) -> Sequence[str]:
    tied: Sequence[str] = found["tied"]
    return tied or [found["winner"]]


def _peers(record: Mapping[str, Any]) -> Iterator[str]:
    """How many times as fast as each peer what auto runs is, a line for each convolution."""
    for peer in record["settings"]["against"]:
        rows = [("times as fast as " + peer, *record["settings"]["passes"])]
        for index, found in enumerate(record["convolutions"]):
            duels = {r["pass"]: r for r in record["against"] if (r["convolution"], r["peer"]) == (index, peer)}
            if duels:
                told = (_duel(duels[phase]) if phase in duels else "" for phase in record["settings"]["passes"])
                rows.append((title(found), *told))
        yield table(rows)


def _duel(row: Row) -> str:
    if "cannot" in row:
        return row["cannot"] if len(row["cannot"]) < 40 else "cannot"
    low, high = row["quartiles"]
    way = f", {row['variant']}" if row["variant"] else ""
    return f"{row['times_as_fast']:.2f} ({low:.2f} to {high:.2f}{way})"
