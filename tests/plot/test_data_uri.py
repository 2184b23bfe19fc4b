"""Pictures: every pixel of the PNG against the number it stands for."""

import sys
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest

from tests.oracles import oracle
from tinycnn.plot import ink_picture, reduced, signed_picture
from tinycnn.plot.data_uri import NEGATIVE, POSITIVE

Image = oracle("PIL.Image")


def pixels(uri, mode):
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(BytesIO(b64decode(data, validate=True))).convert(mode)).astype(int)


def test_ink_is_dark_on_white_and_stays_within_its_range():
    image = np.array([[0, 8, 16], [-3, 4, 99]])
    assert pixels(ink_picture(image, 16), "L").tolist() == [[255, 128, 0], [255, 191, 0]]


def test_signs_have_their_colours_and_sizes_their_opacity(rng):
    values = rng.uniform(-2, 2, (6, 9))
    drawn = pixels(signed_picture(values, 1.5), "RGBA")
    assert drawn.shape == (6, 9, 4)
    seen = np.abs(values) > 0.05
    expected = np.where(values[..., None] < 0, NEGATIVE, POSITIVE)
    np.testing.assert_array_equal(drawn[..., :3][seen], expected[seen])
    np.testing.assert_allclose(drawn[..., 3] / 255, np.minimum(np.abs(values) / 1.5, 1), atol=0.01)


def test_zero_is_transparent_and_the_limits_are_opaque():
    assert pixels(signed_picture(np.array([[-0.2, 0.0, 0.2]]), 0.2), "RGBA")[0, :, 3].tolist() == [255, 0, 255]


def test_reduced_maps_keep_their_mean_and_their_shape(rng):
    maps = rng.standard_normal((3, 64, 32))
    found = reduced(maps, 16)
    np.testing.assert_allclose(found.shape, (3, 16, 8))
    constant = reduced(np.full((1, 55, 55), 2.5), 32)
    np.testing.assert_allclose(constant, np.full((1, 32, 32), 2.5))
    assert reduced(maps, 64) is maps


def test_a_missing_library_is_told_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ModuleNotFoundError, match=r"need Pillow: pip install 'tinycnn\[plot\]'$") as caught:
        ink_picture(np.zeros((2, 2)), 1)
    assert caught.value.name == "PIL"
