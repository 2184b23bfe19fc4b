"""What hostile code handed back: looked at byte by byte, rebuilt from what is well-formed, the rest thrown away.

A worker in which a learner's code ran can have written anything: a link to another learner's answers, a pipe that is
never filled, an archive of a few bytes that unpacks to gigabytes, JSON a million brackets deep, a tree of folders
deeper than Python's stack. What is left after `settle` are three plain files of a known form and size.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.arrays import Array

REPORT, ARRAYS, PROGRESS = "result.json", "results.npz", "progress"
MOST = {REPORT: 2**20, ARRAYS: 2**24, PROGRESS: 2**12}
"""Bytes that a file may have."""

UNPACKED = 2**24
"""Bytes that all arrays together may have."""

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

TEXT = 4000
"""Characters that are kept of a text."""

LOADS = ("syntax", "unreadable", "import", "raised", "missing", "not yours")
KINDS = ("array", "text", "none", "other")
NO_XML = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no page, no XML and no terminal should get."""


class Unfit(ValueError):
    """What was handed back is not what a worker writes."""


def settle(out: Path, calls: int) -> bool:
    """Leave in a worker's output folder only what is well-formed; whether that is a whole report.

    Parameters
    ----------
    out
        The folder; nothing runs any more that may write there.
    calls
        How many there were.
    """
    found: dict[str, bytes] = {}
    for name, most in MOST.items():
        try:
            found[name] = plain_bytes(out / name, most)
        except (OSError, Unfit):
            continue
    empty(out)
    begun = min(len(found.get(PROGRESS, b"").split()), calls)
    (out / PROGRESS).write_text("".join(f"{number}\n" for number in range(begun)))
    try:
        report = _report(found[REPORT], calls)
        arrays = _arrays(found[ARRAYS], report)
    except (KeyError, Unfit):
        return False
    (out / REPORT).write_text(json.dumps(report), encoding="utf-8")
    np.savez(out / ARRAYS, **arrays)  # type: ignore[arg-type]
    return True


def plain_bytes(path: Path, most: int) -> bytes:
    """The bytes of a file that is neither a link, nor a pipe, nor a device, nor too large.

    Raises
    ------
    OSError
        Where it is not there, is a link, or may not be read.
    Unfit
        Where it is "special" as a pipe is, a "second" name of another file, or too "large".
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unfit("special")
        if status.st_nlink != 1:
            raise Unfit("second")
        if status.st_size > most:
            raise Unfit("large")
        return file.read(most)


def empty(folder: Path) -> None:
    """Remove all that a folder holds, without recursion, and by no path: its tree may be too deep for either."""
    here = os.open(folder, FOLDER)
    names, pending = [], [_without_files(here)]
    while pending:
        if pending[-1]:
            names.append(pending[-1].pop())
            os.chmod(names[-1], 0o700, dir_fd=here)
            here = _moved(here, names[-1])
            pending.append(_without_files(here))
        else:
            pending.pop()
            if names:
                here = _moved(here, "..")
                os.rmdir(names.pop(), dir_fd=here)
    os.close(here)


def _moved(here: int, name: str) -> int:
    """From an open folder to the one above or below it."""
    there = os.open(name, FOLDER, dir_fd=here)
    os.close(here)
    return there


def _without_files(here: int) -> list[str]:
    """Remove what is no folder from an open folder, and return the names of those that are."""
    folders = []
    for entry in list(os.scandir(here)):
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
        else:
            os.unlink(entry.name, dir_fd=here)
    return folders


def printable(text: str, most: int = TEXT) -> str:
    r"""A text that may stand in a page, in XML and on a terminal.

    Examples
    --------
    >>> printable("a\x1b[31m b")
    'a�[31m b'
    """
    return NO_XML.sub("\ufffd", text[:most])


def _report(data: bytes, calls: int) -> dict[str, Any]:
    """What the worker says, key by key."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unfit("it is no JSON") from error
    told = _mapping(told)
    cases = told.get("cases")
    modules = told.get("modules")
    if not isinstance(cases, list) or len(cases) > calls or not isinstance(modules, list):
        raise Unfit("it does not tell of every call")
    return {
        "load": _fault(told.get("load"), LOADS),
        "cases": [_case(case) for case in cases],
        "modules": [_text(name) for name in modules[:20]],
    }


def _case(told: Any) -> dict[str, Any]:
    case = _mapping(told)
    results = _mapping(case.get("results"))
    damaged = case.get("damaged")
    if not isinstance(damaged, list) or len(results) > 50:
        raise Unfit("a call is told of in another form")
    return {
        "results": {name: _result(result) for name, result in results.items() if printable(name, 100) == name},
        "raised": _fault(case.get("raised")),
        "damaged": [_text(name) for name in damaged[:20]],
        "printed": _text(case.get("printed")),
    }


def _result(told: Any) -> dict[str, Any]:
    result = _mapping(told)
    kind, text = result.get("kind"), result.get("text")
    if kind not in KINDS:
        raise Unfit("a result is of no known kind")
    return {"kind": kind, "text": None if kind == "none" else _text(text)}


def _fault(told: Any, kinds: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """What was raised, and where."""
    if told is None:
        return None
    fault = _mapping(told)
    if kinds and fault.get("kind") not in kinds:
        raise Unfit("the file is said to be wrong in no known way")
    line = fault.get("line")
    return {
        **({"kind": fault["kind"]} if kinds else {}),
        **{name: _text(fault.get(name, "")) for name in ("type", "message", "text")},
        "line": line if type(line) is int and 0 < line < 10**6 else None,
    }


def _mapping(told: Any) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise Unfit("an object was expected")
    return told


def _text(told: Any) -> str:
    if not isinstance(told, str):
        raise Unfit("a text was expected")
    return printable(told)


def _arrays(data: bytes, report: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays that the report names, and no others."""
    wanted = [
        f"{number}/{name}"
        for number, case in enumerate(report["cases"])
        for name, result in case["results"].items()
        if result["kind"] == "array"
    ]
    left, found = UNPACKED, {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in wanted:
                with archive.open(f"{name}.npy") as file:
                    content = file.read(left + 1)  # not what the archive says that it has
                left -= len(content)
                found[name] = _array(content, left)
    except Exception as error:  # zipfile raises five kinds by itself, and those of each way to compress
        raise Unfit("it is no archive of arrays") from error
    return found


def _array(content: bytes, left: int) -> Array:
    if left < 0:
        raise Unfit("it unpacks to too much")
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, _, dtype = reader(stream)
    if dtype.kind not in "fiub" or dtype.itemsize > 16:
        raise Unfit(f"an array of {dtype}")
    if math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise Unfit("an array of another size than it says")
    stream.seek(0)
    array: Array = np.lib.format.read_array(stream, allow_pickle=False)
    return array
