"""The bundled photographs: the files that were published, decoded as they are, with who took them."""

import hashlib
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import tinycnn
from tests.oracles import oracle
from tinycnn.data import photograph

FOLDER = Path(tinycnn.__file__).parent / "data"
SHA256 = {
    "china": "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    "flower": "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
}


@pytest.mark.parametrize("name", SHA256)
def test_the_files_are_those_that_scikit_learn_publishes(name):
    assert hashlib.sha256((FOLDER / f"{name}.jpg").read_bytes()).hexdigest() == SHA256[name]


@pytest.mark.parametrize("name", SHA256)
def test_pixels_are_channels_rows_and_columns(name):
    Image = oracle("PIL.Image")
    found = photograph(name)
    assert found.shape == (3, 427, 640)
    assert found.dtype == np.uint8
    with Image.open(FOLDER / f"{name}.jpg") as image:
        for h, w in ((0, 0), (0, 639), (426, 0), (200, 320)):
            assert tuple(found[:, h, w]) == image.getpixel((w, h))


@pytest.mark.parametrize("name", SHA256)
def test_they_equal_scikit_learns_own(name):
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ModuleNotFoundError:
        pytest.skip("scikit-learn is not installed, and tinycnn does not need it: the checksums say the same")
    oracle("PIL.Image")
    np.testing.assert_array_equal(photograph(name).transpose(1, 2, 0), datasets.load_sample_image(f"{name}.jpg"))


def test_the_credits_name_both():
    text = (FOLDER / "photographs.md").read_text(encoding="utf-8")
    for word in (
        "china.jpg",
        "flower.jpg",
        "danielbuechele",
        "vultilion",
        "https://creativecommons.org/licenses/by/2.0/",
    ):
        assert word in text


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"^unknown photograph 'flowers': did you mean flower\?$"):
        photograph("flowers")


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ModuleNotFoundError, match=r"^images need Pillow: pip install 'tinycnn\[plot\]'$"):
        photograph("china")
