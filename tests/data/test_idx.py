"""IDX files: every type, and every way a file can be damaged."""

import gzip
import hashlib
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracles import data_file
from tinycnn.data import read_idx

CODES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def idx_bytes(array, code):
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(CODES[code]).tobytes()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("code", CODES)
def test_every_type_is_read(tmp_path, rng, code, zipped):
    array = rng.integers(0, 100, (3, 4, 5)).astype(CODES[code])
    raw = idx_bytes(array, code)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    found = read_idx(path)
    np.testing.assert_array_equal(found, array)
    assert found.dtype.isnative
    assert found.flags.writeable


GOOD = idx_bytes(np.arange(6).reshape(2, 3), 0x08)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is no IDX file: it starts with nothing"),
        (b"\x89PNG....", "is no IDX file: it starts with 89 50 4e 47"),
        (b"\0\0\x07\x01" + b"\0" * 8, "is no IDX file"),
        (GOOD[:6], "is cut short: 6 bytes do not hold a header of 12"),
        (GOOD[:-1], r"is cut short: its header states \(2, 3\), 18 bytes in all, it has 17"),
        (GOOD + b"x", "is too long"),
        (gzip.compress(GOOD)[:-9], "is a damaged gzip file"),
        (gzip.compress(GOOD)[:12] + b"\xff\xff" + gzip.compress(GOOD)[14:], "is a damaged gzip file"),
    ],
    ids=["empty", "other format", "unknown type", "header cut", "data cut", "too long", "gzip cut", "gzip altered"],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, raw, message):
    path = tmp_path / "file"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        read_idx(path)


def array_or_sentence(path):
    """What reading gives, or the one line that says why not."""
    try:
        return read_idx(path)
    except ValueError as error:
        message = str(error)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@given(raw=st.binary(max_size=24), code=st.sampled_from([*CODES]), axes=st.integers(0, 5) | st.integers(60, 70))
def test_whatever_the_header_says_there_is_an_array_or_one_sentence(tmp_path_factory, raw, code, axes):
    path = tmp_path_factory.getbasetemp() / "random.idx"
    path.write_bytes(bytes([0, 0, code, axes]) + raw)
    found = array_or_sentence(path)
    assert isinstance(found, str) or idx_bytes(found, code) == path.read_bytes()


@pytest.mark.parametrize("sizes", [[1] * 65, [2**32 - 1, 2**32 - 1, 0]], ids=["65 axes", "too large"])
def test_sizes_that_numpy_cannot_have_are_refused_in_one_sentence(tmp_path, sizes):
    path = tmp_path / "file"
    data = b"x" * math.prod(sizes)
    path.write_bytes(bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + data)
    with pytest.raises(ValueError, match="file states sizes that no array has"):
        read_idx(path)


def test_a_gzip_file_altered_in_any_byte_or_cut_anywhere_gives_the_array_or_one_sentence(tmp_path):
    path = tmp_path / "file"
    content = gzip.compress(GOOD, mtime=0)
    damaged = [content[:index] + bytes([content[index] ^ 0xFF]) + content[index + 1 :] for index in range(len(content))]
    damaged += [content[:length] for length in range(len(content))]
    arrays = []
    for raw in damaged:
        path.write_bytes(raw)
        found = array_or_sentence(path)
        arrays += [] if isinstance(found, str) else [found]
    assert len(arrays) < 10, "only the time of packing and the like may change unnoticed"
    for array in arrays:
        np.testing.assert_array_equal(array, np.arange(6).reshape(2, 3))


def test_the_real_test_images_are_those_published():
    path = data_file("mnist/t10k-images-idx3-ubyte.gz")
    assert hashlib.md5(gzip.decompress(path.read_bytes())).hexdigest() == "2646ac647ad5339dbf082846283269ea"
    assert read_idx(path).shape == (10_000, 28, 28)
