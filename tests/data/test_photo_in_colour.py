"""Image files as one more image of a coloured data set: the square in the middle, at its size."""

import numpy as np
import pytest

from tests.oracles import oracle
from tinycnn.data import DATA_SETS, photograph
from tinycnn.data.photo import middle_square, read_photo

Image = oracle("PIL.Image")
CIFAR10 = DATA_SETS["cifar10"]


@pytest.fixture
def photo(tmp_path):
    def save_and_read(image, suffix=".png", **options):
        path = tmp_path / f"image{suffix}"
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
        return read_photo(path, CIFAR10)

    return save_and_read


def test_an_image_of_the_right_size_stays_as_it_is(photo, rng):
    pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
    found = photo(pixels)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))


@pytest.mark.parametrize(("H", "W", "top", "left"), [(64, 96, 0, 16), (97, 64, 16, 0), (40, 40, 0, 0), (20, 30, 0, 5)])
def test_the_middle_is_taken_and_scaled_as_pillow_does(photo, rng, H, W, top, left):
    # Smooth colours, as noise would tell apart how two programs round their weights.
    small = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
    pixels = np.asarray(small.resize((W, H), Image.Resampling.BICUBIC))
    side = min(H, W)
    square = Image.fromarray(pixels[top : top + side, left : left + side])
    expected = np.asarray(square.resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.abs(photo(pixels).astype(int) - expected).max() <= 1


def test_what_lies_outside_the_square_does_not_count(photo, rng):
    middle = rng.integers(0, 256, (40, 40, 3), np.uint8)
    for side in (0, 255):
        wide = np.pad(middle, ((0, 0), (30, 30), (0, 0)), constant_values=side)
        np.testing.assert_array_equal(photo(wide), photo(middle))


def test_colours_keep_their_places(photo):
    for c, colour in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255))):
        found = photo(Image.new("RGB", (100, 70), colour))
        assert (found[c] == 255).all()
        assert found.sum() == 255 * 32 * 32


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("L", (50, 40), 77), (77, 77, 77)),
        (Image.new("RGBA", (50, 40), (0, 0, 0, 0)), (255, 255, 255)),
        (Image.new("CMYK", (50, 40), (0, 0, 0, 255)), (0, 0, 0)),
    ],
    ids=["grey", "clear", "CMYK"],
)
def test_other_modes(photo, image, colour):
    found = photo(image, ".tif")
    np.testing.assert_array_equal(found[:, 3, 5], colour)
    assert np.ptp(found, axis=(1, 2)).max() == 0


def test_more_pixels_than_are_needed_are_averaged(photo, monkeypatch):
    whole = photo(photograph("flower").transpose(1, 2, 0))
    monkeypatch.setattr("tinycnn.data.photo.LARGEST", 200**2)
    off = np.abs(photo(photograph("flower").transpose(1, 2, 0)).astype(int) - whole)
    assert 0 < off.mean() < 4


def test_pixels_of_many_bits_are_refused_in_one_sentence(photo):
    with pytest.raises(ValueError, match=r"image.png cannot be decoded \(its pixels are of mode I;16, expected 8 bits"):
        photo(np.zeros((40, 40), np.uint16))


def test_a_square_of_any_size_is_made_of_any_picture():
    for shape in ((3, 1, 1), (3, 1, 9), (3, 33, 2)):
        assert middle_square(np.full(shape, 200, np.uint8), 32).tolist() == np.full((3, 32, 32), 200).tolist()
