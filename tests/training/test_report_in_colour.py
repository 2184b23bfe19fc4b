"""The run report of photos: their colours, and words that fit them."""

import re
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from tests.oracles import oracle
from tests.training.test_report import Page, pieces
from tinycnn.data import DATA_SETS
from tinycnn.plot.data_uri import colour_picture

Image = oracle("PIL.Image")
for library in ("jinja2", "matplotlib"):
    oracle(library)


def read(split):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (300, 3, 32, 32), np.uint8), rng.integers(0, 10, 300).astype(np.uint8)


PHOTOS = replace(DATA_SETS["cifar10"], name="photos", read=read)


@pytest.fixture
def photos(monkeypatch):
    monkeypatch.setitem(DATA_SETS, "photos", PHOTOS)
    return read("test")[0]


def pixels(uri):
    return np.asarray(Image.open(BytesIO(b64decode(uri.partition(",")[2]))))


def pictures(page, section):
    return [element for element in page.section(section).iter("img") if element.get("class") in ("ink", "photo")]


def test_red_green_and_blue_are_drawn_as_they_are(rng):
    image = rng.integers(0, 256, (3, 5, 4), np.uint8)
    np.testing.assert_array_equal(pixels(colour_picture(image, 255)), image.transpose(1, 2, 0))
    np.testing.assert_array_equal(pixels(colour_picture(image / 51, 5.0)), image.transpose(1, 2, 0))
    beyond = np.array([-1, 0.5, 2]).reshape(3, 1, 1)
    assert pixels(colour_picture(beyond, 1.0)).tolist() == [[[0, 128, 255]]]


def test_mistakes_and_the_journey_show_photos(photos, tmp_path):
    page = Page(tmp_path, pieces("vgg-small", "photos"))
    mistakes = pictures(page, "mistakes")
    assert [element.get("class") for element in mistakes] == ["photo"] * 4
    for element in mistakes:
        index = int(re.match(r"Test image (\d+)", element.get("alt")).group(1))
        np.testing.assert_array_equal(pixels(element.get("src")), photos[index].transpose(1, 2, 0))
    (journey,) = pictures(page, "maps")
    shown = pixels(journey.get("src")).astype(float)
    assert shown.shape == (32, 32, 3)
    index = int(re.match(r"Test image (\d+)", journey.get("alt")).group(1))
    for c in range(3):  # as the network gets it: normalised, so brighter or darker, but each colour in its place
        assert np.corrcoef(shown[..., c].ravel(), photos[index, c].ravel())[0, 1] > 0.999


def test_the_words_fit_photos(photos, tmp_path):
    page = Page(tmp_path, pieces("vgg-small", "photos"))
    text = page.text()
    assert "equal" not in page.text("filters")
    assert "sum of a filter’s weights over red, green and blue" in page.text("filters")
    for word in (" ink", "paper"):
        assert word not in text
    parts = pieces("vgg-small", "photos")
    augmented = parts["recipe"].__class__.of("vgg-small", "photos", epochs=3, augment=True)
    page = Page(tmp_path, parts | {"recipe": augmented})
    assert "on images that were mirrored and shifted by up to 4 pixels," in page.text("curves")


def test_a_network_of_one_channel_shows_the_grey_that_it_gets(photos, tmp_path):
    (journey,) = pictures(Page(tmp_path, pieces("lenet5", "photos")), "maps")
    shown = pixels(journey.get("src"))
    np.testing.assert_array_equal(shown, shown[..., :1].repeat(3, axis=2))
    index = int(re.match(r"Test image (\d+)", journey.get("alt")).group(1))
    brightness = np.tensordot((0.299, 0.587, 0.114), photos[index], 1)
    assert np.corrcoef(shown[..., 0].ravel(), brightness.ravel())[0, 1] > 0.999
