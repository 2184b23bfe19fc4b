"""Image files of every kind become what a data set holds, or are refused in one sentence."""

import io
import os
import struct
import sys
import zlib

import numpy as np
import pytest

import tinycnn as tc
from tests.oracles import data_file, oracle
from tests.rights import open_folder, without_rights
from tinycnn.data import DATA_SETS
from tinycnn.data.photo import framed, ink_of, read_photo

Image = oracle("PIL.Image")

DIGITS, MNIST, FASHION = (DATA_SETS[name] for name in ("digits", "mnist", "fashion-mnist"))
LIKE_MNIST = MNIST.maximum / 10  # two images count as alike when no pixel differs by more


@pytest.fixture
def ink():
    """A seven of the UCI digits as large as one writes it: 0 to 255, (84, 78), off the middle, not symmetric."""
    images, labels = tc.data.digits("test")
    seven = images[labels == 7][0]
    canvas = np.zeros((84, 78), np.uint8)
    canvas[28:76, 5:53] = np.asarray(Image.fromarray(seven * 15).resize((48, 48), Image.Resampling.BICUBIC))
    return canvas


@pytest.fixture
def photo(tmp_path):
    """Save an image, or an array of grey, and read it again as MNIST's."""

    def save_and_read(image, suffix=".png", data_set=MNIST, **options):
        path = tmp_path / f"image{suffix}"
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
        return read_photo(path, data_set)

    return save_and_read


def colour(ink, *channels, mode):
    return Image.merge(mode, [Image.fromarray(np.broadcast_to(c, ink.shape).astype(np.uint8)) for c in channels])


def in_palette(ink):
    """Sixteen greys in an order of their own: an index alone says nothing of how bright it is."""
    order = np.random.default_rng(0).permutation(16)
    image = Image.fromarray(order.argsort()[ink // 16].astype(np.uint8))
    image.putpalette(np.repeat(255 - order * 17, 3).astype(np.uint8).tobytes())
    return image


def with_clear_paper(ink):
    """Two colours, both black: the paper's is transparent."""
    image = Image.fromarray((ink > 127).astype(np.uint8))
    image.putpalette([0] * 6)
    image.info["transparency"] = 0
    return image


def deep_png(ink):
    """16 bits for each of red, green and blue, which Pillow reads but does not write."""
    samples = np.repeat((255 - ink).astype(">u2")[..., None] * 257, 3, axis=2)
    return png(*ink.shape[::-1], b"".join(b"\0" + row.tobytes() for row in samples), depth=16, kind=2)


def png(width, height, rows, depth=8, kind=0):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


LOSSLESS = {
    "light on dark": lambda ink: (ink, ".png", {}),
    "low contrast": lambda ink: ((140 - ink // 2).astype(np.uint8), ".png", {}),
    "blue pen": lambda ink: (colour(ink, 255 - ink, 255 - ink, 255, mode="RGB"), ".png", {}),
    "RGBA": lambda ink: (colour(ink, 255 - ink, 255 - ink, 255 - ink, 255, mode="RGBA"), ".png", {}),
    "RGBA, clear paper": lambda ink: (colour(ink, 0, 0, 0, ink, mode="RGBA"), ".png", {}),
    "LA, clear paper": lambda ink: (colour(ink, 0, ink, mode="LA"), ".png", {}),
    "I;16": lambda ink: (65535 - ink.astype(np.uint16) * 257, ".png", {}),
    "I;16, 12 bits of it": lambda ink: (4095 - ink.astype(np.uint16) * 16, ".png", {}),
    "I;16B": lambda ink: ((65535 - ink.astype(np.uint16) * 257).astype(">u2"), ".tif", {}),
    "I": lambda ink: (100_000 - ink.astype(np.int32) * 300, ".tif", {}),
    "F": lambda ink: (1 - ink.astype(np.float32) / 255, ".tif", {}),
    "F, negative": lambda ink: (ink.astype(np.float32) / 10 - 300, ".tif", {}),
    "CMYK": lambda ink: (Image.fromarray(255 - ink).convert("RGB").convert("CMYK"), ".tif", {}),
    "GIF": lambda ink: (255 - ink, ".gif", {}),
    "GIF, animated": lambda ink: (255 - ink, ".gif", {"save_all": True, "append_images": [Image.fromarray(ink[::-1])]}),
    "WebP": lambda ink: (colour(ink, 255 - ink, 255 - ink, 255 - ink, mode="RGB"), ".webp", {"lossless": True}),
    "PGM": lambda ink: (255 - ink, ".pgm", {}),
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_the_same_digit_in_every_kind_of_file(photo, ink, kind):
    expected = photo(255 - ink)
    assert expected.max() == 255
    image, suffix, options = LOSSLESS[kind](ink)
    off = np.abs(photo(image, suffix, **options).astype(int) - expected)
    assert off.max() <= (4 if kind == "low contrast" else 1)  # half the steps of grey


@pytest.mark.parametrize("make", [with_clear_paper, lambda ink: Image.fromarray(255 - ink).convert("1")])
def test_two_colours(photo, ink, make):
    two = np.where(ink > 127, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(photo(make(two)), photo(255 - two))


def test_a_palette_in_any_order(photo, ink):
    np.testing.assert_array_equal(photo(in_palette(ink)), photo(255 - ink // 16 * 17))


def test_sixteen_bits_a_colour(tmp_path, photo, ink):
    (tmp_path / "deep.png").write_bytes(deep_png(ink))
    np.testing.assert_allclose(read_photo(tmp_path / "deep.png", MNIST), photo(255 - ink), atol=1)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(photo, ink, mode):
    image = Image.fromarray(255 - ink).convert("RGB").convert(mode)
    off = photo(image, ".jpg", quality=90).astype(int) - photo(255 - ink)
    assert np.abs(off).max() < LIKE_MNIST


STORED = {  # where the first row and the first column of what is stored belong, by the EXIF standard's table
    1: lambda shown: shown,  # top, left
    2: lambda shown: shown[:, ::-1],  # top, right
    3: lambda shown: shown[::-1, ::-1],  # bottom, right
    4: lambda shown: shown[::-1],  # bottom, left
    5: lambda shown: shown.T,  # left, top
    6: lambda shown: np.rot90(shown),  # right, top
    7: lambda shown: shown[::-1, ::-1].T,  # right, bottom
    8: lambda shown: np.rot90(shown, -1),  # left, bottom
}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("orientation", STORED)
def test_photos_taken_sideways_are_turned(photo, ink, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = photo(np.ascontiguousarray(STORED[orientation](255 - ink)), suffix, exif=exif)
    assert np.abs(turned.astype(int) - photo(255 - ink)).max() < LIKE_MNIST


def test_size_and_place_do_not_matter(photo, ink):
    expected = photo(255 - ink).astype(int)
    canvas = np.full((2000, 3000), 255, np.uint8)
    canvas[40 : 40 + 840, 2100 : 2100 + 780] = np.kron(255 - ink, np.ones((10, 10), np.uint8))
    assert np.abs(photo(canvas, ".bmp") - expected).max() < LIKE_MNIST
    strip = np.full((90, 20_000), 255, np.uint8)
    strip[3 : 3 + 84, 13_000 : 13_000 + 78] = 255 - ink
    np.testing.assert_array_equal(photo(strip), expected)


def test_more_pixels_than_are_needed_are_averaged(photo, ink, monkeypatch):
    large = np.kron(255 - ink, np.ones((8, 8), np.uint8))
    expected = photo(large).astype(int)
    monkeypatch.setattr("tinycnn.data.photo.LARGEST", 200**2)
    assert np.abs(photo(large) - expected).max() < LIKE_MNIST


def test_a_tiny_image(photo):
    seven = np.array([list(map(int, row)) for row in ("00000", "01110", "00010", "00100", "00100", "00100", "00000")])
    image = photo((255 * (1 - seven)).astype(np.uint8))
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    assert (len(rows), len(columns)) == (20, 12)
    assert image[rows[1], columns[0] : columns[-1]].min() > 200, "the bar of the seven"
    assert not image[rows[-1], columns[-1]], "nothing below it on the right"


def test_grey_uneven_grainy_paper_counts_as_paper(photo, ink, rng):
    large = np.asarray(Image.fromarray(ink).resize((468, 504))) / 255
    H, W = large.shape
    light = 170 - 50 * np.arange(H)[:, None] / H + 30 * np.arange(W) / W
    grainy = light - 70 * large + rng.normal(0, 3, (H, W))
    assert np.ptp(light) > 70, "the paper varies by as much as the ink differs from it"
    found = photo(grainy.astype(np.uint8)).astype(int)
    assert np.abs(found - photo(255 - (large * 255).astype(np.uint8))).mean() < 5
    blackboard = (255 - grainy).astype(np.uint8)
    assert np.abs(photo(blackboard) - found).mean() < 1


def test_dust_is_no_ink(photo, ink):
    dusty = 255 - ink
    dusty[2, 70] = dusty[80, 75] = dusty[81, 2] = 0
    np.testing.assert_array_equal(photo(dusty), photo(255 - ink))


def test_one_bright_spot_does_not_turn_paper_into_ink(photo, ink):
    pencil = (100 - ink // 8).astype(np.uint8)
    spotted = pencil.copy()
    spotted[2, 70] = 255
    assert np.abs(photo(spotted).astype(int) - photo(pencil)).mean() < 12


@pytest.mark.parametrize("inverted", [False, True])
def test_untouched_digits_come_back(photo, inverted):
    images, _ = tc.data.digits("test")
    exact = 0
    for image in images:
        found = photo(16 - image if inverted else image, ".bmp", DIGITS)
        exact += (found == np.rint(image * (16 / image.max()))).all()
    assert exact / len(images) > 0.85  # the others lie a column off the middle in the data set


@pytest.mark.parametrize("inverted", [False, True])
def test_untouched_mnist_comes_back(photo, inverted):
    data_file("mnist/t10k-images-idx3-ubyte.gz")
    images = tc.data.mnist("test")[0][:150]
    found = np.stack([photo(255 - image if inverted else image, ".bmp") for image in images])
    off = np.abs(found.astype(int) - images).max(axis=(1, 2))
    assert np.median(off) < 0.06 * 255  # what is fainter than that is no ink
    assert (off < LIKE_MNIST).mean() > 0.98


class TestInk:
    def test_paper_is_a_plane(self):
        h, w = np.mgrid[:40, :30]
        grey = 100 + 0.5 * h - 0.8 * w
        grey[10:20, 12:15] -= 30
        ink = ink_of(grey)
        assert (ink > 0).sum() == 30
        np.testing.assert_allclose(ink[10:20, 12:15], 1)

    def test_ink_on_the_border_of_tilted_paper(self):
        h, w = np.mgrid[:40, :30]
        grey = 100 + 0.5 * h - 0.8 * w
        grey[:, 10:14] -= 60
        np.testing.assert_allclose(ink_of(grey), np.broadcast_to((w > 9) & (w < 14), grey.shape), atol=1e-9)

    def test_a_faint_shine_does_not_outweigh_a_thin_line(self):
        grey = np.full((40, 40), 200)
        grey[5:35, 5:20] = 206
        grey[10:15, 30] = 100
        np.testing.assert_array_equal(ink_of(grey), (grey == 100).astype(float))

    def test_grain_alone_is_nothing(self, rng):
        assert not ink_of(rng.normal(128, 4, (80, 60))).any()

    def test_grey_is_not_changed(self, ink):
        before = ink.copy()
        ink_of(ink)
        np.testing.assert_array_equal(ink, before)


class TestFrame:
    @pytest.mark.parametrize("data_set", [DIGITS, MNIST, FASHION], ids=lambda data_set: data_set.name)
    @pytest.mark.parametrize("shape", [(100, 60), (60, 100), (3, 2), (1, 1), (400, 1), (1, 400)])
    def test_proportions_are_kept_and_the_box_filled(self, data_set, shape):
        canvas = np.zeros((500, 600))
        canvas[7 : 7 + shape[0], 11 : 11 + shape[1]] = 0.3
        image = framed(canvas, data_set)
        assert image.dtype == np.uint8
        assert image.shape == (data_set.size, data_set.size)
        found = image.any(axis=1).sum(), image.any(axis=0).sum()
        assert found == tuple(max(1, round(data_set.box * length / max(shape))) for length in shape)
        assert set(np.unique(image)) <= {0, data_set.maximum}

    def test_mnist_is_centred_by_mass(self):
        heavy = np.zeros((40, 40))
        heavy[10:30], heavy[:, :8] = 0.5, 1
        image = framed(heavy, MNIST).astype(float)
        centre = [(image.sum(axis=1 - axis) @ np.arange(28)) / image.sum() for axis in (0, 1)]
        np.testing.assert_allclose(centre, 14, atol=0.5)
        assert not image[:, :7].any(), "by its box it would start at column 4"

    def test_nothing_leaves_the_image(self):
        heavy = np.zeros((40, 40))
        heavy[:, :2], heavy[20, :], heavy[0, :] = 1, 0.01, 0.1
        image = framed(heavy, MNIST)
        assert image.any(axis=0).sum() == 20
        assert image[:, 8].max() == 255, "its mass would come to column 14, and column 33 would be lost"

    def test_clothes_are_centred_by_their_box(self):
        heavy = np.zeros((56, 28))
        heavy[:, :4], heavy[28] = 1, 0.5
        columns = np.flatnonzero(framed(heavy, FASHION).any(axis=0))
        assert (columns[0], columns[-1]) == (7, 20)

    def test_shrinking_averages_all_pixels(self):
        stripes = np.zeros((201, 201))
        stripes[::2] = 1
        image = framed(stripes, FASHION)
        assert image.min() > 180, (
            "7 rows are averaged to one, 3 or 4 of them ink; picked singly they would give 0 or 255"
        )


def an_image():
    file = io.BytesIO()
    Image.fromarray(np.eye(40, dtype=np.uint8) * 200).save(file, "PNG")
    return file.getvalue()


BAD_FILES = {
    "empty": (b"", "is empty, expected an image: save it anew"),
    "text": (b"seven\n" * 40, "is no image that can be read here, expected PNG, JPEG, TIFF, GIF, WebP or BMP"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "is no image that can be read here"),
    "cut short": (an_image()[:60], "cannot be decoded"),
    "a nameless chunk": (png(40, 40, b"\0" * 99).replace(b"IEND", b"\0" * 4), r"cannot be decoded \(broken PNG file"),
    "too large": (png(10_000, 9_000, b""), "has more than 89,478,485 pixels: make it smaller"),
    "far too large": (png(60_000, 60_000, b""), "has more than 89,478,485 pixels: make it smaller"),
    "blank": (png(30, 20, b"\0" * 31 * 20), "shows nothing: all pixels are alike$"),
    "one pixel": (png(1, 1, b"\0\7"), "shows nothing: all pixels are alike$"),
    "grain": (
        png(99, 99, np.insert(np.random.default_rng(0).integers(90, 110, (99, 99)), 0, 0, 1).astype("u1").tobytes()),
        "shows nothing that stands out from the paper",
    ),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path, kind):
    content, sentence = BAD_FILES[kind]
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=sentence) as caught:
        read_photo(path, MNIST)
    assert str(caught.value).startswith(f"{path} ")
    assert "\n" not in str(caught.value)


def test_pixels_that_are_no_numbers(photo):
    with pytest.raises(ValueError, match="holds NaN or infinite pixels"):
        photo(np.array([[0, 1], [np.nan, 0]], np.float32), ".tif")


def test_no_file(tmp_path):
    (tmp_path / "seven.png").write_bytes(an_image())
    with pytest.raises(FileNotFoundError, match=r"^there is no file .*sevn.png: did you mean .*/seven\.png\?$"):
        read_photo(tmp_path / "sevn.png", MNIST)
    with pytest.raises(FileNotFoundError, match=r"^there is no file .*eight.jpg, expected the path of an image$"):
        read_photo(tmp_path / "eight.jpg", MNIST)
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist either$"):
        read_photo(tmp_path / "nowhere" / "seven.png", MNIST)
    with pytest.raises(NotADirectoryError, match=r"seven.png/8.png cannot be read \(Not a directory\)"):
        read_photo(tmp_path / "seven.png" / "8.png", MNIST)


def test_a_folder_and_a_pipe(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder, expected an image: name a file in it"):
        read_photo(tmp_path, MNIST)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is no regular file"):  # nobody will ever write to it
        read_photo(tmp_path / "pipe", MNIST)


def test_a_file_that_may_not_be_read():
    with open_folder() as folder:
        path = folder / "mine.png"
        path.write_bytes(an_image())
        read_photo(path, MNIST)
        path.chmod(0)
        with without_rights(), pytest.raises(PermissionError, match=r"mine.png cannot be read \(Permission denied\)"):
            read_photo(path, MNIST)


def test_without_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ModuleNotFoundError, match=r"^images need Pillow: pip install 'tinycnn\[plot\]'$"):
        read_photo(tmp_path / "seven.png", MNIST)


def test_damage_of_any_kind_is_one_sentence(tmp_path, ink, rng):
    paper = Image.fromarray(255 - ink)
    files = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "tiff_lzw", "tiff_deflate", "packbits"):
        file = io.BytesIO()
        compression = {"compression": kind} if kind.islower() else {}
        paper.save(file, "TIFF" if compression else kind, **compression)
        files.append(file.getvalue())
    path = tmp_path / "damaged"
    read, sentences = 0, []
    for number in range(400):
        content = bytearray(files[number % len(files)])
        if rng.random() < 0.3:
            del content[rng.integers(len(content)) :]
        reach = len(content) if rng.random() < 0.5 else min(64, len(content))
        for place in rng.integers(0, max(1, reach), rng.integers(0, 8)):
            content[place : place + 1] = bytes([rng.integers(256)])
        path.write_bytes(content)
        try:
            read += read_photo(path, MNIST).shape == (28, 28)
        except ValueError as error:
            sentences.append(str(error))
    assert read + len(sentences) == 400
    assert min(read, len(sentences)) > 40, "neither all spared nor all destroyed"
    assert not [sentence for sentence in sentences if "\n" in sentence or not sentence.startswith(f"{path} ")]
