"""CIFAR-10: the published binaries, packed or not, fetched where nothing is there; pictures of its training part."""

import re
import sys

import numpy as np
import pytest

from tests.data.mirrors import serving
from tests.data.small_cifar10 import ARCHIVE, BATCHES, NAMES, OF_A_BATCH, expect, store_packed, store_unpacked
from tests.data.test_image_folder import encoded, packed
from tests.oracles import data_file, oracle
from tinycnn.data import DATA_SETS, cifar10
from tinycnn.data.cifar10 import CIFAR10_NAMES


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where cifar10() looks; what it expects there are the small files."""
    return expect(tmp_path, monkeypatch)


def by_loops(names):
    """Pixel by pixel: byte 1 + 1024·c + 32·h + w of a record."""
    images, labels = [], []
    for name in names:
        for start in range(0, len(BATCHES[name]), 3073):
            record = BATCHES[name][start : start + 3073]
            labels.append(record[0])
            images.append(
                [[[record[1 + 1024 * c + 32 * h + w] for w in range(32)] for h in range(32)] for c in range(3)]
            )
    return np.array(images), np.array(labels)


@pytest.mark.parametrize("store", [store_packed, store_unpacked])
@pytest.mark.parametrize(("split", "names"), [("train", NAMES[:5]), ("test", NAMES[5:])])
def test_records_are_read_as_they_are_published(folder, monkeypatch, store, split, names):
    monkeypatch.setitem(sys.modules, "pooch", None)
    store(folder)
    images, labels = cifar10(split)
    expected = by_loops(names)
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(labels, expected[1])
    assert images.dtype == labels.dtype == np.uint8
    assert images.flags.writeable


def test_where_nothing_is_there_it_is_fetched_once(folder, monkeypatch):
    oracle("pooch")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving({"cifar-10-binary.tar.gz": ARCHIVE}) as server:
        monkeypatch.setattr(sys.modules["tinycnn.data.cifar10"], "MIRRORS", server.mirrors(first="right"))
        for _ in range(2):
            np.testing.assert_array_equal(cifar10("test")[0], by_loops(["test_batch.bin"])[0])
        assert server.requests == ["first"]
    assert [path.name for path in folder.iterdir()] == ["cifar-10-binary.tar.gz"]


def test_without_pooch_a_sentence_says_what_would_help(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ModuleNotFoundError, match=r"^cifar-10-binary.tar.gz is not in .*'tinycnn\[data\]', .*_DATA$"):
        cifar10()
    assert not folder.exists()


class TestRefused:
    def test_an_unknown_split(self):
        with pytest.raises(ValueError, match=r'^cifar10: split must be "train" or "test", got \'val\'$'):
            cifar10("val")

    def test_an_archive_that_is_another_one_is_left_as_it_is(self, folder):
        store_packed(folder, ARCHIVE[:-1])
        with pytest.raises(
            ValueError, match=rf"^{folder}/cifar-10-binary.tar.gz is not the .* \(its checksum differs\)"
        ):
            cifar10()
        assert (folder / "cifar-10-binary.tar.gz").read_bytes() == ARCHIVE[:-1]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda raw: raw[:-1], "has 122919 bytes, expected 40 records of 3073: unpack cifar-10-binary.tar.gz anew"),
            (lambda raw: b"\n" + raw[1:], "has a label 10, expected 0 to 9: unpack cifar-10-binary.tar.gz anew"),
        ],
    )
    def test_a_batch_that_is_damaged(self, folder, change, message):
        store_unpacked(folder)
        path = folder / "cifar-10-batches-bin" / "test_batch.bin"
        path.write_bytes(change(path.read_bytes()))
        with pytest.raises(ValueError, match=f"^{path} {message}$"):
            cifar10("test")

    def test_a_batch_that_is_missing(self, folder):
        store_unpacked(folder)
        path = folder / "cifar-10-batches-bin" / "data_batch_3.bin"
        path.unlink()
        assert len(cifar10("test")[0]) == OF_A_BATCH
        with pytest.raises(FileNotFoundError, match=f"^there is no {path}: unpack cifar-10-binary.tar.gz anew$"):
            cifar10("train")


class TestPictures:
    @pytest.fixture
    def small(self, folder, monkeypatch):
        """Five pictures in each class, of which the last two are for testing; the red of each tells its number."""
        oracle("PIL.Image")
        module = sys.modules["tinycnn.data.cifar10"]
        monkeypatch.setattr(module, "OF_A_CLASS", 5)
        monkeypatch.setattr(module, "HELD_OUT", 2)
        folder.mkdir()
        files = {}
        for number in (3, 1, 4, 0, 2):
            for label, name in enumerate(CIFAR10_NAMES):
                pixels = np.zeros((32, 32, 3), np.uint8)
                pixels[..., 0], pixels[..., 2] = 10 * label + number, 200
                files[f"train/{name}/{number:04}.jpg"] = encoded(pixels)
        packed(folder, files).rename(folder / "cifar10-train-jpeg.tar.gz")
        return files

    def test_the_last_of_each_class_are_for_testing_and_the_others_for_training(self, small):
        for split, numbers in (("train", (0, 1, 2)), ("test", (3, 4))):
            images, labels = cifar10(split)
            assert images.shape == (10 * len(numbers), 3, 32, 32)
            assert images[:, 0, 7, 7].tolist() == [10 * label + number for label in range(10) for number in numbers]
            assert (images[:, 2] == 200).all()
            np.testing.assert_array_equal(labels, np.repeat(np.arange(10), len(numbers)))
            assert images.dtype == labels.dtype == np.uint8

    def test_the_published_binaries_come_first(self, small, folder):
        store_packed(folder)
        assert len(cifar10("train")[0]) == 5 * OF_A_BATCH

    @pytest.mark.parametrize("missing", ["train/cat/0004.jpg", "train/truck/0000.jpg"])
    def test_an_archive_of_other_pictures_is_refused(self, small, folder, missing):
        path = folder / "cifar10-train-jpeg.tar.gz"
        packed(folder, {name: content for name, content in small.items() if name != missing}).rename(path)
        message = f"^{re.escape(str(path))} is not CIFAR-10's training part, 5 pictures in each of 10 folders"
        with pytest.raises(ValueError, match=message):
            cifar10()


@pytest.fixture(scope="module")
def splits():
    oracle("PIL.Image")
    data_file("cifar10/cifar10-train-jpeg.tar.gz")
    return {split: cifar10(split) for split in ("train", "test")}


class TestReal:
    def test_sizes_and_classes(self, splits):
        assert {split: images.shape for split, (images, _) in splits.items()} == {
            "train": (45_000, 3, 32, 32),
            "test": (5_000, 3, 32, 32),
        }
        for images, labels in splits.values():
            np.testing.assert_array_equal(np.bincount(labels), [len(images) // 10] * 10)

    def test_mean_and_deviation_are_about_those_of_the_published_images(self, splits):
        # The table has the published ones; a picture's are off by what JPEG loses.
        images, data_set = splits["train"][0], DATA_SETS["cifar10"]
        for c in range(3):
            assert images[:, c].mean() / 255 == pytest.approx(data_set.mean[c], abs=5e-4)
            assert images[:, c].std() / 255 == pytest.approx(data_set.std[c], abs=2e-3)

    def test_each_label_is_of_its_image(self, splits):
        # Ships and airplanes have the bluest pictures, frogs and deer the least blue: colour alone tells much.
        images, labels = splits["test"]
        blueness = images[:, 2].mean((1, 2)) - images[:, 0].mean((1, 2))
        means = {name: blueness[labels == label].mean() for label, name in enumerate(CIFAR10_NAMES)}
        assert set(sorted(means, key=means.__getitem__)[-2:]) == {"airplane", "ship"}
