"""The records of the lab as tables in Markdown, for the README."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import Any, NamedTuple

from tinycnn.benchmarks.conv.convolutions import CROSSOVER, brief
from tinycnn.benchmarks.lessons import WIDTH, lessons
from tinycnn.benchmarks.models.layers import KINDS
from tinycnn.benchmarks.pictures.looks import (
    ALGORITHMS,
    PEERS,
    fastest_backend,
    measured,
    outcomes,
)
from tinycnn.wording import counted, milliseconds, percent, readable_bytes, three_digits

Record = Mapping[str, Any]
NOTHING = "–"
LIBRARIES = {"tinycnn": "tinycnn", "python": "Python", "numpy": "NumPy", "numba": "Numba"} | PEERS


class Records(NamedTuple):
    """The two that tables are made of, and where they lie."""

    conv: Record
    models: Record
    conv_path: Path
    models_path: Path


def convolutions(records: Records) -> str:
    """Who wins each pass of each layer, in how many milliseconds, at which rate and share of the peak."""
    record = records.conv
    passes = record["settings"]["passes"]
    rows = [["layer", "convolution", *passes]]
    times = {phase: measured(record, phase) for phase in passes}
    won = {phase: outcomes(record, phase) for phase in passes}
    for i, found in _layers(record):
        cells = (_winner(won[phase][i], times[phase], i) if i in won[phase] else "not measured" for phase in passes)
        rows.append([_name(found), brief(found), *cells])
    return _table(rows)


def against_torch(records: Records) -> str:
    """How many times as fast as PyTorch what ``auto`` runs is, in each pass of each layer.

    Raises
    ------
    ValueError
        When PyTorch was not measured.
    """
    record = records.conv
    passes = record["settings"]["passes"]
    duels = {(row["convolution"], row["pass"]): row for row in record["against"] if row["peer"] == "torch"}
    if not duels:
        raise ValueError(f"{records.conv_path.name} has no PyTorch in it: measure with --against torch")
    rows = [["layer", "convolution", *passes]]
    for i, found in _layers(record):
        rows.append([_name(found), brief(found), *(_duel(duels.get((i, phase), {})) for phase in passes)])
    return _table(rows)


def numba_over_numpy(records: Records) -> str:
    """How many times as fast an algorithm is in Numba, from the least to the most of a model's layers and passes.

    Raises
    ------
    ValueError
        When not both were measured.
    """
    record = records.conv
    seconds = {
        (row["convolution"], row["pass"], row["algorithm"], row["backend"]): row["median_seconds"]
        for row in record["rows"]
        if "median_seconds" in row
    }
    if {backend for *_, backend in seconds} < {"numpy", "numba"}:
        raise ValueError(f"{records.conv_path.name} has not both numpy and numba in it: measure with both backends")
    ratios: dict[tuple[str, str], list[float]] = {}
    for (i, phase, algorithm, backend), time in seconds.items():
        if backend == "numba" and (i, phase, algorithm, "numpy") in seconds:
            of = record["convolutions"][i]["of"]
            ratios.setdefault((of, algorithm), []).append(seconds[i, phase, algorithm, "numpy"] / time)
    names = [name for name in ALGORITHMS if any(name == algorithm for _, algorithm in ratios)]
    models = dict.fromkeys(found["of"] for _, found in _layers(record))
    rows = [["model", *names]]
    rows += [[model, *(_range(ratios.get((model, name), [])) for name in names)] for model in models]
    return _table(rows)


def models(records: Records) -> str:
    """Time, rate and memory of each model's step, and how many times as fast as peers it is."""
    record = records.models
    peers = [peer for peer in record["settings"]["against"] if any(row["peer"] == peer for row in record["against"])]
    duels = {(*_step(row), row["peer"]): row for row in record["against"]}
    titles = ["ms a step", "images/s", "of peak", "peak memory", *(f"times as fast as {PEERS[peer]}" for peer in peers)]
    rows = [["model", "work", *_more(record), "images", *titles]]
    for row in _ours(record):
        cells = [milliseconds(row["median_seconds"]), three_digits(row["images_per_second"])]
        cells += [percent(row["share_of_peak"], 0), readable_bytes(row["peak_bytes"])]
        cells += [_ratio(duels.get((*_step(row), peer), {})) for peer in peers]
        rows.append([*_work(record, row), *cells])
    first = len(rows[0]) - len(titles) - 1
    return _table(rows, right=range(first, first + 5))


def kinds(records: Records) -> str:
    """Where the time of each model's step goes, in percent."""
    record = records.models
    split = [row for row in _ours(record) if "kinds" in row]
    names = [name for name in KINDS if any(row["kinds"][name] for row in split)]
    rows = [["model", "work", *_more(record), "images", *names]]
    for row in split:
        parts = (row["kinds"][name] / row["unfused_seconds"] for name in names)
        rows.append([*_work(record, row), *(percent(part, 0) if part > 0 else NOTHING for part in parts)])
    return _table(rows, right=range(len(rows[0]) - len(names) - 1, len(rows[0])))


def machine(records: Records) -> str:
    """When and on what it was measured, and where the records are."""
    conv, found = records.conv, records.conv["machine"]
    for what in ("processor", "cores"):
        if found[what] != records.models["machine"][what]:
            raise ValueError(
                f"{records.conv_path.name} and {records.models_path.name} are of machines with another {what}"
            )
    dates = " and ".join(sorted({conv["date"], records.models["date"]}))
    threads = conv["settings"]["threads"]
    held = ", ".join(f"{name} {readable_bytes(size)}" for name, size in found["caches"].items())
    flops, moved = (median(peak[what] for peak in conv["peaks"]) / 1e9 for what in ("flops", "bytes"))
    known = records.models["environment"] | conv["environment"]
    versions = ", ".join(f"{told} {known[name]}" for name, told in LIBRARIES.items() if name in known)
    told = (
        f"Measured on {dates} with {counted(threads, 'thread')} of {counted(found['cores'], 'core')} "
        f"({found['processor']}; caches: {held}), which do {flops:.0f} GFLOP/s and move {moved:.1f} GB/s at most, "
        f"by {versions}; the records are `{records.conv_path.name}` and `{records.models_path.name}` in "
        "`benchmarks/results/`."
    )
    return fill(told, WIDTH, break_on_hyphens=False, break_long_words=False)


def crossover_lessons(records: Records) -> str:
    """See `tinycnn.benchmarks.lessons`."""
    return lessons(records.conv)


TABLES = {
    "lessons": crossover_lessons,
    "conv": convolutions,
    "conv against torch": against_torch,
    "numba over numpy": numba_over_numpy,
    "models": models,
    "kinds": kinds,
    "machine": machine,
}


def _layers(record: Record) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Convolutions of models, with their numbers."""
    return ((i, found) for i, found in enumerate(record["convolutions"]) if found["of"] != CROSSOVER)


def _name(found: Mapping[str, Any]) -> str:
    return f"{found['of']} {found['layers']}".strip() + f", N = {found['input'][0]}"


def _winner(outcome: Mapping[str, Any], times: Mapping[tuple[int, str], Mapping[str, Any]], index: int) -> str:
    names = outcome["tied"] or [outcome["winner"]]
    row = times[index, names[0]]
    about = "~" * row["effective"]
    told = ("tie of " if outcome["tied"] else "") + ", ".join(names)
    rate = f"{about}{three_digits(row['gflops'])} GFLOP/s, {about}{percent(row['share_of_peak'], 0)}"
    return f"{told}: {milliseconds(row['median_seconds'])} ms<br>{rate}"


def _duel(row: Mapping[str, Any]) -> str:
    return _ratio(row) + (f"<br>{row['variant']}" if row.get("variant") else "")


def _ratio(row: Mapping[str, Any]) -> str:
    """How many times as fast, with quartiles; nothing where the peer does not do it."""
    if "times_as_fast" not in row:
        return NOTHING
    low, high = row["quartiles"]
    return f"{row['times_as_fast']:.2f} ({low:.2f} to {high:.2f})"


def _range(ratios: Sequence[float]) -> str:
    """The least to the most."""
    least, most = (f"{edge(ratios):.1f}" if ratios else "" for edge in (min, max))
    return f"{least} to {most}" if ratios else NOTHING


def _ours(record: Record) -> list[Mapping[str, Any]]:
    """Rows of tinycnn on the fastest backend."""
    return [row for row in record["rows"] if row["side"] == fastest_backend(record) and "median_seconds" in row]


def _step(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["model"], row["work"], row["batch"], row["threads"]


def _more(record: Record) -> list[str]:
    """A column of threads where there are several numbers of them."""
    return ["threads"] * (len(record["settings"]["threads"]) > 1)


def _work(record: Record, row: Mapping[str, Any]) -> list[str]:
    return [row["model"], row["work"], *(str(row["threads"]) for _ in _more(record)), str(row["batch"])]


def _table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Markdown whose columns are as wide in the source; those numbered in ``right`` end alike."""
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    lines = [
        " | ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    rule = "|".join("-" * (w + 1) + (":" if i in right else "-") for i, w in enumerate(widths))
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])
