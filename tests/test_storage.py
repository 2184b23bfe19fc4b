"""Files of arrays: round trips bit for bit, every damage noticed, nothing unpickled."""

import json
import os
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save, save_file

from tests.rights import open_folder, without_rights
from tinycnn.storage import load_arrays, save_arrays

DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]


def bits(array):
    """The bytes of an array with its dtype and shape: equal only where every bit is, NaNs' too."""
    return array.dtype, array.shape, array.tobytes()


def header_of(content):
    """Where the arrays of a safetensors file start, and its header."""
    start = 8 + int.from_bytes(content[:8], "little")
    return start, json.loads(content[8:start])


def refused(path, error=ValueError):
    """Loading raises this error, in one line that names the file."""
    with pytest.raises(error, match=re.escape(str(path))) as caught:
        load_arrays(path)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("storage") / "file.safetensors"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.safetensors"
    arrays = {"weight": np.arange(6.0).reshape(2, 3), "flags": np.array([True, False]), "n": np.array(7)}
    save_arrays(path, arrays, {"made": "today", "x": 0.1})
    return path.read_bytes()


class TestRoundTrip:
    @given(data=st.data())
    def test_every_bit_comes_back(self, scratch, data):
        shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
        dtypes = st.sampled_from(DTYPES).map(np.dtype)
        keys = st.text(st.characters(codec="utf-8"), max_size=4).map("key {}".format)
        arrays = data.draw(st.dictionaries(keys, hnp.arrays(dtypes, shapes), max_size=3))
        description = {"x": data.draw(st.floats(allow_nan=False, allow_infinity=False)), "text": "".join(arrays)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", lambda descriptor: None)  # nine tenths of the time, and not at stake here
            save_arrays(scratch, arrays, description)
        found, found_description = load_arrays(scratch)
        assert {key: bits(array) for key, array in found.items()} == {key: bits(a) for key, a in arrays.items()}
        assert found_description == description

    @pytest.mark.parametrize("size", [2, 4, 8])
    def test_the_payload_of_a_nan_comes_back(self, scratch, size):
        array = np.full(3, -1, f"i{size}").view(f"f{size}")  # all bits set: a NaN that no arithmetic makes
        save_arrays(scratch, {"nan": array}, {})
        assert bits(load_arrays(scratch)[0]["nan"]) == bits(array)

    def test_views_are_stored_as_what_they_show(self, scratch):
        whole = np.arange(24.0).reshape(4, 6)
        views = {"transposed": whole.T, "steps": whole[::2, ::-3], "broadcast": np.broadcast_to(whole[0], (3, 6))}
        save_arrays(scratch, views, {})
        found, _ = load_arrays(scratch)
        assert {key: bits(array) for key, array in found.items()} == {key: bits(view) for key, view in views.items()}

    @pytest.mark.parametrize("dtype", [">f4", ">i8", ">u2", "<f4"])
    def test_another_byte_order_comes_back_as_the_same_numbers_in_the_machines_own(self, scratch, dtype):
        array = np.array([[1, 2, 3], [250, 0, 7]], dtype)
        save_arrays(scratch, {"a": array}, {})
        found = load_arrays(scratch)[0]["a"]
        assert found.dtype == array.dtype.newbyteorder("=")
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, array)

    def test_what_is_read_can_be_written_to(self, scratch):
        save_arrays(scratch, {"a": np.zeros(3)}, {})
        before = scratch.read_bytes()
        load_arrays(scratch)[0]["a"][:] = 1
        assert scratch.read_bytes() == before

    def test_the_same_content_gives_the_same_bytes(self, scratch):
        arrays = {"b": np.zeros((2, 3)), "a": np.arange(3, dtype="u1"), "c": np.ones(2, bool)}
        save_arrays(scratch, arrays, {"x": 1})
        before = scratch.read_bytes()
        save_arrays(scratch, dict(reversed(arrays.items())), {"x": 1})
        assert scratch.read_bytes() == before

    def test_the_file_is_one_that_safetensors_reads_and_could_have_written(self, scratch):
        arrays = {f"{name} é": np.arange(3).astype(name) for name in DTYPES} | {"none": np.zeros((0, 2))}
        save_arrays(scratch, arrays, {"x": 1})
        found = load_file(scratch)
        assert {name: bits(array) for name, array in found.items()} == {name: bits(a) for name, a in arrays.items()}
        start, header = header_of(scratch.read_bytes())
        _, expected = header_of(save(arrays))
        del header["__metadata__"]
        assert header.keys() == expected.keys()
        for name, entry in header.items():
            first, end = entry.pop("data_offsets")
            del expected[name]["data_offsets"]
            assert entry == expected[name]
            assert (start + first) % arrays[name].itemsize == 0, "a program that maps the file finds arrays aligned"
            assert end - first == arrays[name].nbytes

    def test_no_array_takes_the_place_of_the_description(self, tmp_path):
        with pytest.raises(ValueError, match="no array can be called __metadata__"):
            save_arrays(tmp_path / "a.safetensors", {"__metadata__": np.zeros(3)}, {})
        assert not list(tmp_path.iterdir())

    def test_floats_of_the_description_come_back_exactly(self, scratch):
        values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, float(np.nextafter(1, 2))]
        save_arrays(scratch, {}, {"values": values, "whole": 2**63 + 1})
        description = load_arrays(scratch)[1]
        assert [value.hex() for value in description["values"]] == [value.hex() for value in values]
        assert description["whole"] == 2**63 + 1

    @pytest.mark.parametrize(
        "array",
        [
            np.zeros(2, complex),
            np.zeros(2, "c8"),
            np.zeros(2, "g"),
            np.array(["a"]),
            np.array([None]),
            np.zeros(2, "M8[s]"),
            np.zeros(2, [("a", "f4")]),
        ],
        ids=lambda array: array.dtype.str,
    )
    def test_what_a_file_cannot_hold_is_refused_before_it_is_touched(self, tmp_path, array):
        path = tmp_path / "a.safetensors"
        save_arrays(path, {"a": np.arange(3)}, {})
        before = path.read_bytes()
        with pytest.raises(TypeError, match=r"'weight' has dtype .*: a file holds booleans and real numbers"):
            save_arrays(path, {"weight": array}, {})
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize(("value", "error"), [(float("nan"), ValueError), ({1, 2}, TypeError)])
    def test_a_description_that_json_cannot_hold_is_refused(self, tmp_path, value, error):
        with pytest.raises(error):
            save_arrays(tmp_path / "a.safetensors", {}, {"value": value})
        assert not list(tmp_path.iterdir())


class TestDamage:
    def test_a_byte_that_was_altered_is_noticed_wherever_it_is(self, tmp_path, content):
        path = tmp_path / "file.safetensors"
        for index in range(len(content)):
            altered = bytearray(content)
            altered[index] ^= (0x01, 0x20, 0x80, 0xFF)[index % 4]
            path.write_bytes(altered)
            refused(path)

    def test_a_file_that_was_cut_is_noticed_wherever_that_was(self, tmp_path, content):
        path = tmp_path / "file.safetensors"
        for length in range(len(content)):
            path.write_bytes(content[:length])
            refused(path)
        path.write_bytes(content + b"\0")
        refused(path)

    @pytest.mark.parametrize(
        ("right", "wrong"),
        [
            (b'"shape":[2,3]', b'"shape":[3,2]'),
            (b'"dtype":"F64"', b'"dtype":"I64"'),
            (b'"weight"', b'"height"'),
            (b"today", b"later"),
            (b'"BOOL"', b'"U8"  '),
        ],
    )
    def test_a_header_that_still_makes_sense_but_is_another_is_noticed(self, tmp_path, content, right, wrong):
        assert content.count(right) == 1
        path = tmp_path / "file.safetensors"
        path.write_bytes(content.replace(right, wrong))
        with pytest.raises(ValueError, match="was altered after it was written"):
            load_arrays(path)

    def test_arrays_that_changed_places_are_noticed(self, tmp_path):
        path = tmp_path / "file.safetensors"
        save_arrays(path, {"first": np.arange(3), "other": np.arange(3, 6)}, {})
        content = path.read_bytes().replace(b'"first"', b'"#####"').replace(b'"other"', b'"first"')
        path.write_bytes(content.replace(b'"#####"', b'"other"'))
        with pytest.raises(ValueError, match="was altered after it was written"):
            load_arrays(path)


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


class TestOtherFiles:
    def test_safetensors_of_another_program(self, tmp_path):
        path = tmp_path / "model.safetensors"
        save_file({"a": np.zeros(3)}, path)
        with pytest.raises(ValueError, match=r"was not written by this tinycnn: its format is 'none', expected"):
            load_arrays(path)
        save_file({"a": np.zeros(3)}, path, {"format": "pt"})
        with pytest.raises(ValueError, match=r"its format is 'pt', expected 'tinycnn 1'"):
            load_arrays(path)

    def test_safetensors_of_numbers_that_numpy_lacks(self, tmp_path):
        header = json.dumps({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
        path = tmp_path / "model.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
        refused(path)

    @pytest.mark.parametrize(
        "content",
        [b"", b"{}", b"hello\n" * 9, b"\x89PNG\r\n\x1a\n", pickle.dumps({"a": [1, 2]}), b"\xff" * 64, b"\0" * 64],
        ids=["empty", "json", "text", "png", "pickle", "ones", "zeros"],
    )
    def test_no_safetensors_at_all(self, tmp_path, content):
        path = tmp_path / "model.safetensors"
        path.write_bytes(content)
        refused(path)

    def test_none_or_a_folder(self, tmp_path):
        refused(tmp_path / "none.safetensors", FileNotFoundError)
        refused(tmp_path, FileNotFoundError)

    def test_one_that_may_not_be_read(self):
        with open_folder() as folder:
            path = folder / "file.safetensors"
            save_arrays(path, {"a": np.zeros(3)}, {})
            path.chmod(0)
            with without_rights():
                refused(path, PermissionError)

    def test_nothing_is_unpickled(self, tmp_path):
        path, mark = tmp_path / "bomb.safetensors", tmp_path / "exploded"
        path.write_bytes(pickle.dumps(Bomb(mark)))
        refused(path)
        np.save(tmp_path / "bomb.npy", np.array([Bomb(mark)]), allow_pickle=True)
        (tmp_path / "bomb.npy").rename(path)
        refused(path)
        assert not mark.exists()
        pickle.loads(pickle.dumps(Bomb(mark)))
        assert mark.exists(), "the bomb is a dud, so the test shows nothing"
