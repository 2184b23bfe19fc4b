"""Files that are never half-written: written beside and renamed; arrays in safetensors, with a description and a digest.

Nothing is ever unpickled. A file of arrays carries a JSON description in its header and the SHA-256 of both together,
so that a file that was cut short or altered is refused instead of read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.arrays import Array

FORMAT = "tinycnn 1"
PARTIAL = ".part"
"""How the names of files end that are being written; one that is left over was interrupted, and may be removed."""


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by this text, at once or not at all."""
    replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Let ``write`` make a file beside ``path``, then rename it over ``path``: a reader sees the old one or the new one.

    Raises
    ------
    OSError
        When it cannot be written, for example on a full disk; ``path`` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        write(temporary)
        flush_to_disk(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_to_disk(path.parent)


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
        NumPy arrays by name.
    description
        Anything that JSON can hold; floats come back exactly.

    Raises
    ------
    OSError
        When it cannot be written; the file is as it was.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    text = json.dumps(description, allow_nan=False)
    metadata = {"format": FORMAT, "description": text, "sha256": _digest(text, arrays)}

    def write(temporary: Path) -> None:
        try:
            save_file(arrays, temporary, metadata)
        except SafetensorError as error:  # an OSError that its library has wrapped
            raise OSError(f"{path} could not be written: {error}") from None

    replace(path, write)


def load_arrays(path: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `save_arrays` wrote.

    Returns
    -------
    tuple
        Arrays by name, and the description.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
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
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118: a safe_open is no mapping
    except (SafetensorError, TypeError) as error:  # TypeError: a number format that NumPy lacks
        raise ValueError(f"{path} is no file of tinycnn, or is damaged ({error})") from None
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "none")
        raise ValueError(f"{path} was not written by this tinycnn: its format is {found!r}, expected {FORMAT!r}")
    text = metadata.get("description", "")
    if metadata.get("sha256") != _digest(text, arrays):
        raise ValueError(f"{path} was altered after it was written: its checksum does not hold; use another copy")
    return arrays, json.loads(text)


def _digest(text: str, arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()
