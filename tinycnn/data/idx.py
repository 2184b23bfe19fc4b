"""The IDX format of MNIST."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from tinycnn.arrays import Array

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


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
    return parse_idx(path, unzipped(path, path.read_bytes()))


def unzipped(path: Path, raw: bytes) -> bytes:
    """The bytes of a file, unpacked where they are gzip's.

    Raises
    ------
    ValueError
        When the gzip file is damaged.
    """
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip file ({error}): fetch it again") from None


def parse_idx(path: Path, raw: bytes) -> Array:
    """The array in the bytes of an IDX file called ``path``; errors as for `read_idx`."""
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
    try:
        array = np.frombuffer(raw, dtype, offset=start).reshape(shape)
    except ValueError as error:  # more axes than NumPy has, or sizes of 0 and too much
        raise ValueError(f"{path} states sizes that no array has: {error}") from None
    return array.astype(dtype.newbyteorder("="))
