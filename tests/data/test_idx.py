"""IDX files: every type, and every way a file can be damaged."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from tests.oracles import data_file
from tinycnn.data import data_directory, mnist, read_idx

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


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYCNN_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    return tmp_path / "mnist"


def write_mnist(folder, images, labels):
    (folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(images, 0x08))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels, 0x08))


def test_mnist_is_found_in_the_data_directory(folder):
    images, labels = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 256, np.array([3, 1])
    write_mnist(folder, images, labels)
    found_images, found_labels = mnist("train")
    np.testing.assert_array_equal(found_images, images)
    np.testing.assert_array_equal(found_labels, labels)


def test_a_missing_file_is_named_with_the_setting(folder):
    with pytest.raises(FileNotFoundError, match=r"no t10k-images-idx3-ubyte.gz in .*TINYCNN_DATA"):
        mnist("test")


def test_files_that_do_not_belong_together_are_refused(folder):
    write_mnist(folder, np.zeros((2, 28, 28)), np.zeros(3))
    with pytest.raises(ValueError, match=r"images \(2, 28, 28\) and labels \(3,\) do not belong together"):
        mnist("train")


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="split must be"):
        mnist("validation")


def test_without_a_setting_the_cache_directory_is_used(monkeypatch, tmp_path):
    monkeypatch.delenv("TINYCNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_directory() == tmp_path / "tinycnn"


def test_the_real_test_images_are_those_published():
    path = data_file("mnist/t10k-images-idx3-ubyte.gz")
    assert hashlib.md5(gzip.decompress(path.read_bytes())).hexdigest() == "2646ac647ad5339dbf082846283269ea"
    assert read_idx(path).shape == (10_000, 28, 28)
