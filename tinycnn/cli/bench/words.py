"""What the commands that measure share: what they make of their words, and where they leave what they found."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from tinycnn.backend import cpu_backends, require_backend
from tinycnn.benchmarks.pictures import draw
from tinycnn.benchmarks.record import Record
from tinycnn.choices import look_up
from tinycnn.threads import MOST


def chosen(what: str, names: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """Those asked for, in the usual order; all where none is.

    Raises
    ------
    ValueError
        For one that is unknown, naming the nearest.
    """
    for name in names:
        look_up(what, name, dict.fromkeys(known))
    return tuple(name for name in known if name in (names or known))


def measurable_backends(command: str, names: Sequence[str]) -> tuple[str, ...]:
    """Backends of main memory, the fastest last.

    Raises
    ------
    ValueError
        For one that is not here, or is a GPU's.
    """
    for name in names:
        if name == "cupy":
            raise ValueError(f"{command} measures a CPU; python -m tinycnn.benchmarks.gpu measures a GPU")
        require_backend(name)
    return tuple(name for name in cpu_backends() if name in names)


def require_counts(**counts: Sequence[int | None]) -> None:
    """Refuse numbers below one, and threads beyond what can be set; None was not given.

    Raises
    ------
    ValueError
        Naming the option.
    """
    for option, values in counts.items():
        for value in values:
            if option == "threads" and value is not None and not 1 <= value <= MOST:
                raise ValueError(f"--threads must be from 1 to {MOST}, got {value}")
            if value is not None and value < 1:
                raise ValueError(f"--{option.replace('_', '-')} must be at least 1, got {value}")


def draw_into(folder: Path, record: Record) -> None:
    """Draw a record's pictures where matplotlib is installed, and say where all of it is."""
    try:
        draw(record, folder)
    except ModuleNotFoundError as error:
        print(f"no pictures were drawn: {error}")
    print(f"written to {folder}")
