"""MNIST and Fashion-MNIST: fetched from a mirror that works, recognised by content, refused where damaged."""

import gzip
import os
import re
import sys
from pathlib import Path
from time import monotonic
from types import SimpleNamespace

import numpy as np
import pytest

import tinycnn.data.fetch as fetch
from tests.data.mirrors import serving
from tests.data.small_mnist import IMAGES, LABELS, NAMES, PARTS, PUBLISHED, table
from tests.data.test_idx import idx_bytes
from tests.oracles import data_file, oracle
from tests.rights import open_folder, without_rights
from tinycnn.data import data_directory, fashion_mnist, mnist


@pytest.fixture
def module():
    return sys.modules["tinycnn.data.mnist"]


@pytest.fixture
def folder(tmp_path, monkeypatch, module):
    """Where mnist() looks; what it expects there are the small files."""
    monkeypatch.setenv("TINYCNN_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(module, "MNIST_FILES", table("sha256"))
    monkeypatch.setattr(module, "FASHION_FILES", table("md5"))
    return tmp_path / "data" / "mnist"


@pytest.fixture
def server(monkeypatch):
    for name in ("HTTP_PROXY", "ALL_PROXY"):  # of the surroundings; a proxy knows nothing of this machine's ports
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(PUBLISHED) as server:
        yield server


@pytest.fixture
def waits(monkeypatch):
    """The seconds that pooch would have waited between two tries."""
    oracle("pooch")
    oracle("requests")  # now: a test takes rights away that its import may need
    seconds = []
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=seconds.append))
    return seconds


@pytest.fixture
def mirrors(server, waits, monkeypatch, module):
    """Set up the mirrors of MNIST by what they answer."""

    def set_up(**answers):
        monkeypatch.setattr(module, "MNIST_MIRRORS", server.mirrors(**answers))
        return server

    return set_up


def names(folder):
    return sorted(path.name for path in folder.iterdir())


TRAIN_NAMES = sorted(name for name in PUBLISHED if name.startswith("train"))


class TestMirrors:
    def test_each_is_tried_in_order_until_one_gives_the_file(self, folder, mirrors, waits):
        server = mirrors(first="dead", second="missing", third="wrong", fourth="right", fifth="right")
        images, labels = mnist("train")
        np.testing.assert_array_equal(images, IMAGES)
        np.testing.assert_array_equal(labels, LABELS)
        one_file = ["second"] * 3 + ["third"] * 3 + ["fourth"]
        assert server.requests == one_file * 2
        assert waits == [1, 2] * 6
        assert names(folder) == TRAIN_NAMES
        for name in TRAIN_NAMES:
            assert (folder / name).read_bytes() == PUBLISHED[name]

    def test_what_was_fetched_is_not_fetched_again(self, folder, mirrors):
        server = mirrors(first="right")
        for split, offset in (("test", 4), ("train", 0), ("test", 4), ("train", 0)):
            images, labels = mnist(split)
            np.testing.assert_array_equal(images, IMAGES + offset)
            np.testing.assert_array_equal(labels, LABELS + offset)
        assert server.requests == ["first"] * 4

    @pytest.mark.parametrize("failure", ["missing", "wrong", "stalls", "cut short", "stalls halfway"])
    def test_a_mirror_that_fails_once_is_asked_again(self, folder, mirrors, monkeypatch, failure):
        monkeypatch.setattr(fetch, "TIMEOUT", 0.2)
        server = mirrors(first=[failure, "right", "right"], second="right")
        np.testing.assert_array_equal(mnist("train")[0], IMAGES)
        assert server.requests == ["first"] * 3
        assert names(folder) == TRAIN_NAMES

    @pytest.mark.parametrize(
        ("failure", "reason"),
        [
            ("dead", "could not be reached"),
            ("missing", "answered 404"),
            ("wrong", r"sent another file \(its checksum differs\)"),
            ("stalls", "did not answer in time"),
            ("cut short", "broke off"),
            ("stalls halfway", "did not answer in time"),
        ],
    )
    def test_where_none_works_one_sentence_says_why_and_nothing_is_left(
        self, folder, mirrors, monkeypatch, failure, reason
    ):
        monkeypatch.setattr(fetch, "TIMEOUT", 0.1 if "stalls" in failure else 10)
        server = mirrors(first="missing", second=failure)
        message = (
            rf"^train-images-idx3-ubyte.gz could not be fetched \(127.0.0.1 answered 404; 127.0.0.1 {reason}\): "
            rf"put it into {re.escape(str(folder))}, .*TINYCNN_DATA$"
        )
        started = monotonic()
        with pytest.raises(ConnectionError, match=message) as caught:
            mnist("train")
        assert monotonic() - started < 20, "a mirror that stalls is waited for longer than TIMEOUT"
        assert "\n" not in str(caught.value)
        assert server.requests == ["first"] * 3 + (["second"] * 3 if failure != "dead" else [])
        assert names(folder) == []

    def test_a_proxy_that_is_no_address_is_no_fault_of_the_file(self, folder, mirrors, monkeypatch):
        mirrors(first="right")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("HTTP_PROXY", "http://:80")
        with pytest.raises(ConnectionError, match="could not be reached"):
            mnist("train")

    def test_only_the_part_that_is_missing_is_fetched(self, folder, mirrors):
        server = mirrors(first="right")
        folder.mkdir(parents=True)
        (folder / TRAIN_NAMES[0]).write_bytes(PUBLISHED[TRAIN_NAMES[0]])
        mnist("train")
        assert server.requests == ["first"]

    def test_fashion_mnist_has_mirrors_and_a_folder_of_its_own(self, folder, server, waits, monkeypatch, module):
        monkeypatch.setattr(module, "FASHION_MIRRORS", server.mirrors(fashion="right"))
        np.testing.assert_array_equal(fashion_mnist("test")[0], IMAGES + 4)
        assert server.requests == ["fashion"] * 2
        assert names(folder.parent) == ["fashion-mnist"]

    def test_an_interrupted_fetch_leaves_nothing(self, folder, mirrors, monkeypatch):
        mirrors(first="right")

        def interrupt(*arguments, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr("pooch.core.hash_matches", interrupt)
        with pytest.raises(KeyboardInterrupt):
            mnist("train")
        assert names(folder) == []

    @pytest.mark.parametrize("mask", [0o022, 0o027])
    def test_files_have_the_mode_that_the_user_gives_new_files(self, folder, mirrors, mask):
        mirrors(first="right")
        before = os.umask(mask)
        try:
            mnist("train")
        finally:
            os.umask(before)
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o666 & ~mask}

    def test_without_pooch_a_sentence_says_how_to_install_it(self, folder, monkeypatch):
        monkeypatch.setitem(sys.modules, "pooch", None)
        message = r"train-images-idx3-ubyte.gz is not in .*: pip install 'tinycnn\[data\]', .*TINYCNN_DATA$"
        with pytest.raises(ModuleNotFoundError, match=message):
            mnist("train")
        assert not folder.exists()


def as_published(name, raw):
    return {name + ".gz": PUBLISHED[name + ".gz"]}


def packed_again(name, raw):
    return {name + ".gz": gzip.compress(raw, compresslevel=1, mtime=1)}


def unpacked(name, raw):
    return {name: raw}


def unpacked_under_the_name_of_the_packed_one(name, raw):
    return {name + ".gz": raw}


def both(name, raw):
    return packed_again(name, raw) | unpacked(name, raw)


class TestFilesThatAreThere:
    @pytest.mark.parametrize("read", [mnist, fashion_mnist])
    @pytest.mark.parametrize(
        "store", [as_published, packed_again, unpacked, unpacked_under_the_name_of_the_packed_one, both]
    )
    def test_they_are_accepted_by_content_and_nothing_is_fetched(self, folder, mirrors, monkeypatch, read, store):
        server = mirrors(first="right")
        monkeypatch.setitem(sys.modules, "pooch", None)
        place = folder if read is mnist else folder.parent / "fashion-mnist"
        place.mkdir(parents=True)
        for part in ("train-images", "train-labels"):
            for name, content in store(NAMES[part], PARTS[part]).items():
                (place / name).write_bytes(content)
        images, labels = read("train")
        np.testing.assert_array_equal(images, IMAGES)
        np.testing.assert_array_equal(labels, LABELS)
        assert images.dtype == labels.dtype == np.uint8
        assert server.requests == []

    RAW, PACKED = PARTS["train-images"], PUBLISHED["train-images-idx3-ubyte.gz"]
    FLIPPED = RAW[:700] + bytes([RAW[700] ^ 1]) + RAW[701:]
    OTHER = "is not the train-images-idx3-ubyte.gz that was published (its checksum differs): delete it"

    @pytest.mark.parametrize("packed", [True, False], ids=["gz", "unpacked"])
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (RAW[:-1], "is cut short: its header states (2, 28, 28)"),
            (RAW[:10], "is cut short: 10 bytes do not hold a header of 16"),
            (FLIPPED, OTHER),
            (RAW + b"\0", "is too long"),
            (b"", "is no IDX file: it starts with nothing"),
            (b"<html>", "is no IDX file"),
            (PARTS["train-labels"], OTHER),
            (PARTS["t10k-images"], OTHER),
            (idx_bytes(IMAGES + 1, 0x08), OTHER),
        ],
        ids=["cut", "cut in header", "one bit", "too long", "empty", "html", "labels", "other split", "other data set"],
    )
    def test_what_is_damaged_or_another_file_is_refused_and_left(self, folder, mirrors, content, message, packed):
        server = mirrors(first="right")
        path = folder / ("train-images-idx3-ubyte" + ".gz" * packed)
        folder.mkdir(parents=True)
        stored = gzip.compress(content) if packed else content
        path.write_bytes(stored)
        self.refused(path, message)
        assert path.read_bytes() == stored
        assert names(folder) == [path.name]
        assert server.requests == []

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (PACKED[: len(PACKED) // 2], "is a damaged gzip file"),
            (PACKED[:-1], "is a damaged gzip file"),
            (PACKED[:99] + b"\0\0\0\0" + PACKED[103:], "is a damaged gzip file"),
            (b"", "is no IDX file: it starts with nothing"),
        ],
        ids=["half", "last byte missing", "altered", "empty"],
    )
    def test_a_damaged_gzip_file_is_refused_and_left(self, folder, mirrors, content, message):
        server = mirrors(first="right")
        path = folder / "train-images-idx3-ubyte.gz"
        folder.mkdir(parents=True)
        path.write_bytes(content)
        self.refused(path, message)
        assert path.read_bytes() == content
        assert server.requests == []

    def test_images_and_labels_that_changed_names_are_refused(self, folder):
        folder.mkdir(parents=True)
        (folder / NAMES["train-images"]).write_bytes(PARTS["train-labels"])
        (folder / NAMES["train-labels"]).write_bytes(PARTS["train-images"])
        self.refused(folder / NAMES["train-images"], self.OTHER)

    def refused(self, path, message):
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))} {re.escape(message)}") as caught:
            mnist("train")
        assert "\n" not in str(caught.value)


class TestFolder:
    def unwritable(self, place, reason):
        message = (
            rf"^train-images-idx3-ubyte.gz cannot be stored in {re.escape(str(place))} \({reason}\): .*TINYCNN_DATA$"
        )
        with pytest.raises(OSError, match=message):
            mnist("train")

    @pytest.mark.parametrize("existing", ["data", "data/mnist"])
    def test_one_that_may_not_be_written(self, mirrors, folder, monkeypatch, existing):
        server = mirrors(first="right")
        with open_folder() as root:
            monkeypatch.setenv("TINYCNN_DATA", str(root / "data"))
            (root / existing).mkdir(parents=True)
            for made in (root / existing, root / "data"):
                made.chmod(0o555)
            with without_rights():
                self.unwritable(root / "data" / "mnist", "Permission denied")
        assert server.requests == []

    @pytest.mark.parametrize("file", ["data", "data/mnist"])
    def test_a_file_in_its_place(self, tmp_path, folder, mirrors, file):
        server = mirrors(first="right")
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("mine")
        self.unwritable(folder, "Not a directory|File exists")
        assert (tmp_path / file).read_text() == "mine"
        assert server.requests == []

    def test_a_full_disk_is_no_fault_of_the_mirror(self, folder, mirrors, monkeypatch):
        server = mirrors(first="right", second="right")

        def write(self, url, output_file, pooch):
            Path(output_file).write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pooch.HTTPDownloader.__call__", write)
        self.unwritable(folder, "No space left on device")
        assert names(folder) == []
        assert server.requests == []

    @pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
    def test_a_folder_or_a_pipe_in_the_place_of_the_file(self, make, folder, mirrors):
        server = mirrors(first="right")
        folder.mkdir(parents=True)
        make(folder / "train-images-idx3-ubyte.gz")
        with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz is no regular file: put the"):
            mnist("train")
        assert server.requests == []

    def test_without_a_setting_the_cache_directory_is_used(self, monkeypatch, tmp_path):
        monkeypatch.delenv("TINYCNN_DATA", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert data_directory() == tmp_path / "tinycnn"
        monkeypatch.setenv("XDG_CACHE_HOME", "")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert data_directory() == tmp_path / "home" / ".cache" / "tinycnn"

    def test_the_home_directory_has_its_short_name(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("TINYCNN_DATA", "~/data")
        assert data_directory() == tmp_path / "data"


@pytest.mark.parametrize("read", [mnist, fashion_mnist])
@pytest.mark.parametrize("split", ["validation", "Train", ""])
def test_an_unknown_split_is_refused(read, split):
    with pytest.raises(ValueError, match=f'split must be "train" or "test", got {split!r}'):
        read(split)


def test_the_checksums_are_of_the_right_kind_and_all_different(module):
    sums = []
    for files, digits in ((module.MNIST_FILES, {"sha256": 64}), (module.FASHION_FILES, {"md5": 32})):
        assert files.keys() == PARTS.keys()
        for sha256, content in files.values():
            algorithm, _, digest = content.partition(":")
            assert re.fullmatch("[0-9a-f]{64}", sha256)
            assert re.fullmatch(f"[0-9a-f]{{{digits[algorithm]}}}", digest)
            sums += [sha256, digest]
    assert len(set(sums)) == len(sums) == 16


def test_the_mirrors_are_addresses_that_a_name_can_be_put_after(module):
    for mirrors in (module.MNIST_MIRRORS, module.FASHION_MIRRORS):
        assert len(set(mirrors)) == len(mirrors) >= 2
        assert all(re.fullmatch(r"https?://[^?#]+/", mirror) for mirror in mirrors)


class TestRealFiles:
    COUNTS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)

    @pytest.mark.parametrize(("split", "length"), [("train", 60_000), ("test", 10_000)])
    def test_mnist_has_the_published_sizes(self, monkeypatch, split, length):
        path = data_file(f"mnist/{'train' if split == 'train' else 't10k'}-images-idx3-ubyte.gz")
        monkeypatch.setenv("TINYCNN_DATA", str(path.parents[1]))
        images, labels = mnist(split)
        assert images.shape == (length, 28, 28)
        assert labels.shape == (length,)
        assert images.dtype == labels.dtype == np.uint8
        if split == "train":
            assert tuple(np.bincount(labels)) == self.COUNTS
            mean = images.mean() / 255
            assert (mean, images.std() / 255) == pytest.approx((0.1307, 0.3081), abs=5e-5)
