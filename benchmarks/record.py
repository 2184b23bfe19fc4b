"""Records of the lab: one JSON file each, with the machine and the versions that its figures are of."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path
from typing import Any

from tinycnn import tuning
from tinycnn.storage import write_text
from tinycnn.threads import cores
from tinycnn.training.environment import environment

FORMAT = "tinycnn lab 1"
ALWAYS = {"date", "settings", "environment", "machine", "peaks", "rows", "against"}
NEEDED = {"conv": ALWAYS | {"convolutions", "winners"}, "models": ALWAYS}
DIGITS = 5  # more than any measurement has
RESULTS = Path(__file__).parent / "results"
Record = dict[str, Any]
Say = Callable[[str], None]
"""Is told in a line what comes."""
Progress = Callable[[str, float], AbstractContextManager[Callable[[float], None]]]
"""Given a task and how much there is to do, a context that gives what moves it on, as `tinycnn.cli.bar.bar`."""
Keep = Callable[[Record], None]
"""Is given the record whenever there is more in it."""


def new(kind: str, settings: Mapping[str, Any], libraries: Sequence[str] = ()) -> Record:
    """Start a record.

    Parameters
    ----------
    kind
        ``"conv"`` or ``"models"``.
    settings
        What was asked for.
    libraries
        Distributions whose versions count beside tinycnn's and NumPy's.
    """
    versions = {name: found for name in libraries if (found := _version(name))}
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    machine = {"processor": tuning.machine(), "cores": cores(), "memory": memory, "caches": caches()}
    about = {"format": FORMAT, "kind": kind, "date": date.today().isoformat(), "settings": dict(settings)}
    surroundings = {name: value for name, value in environment().items() if name != "threads"}  # settings have it
    return about | {"environment": surroundings | versions, "machine": machine}


def save(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record, an entry of its lists on a line, with as many digits as mean something."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = ",\n".join(f"{json.dumps(key)}: {_text(value)}" for key, value in rounded(record).items())
    write_text(path, f"{{\n{entries}\n}}\n")


def rounded(value: Any) -> Any:
    """A value that JSON holds, with DIGITS digits of every float in it.

    Examples
    --------
    >>> rounded({"a": [0.123456789, 12345678, "b"]})
    {'a': [0.12346, 12345678, 'b']}
    """
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {name: rounded(part) for name, part in value.items()}
    return [rounded(part) for part in value] if isinstance(value, (list, tuple)) else value


def load(path: Path, kind: str | None = None) -> Record:
    """Read what `save` wrote.

    Raises
    ------
    ValueError, OSError
        When it is no record, or one of another kind than ``kind``.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a record in it, such as {path / 'conv.json'}")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT or NEEDED[record["kind"]] - record.keys():
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is no record of tinycnn bench conv or tinycnn bench models") from None
    if kind not in (None, record["kind"]):
        raise ValueError(f"{path} is a record of tinycnn bench {record['kind']}, expected one of {kind}")
    return dict(record)


def newest(kind: str, folder: Path = RESULTS) -> Path:
    """The last record of a kind among the results that are kept, by the date in its name.

    Raises
    ------
    FileNotFoundError
        When there is none.
    """
    found = sorted(folder.glob(f"{kind}-*.json"))
    if not found:
        raise FileNotFoundError(f"{folder} holds no {kind}-*.json; tinycnn bench {kind} --out DIR makes one")
    return found[-1]


def save_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as a table with a column for each name that any of them has; lists as 4x64x56x56."""
    text = StringIO()
    table = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    table.writeheader()
    table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    write_text(path, text.getvalue())


def require_folder(path: Path) -> None:
    """Refuse, before minutes are spent on measuring, a folder that cannot be written to; made where there is none.

    Raises
    ------
    ValueError, OSError
        Naming it.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"--out must be a folder, {path} is a file")
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
        raise ValueError(f"--out: the folder {path} cannot be written to")


def caches() -> dict[str, int]:
    """Bytes of the caches of the first core, such as ``{"L1d": 32768, "L2": 1048576}``, as far as the system tells."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        with suppress(OSError, ValueError):
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
            if kind != "Instruction":
                unit = {"K": 1 << 10, "M": 1 << 20}.get(size[-1], 1)
                found[f"L{level}{'d' if kind == 'Data' else ''}"] = int(size.rstrip("KM")) * unit
    return found


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _cell(value: Any) -> Any:
    value = rounded(value)
    return "x".join(map(str, value)) if isinstance(value, list) else value


def _text(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f" {json.dumps(entry)}" for entry in value) + "\n]"
    return json.dumps(value)
