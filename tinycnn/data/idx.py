"""The IDX format of MNIST, and where data sets are found."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from tinycnn.arrays import Array

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def data_directory() -> Path:
    """The folder of data sets: ``TINYCNN_DATA``, or ``tinycnn`` in the user's cache directory."""
    named = os.environ.get("TINYCNN_DATA")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinycnn"


def read_idx(path: str | Path) -> Array:
    """Read an IDX file, gzipped or not.

    Parameters
    ----------
    path
        The file: two zero bytes, a type code, the number of axes, their sizes as big-endian 32-bit integers, the data.

    Returns
    -------
    array
        Of the sizes and type that the header states, in native byte order.

    Raises
    ------
    ValueError
        When the file is no IDX file, is cut short, or holds more than its header says.

    Notes
    -----
    LeCun, Cortes, Burges: The MNIST database of handwritten digits, "File formats for the MNIST database".
    """
    path = Path(path)
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is a damaged gzip file ({error}): fetch it again") from None
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in DTYPES:
        raise ValueError(
            f"{path} is no IDX file: it starts with {raw[:4].hex(' ') or 'nothing'}, not 00 00 and a type code"
        )
    axes, dtype = raw[3], np.dtype(DTYPES[raw[2]])
    start = 4 + 4 * axes
    if len(raw) < start:
        raise ValueError(f"{path} is cut short: {len(raw)} bytes do not hold a header of {start}")
    shape = struct.unpack(f">{axes}I", raw[4:start])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(raw) != expected:
        kind = "is cut short" if len(raw) < expected else "is too long"
        raise ValueError(f"{path} {kind}: its header states {shape}, {expected} bytes in all, it has {len(raw)}")
    return np.frombuffer(raw, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def mnist(split: str = "train") -> tuple[Array, Array]:
    """Read MNIST's images and labels from the four original files in ``mnist/`` of the data directory.

    Parameters
    ----------
    split
        ``"train"`` (60,000 images) or ``"test"`` (10,000).

    Returns
    -------
    tuple of array
        Images uint8 (N, 28, 28), ink 255 on 0, and labels uint8 (N,).

    Raises
    ------
    ValueError
        For another split, or files that are damaged or do not belong together.
    FileNotFoundError
        Naming the file and where it was sought.
    """
    prefixes = {"train": "train", "test": "t10k"}
    if split not in prefixes:
        raise ValueError(f'mnist: split must be "train" or "test", got {split!r}')
    images, labels = (
        read_idx(_mnist_file(f"{prefixes[split]}-{name}-ubyte")) for name in ("images-idx3", "labels-idx1")
    )
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"mnist: images {images.shape} and labels {labels.shape} do not belong together; were they swapped?"
        )
    return images, labels


def _mnist_file(name: str) -> Path:
    folder = data_directory() / "mnist"
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"mnist: no {name}.gz in {folder}; put MNIST's four files there, or name their parent folder in TINYCNN_DATA"
    )
