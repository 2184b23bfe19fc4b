"""Convolution algorithms that were measured to be the fastest here, kept in a file of the user's.

`tinycnn bench tune` measures and stores, `tinycnn.backend` looks up. The file is JSON with a checksum. It may hold
tables of several machines that share a home, and of several versions: a table counts where the processor, the versions
of what computes, the backend and the number of threads are those it was measured with.

Whatever is wrong with the file, nothing fails for it: one line says so, and the rules of `tinycnn.kernels.choice` hold.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.storage import user_cache, write_text
from tinycnn.version import __version__

FORMAT = "tinycnn tuned convolutions 1"
MOST_BYTES = 1 << 24

Choices = dict[tuple[str, ConvGeometry], str]
"""The fastest algorithm by pass and geometry."""
Where = tuple[tuple[str, Any], ...]
"""What a table was measured with, by name, in order."""


def table_path() -> Path:
    """The file: the one that ``TINYCNN_TUNED`` names, or ``tinycnn/convolutions.json`` in the user's cache."""
    if named := os.environ.get("TINYCNN_TUNED"):
        return Path(named).expanduser()
    return user_cache() / "convolutions.json"


def tuned(backend: str, threads: int) -> Choices:
    """The stored choices that count for a loaded backend on this machine; the file is read once a process."""
    tables = _tables()
    return tables.get(_where(backend, threads), {}) if tables else {}


def in_use() -> bool:
    """Whether the file holds anything at all."""
    return bool(_tables())


def stored_here() -> dict[tuple[str, int], int]:
    """How many stored choices count on this machine, by backend and number of threads; of backends that are loaded."""
    found: dict[tuple[str, int], int] = {}
    for where, choices in _tables().items():
        about: dict[str, Any] = dict(where)
        backend, threads = about.get("backend", ""), about.get("threads", 0)
        if where == _where(backend, threads):
            found[backend, threads] = len(choices)
    return found


def digest(choices: Choices) -> str:
    """Twelve letters that tell apart two tables of choices, whatever their order."""
    return hashlib.sha256(json.dumps(_rows(choices)).encode()).hexdigest()[:12]


def store(backend: str, threads: int, choices: Choices) -> Path:
    """Add choices to the file; what else it holds stays, also when two processes store at once.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    OSError
        When it cannot be written, saying what to do; it is as it was.
    """
    path = table_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _held(path.parent):
            try:
                tables = _read(path)
            except (OSError, ValueError):  # damaged: this replaces it
                tables = {}
            tables.setdefault(_where(backend, threads), {}).update(choices)
            write_text(path, _as_text(tables))
    except OSError as error:
        raise _cannot_be_stored(path, error.strerror or str(error)) from None
    reread()
    return path


def require_storable() -> None:
    """Refuse, before minutes are spent on measuring, a file that could not be written.

    Raises
    ------
    OSError
        As `store`.
    """
    path = table_path()
    with suppress(PermissionError):  # of a folder that may not be looked into; the next line tells
        if path.exists() and not path.is_file():
            raise _cannot_be_stored(path, "it is no regular file")
    folder = next(place for place in path.absolute().parents if os.path.lexists(place))
    if not folder.is_dir():
        raise _cannot_be_stored(path, f"{folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise _cannot_be_stored(path, f"{folder} cannot be written to")


def forget() -> bool:
    """Delete the file; whether there was one.

    Raises
    ------
    OSError
        When it cannot be deleted.
    """
    path = table_path()
    reread()
    try:
        with _held(path.parent):
            path.unlink()
    except FileNotFoundError:
        return False
    return True


def reread() -> None:
    """Read the file anew when a choice is next asked for. `tinycnn.backend.forget_choices` calls this."""
    _tables.cache_clear()


@cache
def machine() -> str:
    """The kind of processor."""
    names = ("model name", "cpu family", "model", "CPU implementer", "CPU part")
    found: dict[str, str] = {}
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    parts = [found[name] if name == "model name" else f"{name} {found[name]}" for name in names if name in found]
    return ", ".join([platform.machine(), *parts])


@cache
def _tables() -> dict[Where, Choices]:
    try:
        path = table_path()
    except RuntimeError:  # nobody knows the home folder
        return {}
    try:
        return _read(path)
    except OSError as error:
        _say_that_it_is_not_used(path, error.strerror or str(error))
    except ValueError as error:
        _say_that_it_is_not_used(path, str(error))
    return {}


def _read(path: Path) -> dict[Where, Choices]:
    """All tables of a file, none where there is no file.

    Raises
    ------
    ValueError
        Saying in what way it is damaged.
    OSError
        When it cannot be read.
    """
    if not path.is_file():  # a pipe would make us wait
        if path.exists():
            raise ValueError("it is no regular file")
        return {}
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON, or cut short") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    if content.get("sha256") != _checksum(content.get("tables")):
        raise ValueError("its checksum does not hold")
    try:
        return {
            tuple(sorted(table["where"].items())): {
                (str(row["pass"]), _geometry(row["geometry"])): str(row["algorithm"]) for row in table["choices"]
            }
            for table in content["tables"]
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError("it does not hold what its format says") from None


def _as_text(tables: Mapping[Where, Choices]) -> str:
    plain = [{"where": dict(where), "choices": _rows(choices)} for where, choices in tables.items()]
    return json.dumps({"format": FORMAT, "sha256": _checksum(plain), "tables": plain}, indent=1) + "\n"


def _checksum(tables: Any) -> str:
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


def _rows(choices: Choices) -> list[dict[str, Any]]:
    rows = [
        {
            "pass": phase,
            "geometry": {
                "sizes": [g.N, g.C, g.K, g.groups],
                "rows": _numbers(g.rows),
                "columns": _numbers(g.columns),
            },
            "algorithm": algorithm,
        }
        for (phase, g), algorithm in choices.items()
    ]
    return sorted(rows, key=json.dumps)


def _numbers(axis: Axis) -> list[int]:
    return [axis.size, axis.kernel, axis.stride, axis.lead, axis.trail, axis.dilation]


def _geometry(stored: Any) -> ConvGeometry:
    numbers = [*stored["rows"], *stored["columns"], *stored["sizes"]]
    if len(numbers) != 16 or any(type(number) is not int for number in numbers):
        raise ValueError(f"no geometry: {stored}")
    return ConvGeometry(Axis(*numbers[:6]), Axis(*numbers[6:12]), *numbers[12:])


def _where(backend: str, threads: Any) -> Where:
    """What the speed of a backend's kernels depends on."""
    found = {"backend": backend, "threads": threads, "machine": machine()}
    found |= {"tinycnn": __version__, "numpy": np.__version__}
    if backend == "numba" and "numba" in sys.modules:
        found["numba"] = sys.modules["numba"].__version__
    return tuple(sorted(found.items()))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other processes from changing files in a folder that do so under this too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _cannot_be_stored(path: Path, reason: str) -> OSError:
    return OSError(f"{path} cannot be written ({reason}): name another file in TINYCNN_TUNED")


def _say_that_it_is_not_used(path: Path, reason: str) -> None:
    # Not warnings.warn, which can be made to raise.
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(
                f"tinycnn: {path}, the table of tuned convolutions, is not used ({reason}); tinycnn bench tune makes "
                "a new one, and with --forget it is deleted",
                file=sys.stderr,
            )
