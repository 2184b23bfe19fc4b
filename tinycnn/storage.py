"""Files that are never half-written, as they are made beside and renamed; arrays in safetensors, with a description.

Nothing is ever unpickled. A file of arrays carries a JSON description in its header and the SHA-256 of both together,
so that a file that was cut short or altered is refused instead of read.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.arrays import Array

FORMAT = "tinycnn 1"
METADATA = "__metadata__"
PARTIAL = ".part"
"""How the names of files end that are being written; one that is left over was interrupted, and may be removed."""


def user_cache() -> Path:
    """The folder for what can be made or fetched again: ``tinycnn`` in the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinycnn"


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by this text, at once or not at all."""
    replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Let ``write`` make a file beside ``path``, then rename it over ``path``: a reader sees the old or the new one.

    Raises
    ------
    OSError
        When it cannot be written, for example on a full disk; ``path`` is as it was, unless all that failed is to make
        its new name last through a power cut.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        write(temporary)
        flush_to_disk(temporary)
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # the name that the caller knows
        raise
    flush_to_disk(path.parent)


def unused_name(path: Path) -> Path:
    """A name for an old copy of ``path`` that no file has yet: .old, .old2, …."""
    number, kept = 1, path.with_name(f"{path.name}.old")
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.old{number}")
    return kept


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of names, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_arrays(path: Path, arrays: Mapping[str, Array], description: Mapping[str, Any]) -> None:
    """Write arrays and a description of them, at once or not at all.

    Parameters
    ----------
    path
        The file, usually named ``….safetensors``.
    arrays
        NumPy arrays by name, of real numbers or booleans; they come back in the machine's byte order.
    description
        Anything that JSON can hold; floats come back exactly.

    Raises
    ------
    OSError
        When it cannot be written; the file is as it was.
    TypeError, ValueError
        For an array of another type, or a description that JSON cannot hold, such as one with a NaN.

    Notes
    -----
    The format is that of the safetensors library, which reads it: header, then the arrays, little-endian, in C order.
    The same arrays and description give the same bytes.
    """
    # The large types first, so that each array starts at a multiple of its item's size.
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    plain = {name: _plain(name, arrays[name]) for name in order}
    text = json.dumps(description, allow_nan=False)
    header = _header(plain, {"format": FORMAT, "description": text, "sha256": _digest(text, plain)})

    def write(temporary: Path) -> None:
        # Not safetensors' save_file: it makes a temporary file of its own, which a kill leaves behind, readable by its
        # owner alone, and writes the metadata in a random order.
        with temporary.open("wb") as file:
            file.write(header)
            for array in plain.values():
                file.write(_bytes(array))

    replace(path, write)


def load_arrays(path: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `save_arrays` wrote.

    Returns
    -------
    tuple
        Arrays by name, and the description.

    Raises
    ------
    FileNotFoundError, PermissionError
        When there is no such file, or it may not be read.
    ValueError
        When it is of another kind, cut short, or altered.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "numbers.safetensors"
    >>> save_arrays(path, {"a": np.arange(3)}, {"made": "today"})
    >>> load_arrays(path)
    ({'a': array([0, 1, 2])}, {'made': 'today'})
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file" if path.exists() else f"there is no file {path}")
    path.open("rb").close()  # safetensors calls a file missing that it may not read
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            # A safe_open has keys, but is no mapping.
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError) as error:  # TypeError: a number format that NumPy lacks
        raise ValueError(f"{path} is no file of tinycnn, or is damaged ({error})") from None
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "none")
        raise ValueError(f"{path} was not written by this tinycnn: its format is {found!r}, expected {FORMAT!r}")
    text = metadata.get("description", "")
    if metadata.get("sha256") != _digest(text, arrays):
        raise ValueError(f"{path} was altered after it was written: its checksum does not hold; use another copy")
    return arrays, json.loads(text)


def _plain(name: str, array: Array) -> Array:
    """The array in C order and little-endian."""
    if name == METADATA:
        raise ValueError(f"no array can be called {METADATA}: that is where the description stands")
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"{name!r} has dtype {array.dtype}: a file holds booleans and real numbers of up to 64 bits")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def _header(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """Its length as eight bytes, and the JSON text that says where each array lies after it, filled up with spaces."""
    entries: dict[str, Any] = {METADATA: metadata}
    end = 0
    for name, array in arrays.items():
        kind = "BOOL" if array.dtype.kind == "b" else f"{array.dtype.kind.upper()}{8 * array.dtype.itemsize}"
        start, end = end, end + array.nbytes
        entries[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [start, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _bytes(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _digest(text: str, arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(_bytes(array))
    return digest.hexdigest()
