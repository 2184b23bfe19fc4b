"""Trees of pictures, on disk and packed: what is read of them, in which order, and what is refused."""

import io
import re
import sys
import tarfile

import numpy as np
import pytest

from tests.oracles import oracle
from tinycnn.data import image_folder

Image = oracle("PIL.Image")


def encoded(pixels, kind="PNG", **options):
    file = io.BytesIO()
    (Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def pixels(rng):
    """Six pictures, higher than wide, each with colours of its own."""
    return rng.integers(0, 256, (6, 5, 4, 3), np.uint8)


@pytest.fixture
def tree(pixels):
    """Files by name, in an order that is not theirs; the tenth comes before the ninth, as names do."""
    names = ("dog/1.png", "cat/9.png", "eel/b.bmp", "cat/10.png", "eel/A.PNG", "dog/0.png")
    kinds = ["BMP" if name.endswith("bmp") else "PNG" for name in names]
    return {name: encoded(array, kind) for name, array, kind in zip(names, pixels, kinds, strict=True)}


IN_ORDER = [3, 1, 5, 0, 4, 2]  # of the six


def on_disk(folder, tree):
    for name, content in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def packed(folder, tree, mode="w:gz"):
    path = folder / "tree.tar.gz"
    with tarfile.open(path, mode) as archive:
        for name, content in tree.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def below(prefix):
    return lambda folder, tree: packed(folder, {prefix + name: content for name, content in tree.items()})


STORES = {
    "folder": on_disk,
    "folder above": lambda folder, tree: on_disk(folder / "all" / "train", tree).parent.parent,
    "tar.gz": packed,
    "tar": lambda folder, tree: packed(folder, tree, "w"),
    "tar.xz": lambda folder, tree: packed(folder, tree, "w:xz"),
    "tar of a folder above": below("all/train/"),
    "tar of .": below("./"),
}


@pytest.mark.parametrize("store", STORES)
def test_pictures_come_in_the_order_of_their_names_with_the_class_of_their_folder(tmp_path, tree, pixels, store):
    images, labels, names = image_folder(STORES[store](tmp_path, tree))
    np.testing.assert_array_equal(images, pixels[IN_ORDER].transpose(0, 3, 1, 2))
    assert images.dtype == np.uint8
    assert images.flags.c_contiguous
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert labels.dtype == np.int64
    assert names == ("cat", "dog", "eel")


@pytest.mark.parametrize("store", ["folder", "tar.gz"])
def test_what_is_no_picture_or_hidden_is_passed_over(tmp_path, tree, store):
    expected = image_folder(STORES[store](tmp_path / "a", tree) if store == "folder" else packed(tmp_path, tree))
    others = {
        "README.txt": b"about",
        "cat/Thumbs.db": b"\0",
        "cat/.1.png.part": b"",
        ".cache/1.png": b"",
        "dog/._0.png": b"\0\5",
        "__MACOSX/dog/0.png": b"\0\5",
    }
    folder = tmp_path / "b"
    folder.mkdir()
    found = image_folder(STORES[store](folder, others | tree))
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[2] == expected[2]


def test_a_link_in_an_archive_leads_nowhere(tmp_path, tree):
    path = packed(tmp_path, tree)
    secret = on_disk(tmp_path / "secret", {"cat/0.png": encoded(np.zeros((5, 4, 3), np.uint8))})
    with tarfile.open(path, "w:gz") as archive:
        for name, content in tree.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("cat/0.png")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret / "cat" / "0.png")
        archive.addfile(link)
    assert len(image_folder(path)[0]) == len(tree)


KINDS = {
    "grey": (lambda: Image.new("L", (4, 5), 77), (77, 77, 77)),
    "palette": (lambda: Image.new("RGB", (4, 5), (9, 200, 30)).quantize(4), (9, 200, 30)),
    "clear": (lambda: Image.new("RGBA", (4, 5), (9, 200, 30, 0)), (255, 255, 255)),
    "half clear": (lambda: Image.new("RGBA", (4, 5), (0, 0, 255, 51)), (204, 204, 255)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_becomes_red_green_and_blue(tmp_path, kind):
    make, colour = KINDS[kind]
    images, _, _ = image_folder(on_disk(tmp_path, {"a/1.png": encoded(make())}))
    assert images.shape == (1, 3, 5, 4)
    np.testing.assert_array_equal(images[0, :, 2, 3], colour)


def test_a_picture_that_was_taken_sideways_is_turned(tmp_path):
    upright = np.zeros((5, 4, 3), np.uint8)
    upright[0] = 255
    sideways, note = Image.fromarray(np.rot90(upright).copy()), Image.Exif()
    note[0x0112] = 6  # to be turned by a quarter, clockwise
    images, _, _ = image_folder(on_disk(tmp_path, {"a/1.png": encoded(sideways, exif=note)}))
    np.testing.assert_array_equal(images[0].transpose(1, 2, 0), upright)


def test_more_classes_than_a_byte_has_numbers(tmp_path):
    picture = encoded(np.zeros((1, 1, 3), np.uint8))
    _, labels, names = image_folder(packed(tmp_path, {f"{number:03}/0.png": picture for number in range(300)}))
    assert labels.tolist() == list(range(300))
    assert names[299] == "299"


class TestRefused:
    PICTURE = encoded(np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8))

    @pytest.mark.parametrize("store", ["folder", "tar.gz"])
    @pytest.mark.parametrize(
        ("files", "message"),
        [
            ({}, "PATH holds no pictures: expected files such as cat/1.jpg, one folder for each class"),
            ({"cat/1.txt": b"meow"}, "PATH holds no pictures"),
            ({"1.png": PICTURE}, "PATH/1.png lies in no folder of a class: move it to one, such as cat/1.png"),
            (
                {"cat/1.png": PICTURE, "cat/old/2.png": PICTURE},
                "PATH has pictures at different depths, cat/1.png and cat/old/2.png: each must lie in the folder of",
            ),
            (
                {"test/cat/1.png": PICTURE, "train/cat/1.png": PICTURE},
                "PATH has pictures at different depths, test/cat/1.png and train/cat/1.png",
            ),
            (
                {"a/1.png": PICTURE, "b/2.png": encoded(np.zeros((4, 5, 3), np.uint8))},
                "PATH/b/2.png is 4x5 (height x width), and a/1.png is 5x4: bring all to one size first",
            ),
            (
                {"a/1.png": PICTURE, "b/2.png": b"<html>"},
                "PATH/b/2.png is no image that can be read here, expected PNG",
            ),
            ({"a/1.png": PICTURE, "b/2.png": PICTURE[:-30]}, "PATH/b/2.png cannot be decoded"),
            ({"a/1.png": b""}, "PATH/a/1.png is no image"),
            (
                {"a/1.png": encoded(np.zeros((5, 4), np.uint16))},
                "PATH/a/1.png cannot be decoded (its pixels are of mode I;16, expected 8 bits for each colour)",
            ),
        ],
    )
    def test_bad_pictures_are_named(self, tmp_path, files, message, store):
        path = STORES[store](tmp_path, files)
        with pytest.raises(ValueError, match=f"^{re.escape(message.replace('PATH', str(path)))}") as caught:
            image_folder(path)
        assert "\n" not in str(caught.value)

    def test_nothing_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=f"^there is no folder or file {tmp_path}/pets, expected one with"):
            image_folder(tmp_path / "pets")

    @pytest.mark.parametrize("damage", ["no archive", "cut short", "one byte", "empty"])
    def test_what_is_no_archive_or_a_damaged_one(self, tmp_path, rng, damage):
        noise = rng.integers(0, 256, (40, 40, 3), np.uint8)
        path = packed(tmp_path, {f"a/{number}.png": encoded(noise) for number in range(9)})
        raw = path.read_bytes()
        middle = len(raw) // 2
        contents = {
            "no archive": b"PK\3\4 something else",
            "cut short": raw[:middle],
            "one byte": raw[:middle] + bytes([raw[middle] ^ 255]) + raw[middle + 1 :],
            "empty": b"",
        }
        path.write_bytes(contents[damage])
        with pytest.raises(
            ValueError, match=rf"^{path} is no folder and no tar file, or is a damaged one: pack it anew$"
        ):
            image_folder(path)

    def test_without_pillow(self, tmp_path, tree, monkeypatch):
        monkeypatch.setitem(sys.modules, "PIL", None)
        monkeypatch.setitem(sys.modules, "PIL.Image", None)
        with pytest.raises(ModuleNotFoundError, match=r"^images need Pillow: pip install 'tinycnn\[plot\]'$"):
            image_folder(on_disk(tmp_path, tree))
