"""The pictures of the convolution lab: all that a record has data for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tinycnn.benchmarks.conv.convolutions import CROSSOVER
from tinycnn.benchmarks.pictures.crossover import PAIR, crossover
from tinycnn.benchmarks.pictures.kinds import kinds
from tinycnn.benchmarks.pictures.layers import layers
from tinycnn.benchmarks.pictures.looks import measured, save
from tinycnn.benchmarks.pictures.roofline import roofline


def draw(record: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the pictures of a record into a folder.

    Parameters
    ----------
    record
        Of ``tinycnn bench conv``: ``roofline.png``, ``layers-MODEL.png`` for each model, ``crossover-PASS.png`` for
        each pass of the grid. Of ``tinycnn bench models``: ``kinds.png``.
    folder
        Where they are written; made where there is none.

    Returns
    -------
    list
        The files.

    Raises
    ------
    ModuleNotFoundError
        When matplotlib is not installed.
    OSError
        When a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, make in _pictures(record):
        save(make(), folder / f"{name}.png")
        written.append(folder / f"{name}.png")
    return written


def _pictures(record: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    if record["kind"] == "models":
        if any("kinds" in row for row in record["rows"]):
            yield "kinds", partial(kinds, record)
        return
    of = [entry["of"] for entry in record["convolutions"]]
    found = {phase: {(of[i], name) for i, name in measured(record, phase)} for phase in record["settings"]["passes"]}
    measured_of = {name for pairs in found.values() for name, _ in pairs}
    models = [name for name in dict.fromkeys(of) if name in measured_of and name != CROSSOVER]
    if models:
        yield "roofline", partial(roofline, record)
    for name in models:
        yield f"layers-{name}", partial(layers, record, name)
    for phase, pairs in found.items():
        if all((CROSSOVER, name) in pairs for name in PAIR):
            yield f"crossover-{phase}", partial(crossover, record, phase)
