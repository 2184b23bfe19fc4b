"""Figures for notebooks: every pixel of a small picture against its number, words for all, and input that is none."""

import re
import sys
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest

from tests.oracles import oracle
from tinycnn.plot.figures import DOTS, bars, curves, pictures

Image = oracle("PIL.Image")
oracle("matplotlib")


def pixels(figure):
    return np.asarray(Image.open(BytesIO(figure.png)).convert("RGB")).astype(int)


def drawn(figure, rows, columns):
    """The colour in the middle of each cell of the one picture, which is found by its frame: all that is not white."""
    image = pixels(figure)
    title = round(0.4 * DOTS)
    body = image[title:]
    is_ink = (body != 255).any(axis=2)
    ys, xs = np.nonzero(is_ink.any(axis=1))[0], np.nonzero(is_ink.any(axis=0))[0]
    top, bottom, left, right = ys[0], ys[-1] + 1, xs[0], xs[-1] + 1
    centres = ((np.arange(rows) + 0.5) / rows * (bottom - top) + top).astype(int)
    middles = ((np.arange(columns) + 0.5) / columns * (right - left) + left).astype(int)
    return body[np.ix_(centres, middles)]


def test_grey_levels_are_the_values():
    levels = np.array([[0, 51, 102], [254, 204, 153]], np.uint8)
    found = drawn(pictures({"": levels}, alt="levels"), 2, 3)
    np.testing.assert_allclose(found, np.repeat(levels[..., None], 3, axis=2), atol=1)


def test_floating_values_reach_from_black_to_white():
    found = drawn(pictures({"": np.array([[0.0, 1.0], [0.99, 0.5]]) * 3 - 1}, alt="values"), 2, 2)
    np.testing.assert_allclose(found[..., 0], [[0, 255], [252, 128]], atol=2)


def test_limits_hold_for_all():
    found = drawn(pictures({"": np.array([[0.0, 1.0], [1.0, 0.0]])}, alt="values", limits=(-1, 3)), 2, 2)
    np.testing.assert_allclose(found[..., 0], [[64, 128], [128, 64]], atol=2)


def test_signs_have_their_colours_and_zero_is_light():
    found = drawn(pictures({"": np.array([[-2.0, 2.0], [1.9, 0.0]])}, alt="signs", signed=True), 2, 2)
    negative, positive, _, zero = found.reshape(4, 3)
    assert negative[2] > negative[0] > negative[1]  # purple
    assert positive[0] > positive[1] > positive[2]  # orange
    assert zero.min() > 240


@pytest.mark.parametrize("scale", [1, 255])
def test_colours_are_the_channels(scale):
    colours = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]], [[0, 0], [1, 0]]])  # (3, 2, 2)
    array = (colours * scale).astype(np.uint8 if scale == 255 else np.float32)
    found = drawn(pictures({"": array}, alt="colours"), 2, 2)
    np.testing.assert_array_equal(found, colours.transpose(1, 2, 0) * 255)


def test_one_channel_is_grey():
    image = np.arange(12.0).reshape(1, 3, 4)
    assert pictures({"a": image}, alt="a") == pictures({"a": image[0]}, alt="a")


@pytest.mark.parametrize("columns", [1, 2, 6])
def test_the_size_is_that_of_the_arrays_side_by_side(columns):
    figure = pictures({str(i): np.zeros((4, 8)) for i in range(3)}, alt="three", columns=columns, size=1.5)
    wide = min(columns, 3)
    rows = -(-3 // wide)
    height, width = pixels(figure).shape[:2]
    assert abs(width - 1.5 * wide * DOTS) <= 1
    assert abs(height - rows * (0.75 + 0.4) * DOTS) <= 1
    assert figure.width == round(72 * 1.5 * wide)


def test_numbers_are_written_into_their_cells():
    image = np.array([[0.0, 1.0], [0.5, 0.25]])
    plain, written = (pixels(pictures({"": image}, alt="", numbers=form)) for form in (None, ".1f"))
    assert plain.shape == written.shape
    differ = (plain != written).any(axis=2)
    height, width = differ.shape
    top = round(0.4 * DOTS)
    quarters = [differ[top : (top + height) // 2, : width // 2], differ[top : (top + height) // 2, width // 2 :]]
    quarters += [differ[(top + height) // 2 :, : width // 2], differ[(top + height) // 2 :, width // 2 :]]
    assert all(0.001 < quarter.mean() < 0.3 for quarter in quarters)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ({}, "pictures needs one array at least, got none"),
        ({"a": np.zeros(3)}, r"got (3,) for 'a': take one of them"),
        ({"a": np.zeros((4, 4, 3))}, r"got (4, 4, 3) for 'a': its channels stand last: array.transpose(2, 0, 1)"),
        ({"b": np.zeros((2, 4, 4))}, r"got (2, 4, 4) for 'b': take one of them"),
        ({"c": np.zeros((0, 4))}, r"got (0, 4) for 'c'"),
    ],
)
def test_what_is_no_picture_is_told(images, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        pictures(images, alt="")


ALL = {
    "pictures": lambda alt: pictures({"a": np.eye(3)}, alt=alt),
    "curves": lambda alt: curves({"a": [1, 2], "b": ([0, 3], [4, 5])}, x="x", y="y", alt=alt),
    "bars": lambda alt: bars({"a": 1, "b": 2}, x="ms", alt=alt),
}


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_it_is_a_png_with_words_and_the_same_again(make):
    figure = make('"R < S" & more')
    assert figure == make('"R < S" & more')
    html = figure._repr_html_()
    assert 'alt="&quot;R &lt; S&quot; &amp; more"' in html
    source = re.search(r'src="data:image/png;base64,([^"]*)"', html).group(1)
    assert b64decode(source, validate=True) == figure.png
    assert f'width="{figure.width}"' in html
    image = Image.open(BytesIO(figure.png))
    assert image.format == "PNG"
    assert image.info.get("Software") is None
    assert abs(image.width - 2 * figure.width) <= 1


def test_a_figure_is_saved_at_once(tmp_path):
    figure = ALL["bars"]("bars")
    figure.save(tmp_path / "bars.png")
    assert (tmp_path / "bars.png").read_bytes() == figure.png
    assert len(list(tmp_path.iterdir())) == 1


def in_colour(image, colour):
    return (np.abs(image - [int(colour[i : i + 2], 16) for i in (1, 3, 5)]) < 8).all(axis=2)


def test_bars_are_as_long_as_their_values_from_the_top():
    ink = in_colour(pixels(bars({"a": 1, "b": 3, "c": 2}, x="", alt="")), "#0b5fb0")
    rows = [ink[part].sum(axis=1).max() for part in np.array_split(np.arange(ink.shape[0]), 3)]
    lengths = [run.max() for run in runs(ink.sum(axis=1))]
    assert len(lengths) == 3, rows
    np.testing.assert_allclose(np.array(lengths) / lengths[1], [1 / 3, 1, 2 / 3], atol=0.01)


def runs(counts):
    """The stretches in which something is counted."""
    edges = np.flatnonzero(np.diff(counts > 0)) + 1
    return [part for part in np.split(counts, edges) if part.max() > 0]


def test_a_curve_goes_through_its_points():
    image = pixels(curves({"a": ([0, 1, 2], [0.0, 1.0, 0.0])}, x="", y="", alt=""))
    ys, xs = np.nonzero(in_colour(image, "#0b5fb0"))
    peak, left, right = xs[ys == ys.min()].mean(), xs.min(), xs.max()
    assert abs(peak - (left + right) / 2) < 3
    assert ys[xs < left + 4].mean() > ys.min() + 0.8 * (ys.max() - ys.min())


def test_logarithmic_axes_make_powers_a_straight_line():
    values = {"a": (10.0 ** np.arange(4), 10.0 ** np.arange(4))}
    image = pixels(curves(values, x="", y="", alt="", log_x=True, log_y=True))
    ys, xs = np.nonzero(in_colour(image, "#0b5fb0"))
    slope, start = np.polyfit(xs, ys, 1)
    assert slope < 0
    assert np.abs(slope * xs + start - ys).max() < 12  # half the width of a mark, and of the line


def test_more_lines_than_colours_are_drawn():
    assert curves({str(i): [i, i + 1] for i in range(8)}, x="", y="", alt="").png


def test_a_missing_library_is_told_with_the_line_that_installs_it(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"figures need matplotlib: pip install 'tinycnn\[plot\]'$"):
        pictures({"a": np.eye(2)}, alt="")
