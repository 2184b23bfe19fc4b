"""The bundled digits: all there, split as they say, with source and licence, and nothing that is unpickled."""

import sys
from pathlib import Path

import numpy as np
import pytest

import tinycnn
from tests.test_storage import Bomb
from tinycnn.data import digits

FILE = Path(tinycnn.__file__).parent / "data" / "digits.npz"
COUNTS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)  # of UCI's optdigits.tes, from 0 to 9


@pytest.fixture(scope="module")
def splits():
    return {split: digits(split) for split in ("train", "test")}


@pytest.mark.parametrize(("split", "length"), [("train", 1438), ("test", 359)])
def test_sizes_and_types(splits, split, length):
    images, labels = splits[split]
    assert images.shape == (length, 8, 8)
    assert labels.shape == (length,)
    assert images.dtype == labels.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 16)


def test_the_classes_are_as_large_as_published_and_a_fifth_of_each_is_for_testing(splits):
    train, test = (np.bincount(splits[split][1], minlength=10) for split in ("train", "test"))
    np.testing.assert_array_equal(train + test, COUNTS)
    np.testing.assert_array_equal(test, np.rint(np.array(COUNTS) / 5))


def test_no_image_is_in_both_parts(splits):
    train, test = ({image.tobytes() for image in splits[split][0]} for split in ("train", "test"))
    assert len(train | test) == 1797
    assert not train & test


def test_each_label_is_of_its_image(splits):
    # The mean image of a class tells most images of that class, and would not if the order of labels were another.
    images, labels = splits["train"]
    means = np.stack([images[labels == digit].mean(axis=0) for digit in range(10)])
    test_images, test_labels = splits["test"]
    distance = ((test_images[:, None] - means) ** 2).sum(axis=(2, 3))
    assert (distance.argmin(axis=1) == test_labels).mean() > 0.85


def test_source_and_licence_are_inside_and_nothing_is_unpickled():
    with np.load(FILE, allow_pickle=False) as file:
        assert set(file.files) == {"images", "labels", "test", "source", "licence"}
        assert {name: file[name].dtype for name in ("images", "labels", "test")} == {
            "images": np.uint8,
            "labels": np.uint8,
            "test": bool,
        }
        assert "https://doi.org/10.24432/C50P49" in str(file["source"])
        assert "https://creativecommons.org/licenses/by/4.0" in str(file["licence"])


def test_a_pickle_in_the_place_of_the_file_does_nothing(tmp_path, monkeypatch):
    mark = tmp_path / "exploded"
    bombs = np.array([Bomb(mark)])
    np.savez(tmp_path / "digits.npz", images=bombs, labels=bombs, test=bombs)
    monkeypatch.setattr(sys.modules["tinycnn.data.digits"], "__file__", str(tmp_path / "digits.py"))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        digits()
    assert not mark.exists()


def test_each_call_gives_arrays_of_its_own(splits):
    digits("test")[0][:] = 9
    np.testing.assert_array_equal(digits("test")[0], splits["test"][0])


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match='digits: split must be "train" or "test", got \'all\''):
        digits("all")
