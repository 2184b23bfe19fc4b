"""Training curves: an SVG that fits into a page, with the history's points where they belong."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.oracles import oracle
from tinycnn.plot import training_curve

oracle("matplotlib")


def rows(epochs, validated=True):
    found = []
    for epoch in range(1, epochs + 1):
        row = {"epoch": epoch, "loss": 2.3 / epoch, "accuracy": 1 - 0.5 / epoch}
        if validated:
            row |= {"validation_loss": 2.5 / epoch, "validation_accuracy": 1 - 0.6 / epoch}
        found.append(row)
    return found


def lines(svg, colour):
    """The points of each line drawn in a colour; the last is the curve or, before the legend, the marks' own."""
    paths = [path for path in ElementTree.fromstring(svg).iter("path") if colour in path.get("style", "")]
    points = [re.findall(r"[ML] ([\d.-]+) ([\d.-]+)", path.get("d")) for path in paths]
    return [np.array(found, float) for found in points if len(found) > 1]


@pytest.mark.parametrize("quantity", ["loss", "accuracy"])
@pytest.mark.parametrize("epochs", [1, 2, 30])
@pytest.mark.parametrize("validated", [True, False])
def test_it_is_well_formed_and_names_what_it_shows(quantity, epochs, validated):
    svg = training_curve(rows(epochs, validated), quantity, epochs, "Falls & rises: <loss>")
    root = ElementTree.fromstring(svg)
    assert root.tag == "svg"
    assert root.get("aria-label") == "Falls & rises: <loss>"
    texts = [text.text for text in root.iter("text")]
    assert "training" in texts
    assert ("validation" in texts) == validated
    assert "epoch" in texts
    assert str(epochs) in texts
    assert any("%" in text for text in texts) == (quantity == "accuracy")


def test_points_are_the_historys():
    history = rows(6)
    curve = next(line for line in lines(training_curve(history, "loss", 6, ""), "--training") if len(line) == 6)
    losses = np.array([row["loss"] for row in history])
    steps = np.diff(curve[:, 0])
    np.testing.assert_allclose(steps, steps[0], atol=1e-4)
    scale = np.polyfit(losses, curve[:, 1], 1)  # down the page as the loss falls, in a straight relation
    assert scale[0] < 0
    np.testing.assert_allclose(np.polyval(scale, losses), curve[:, 1], atol=1e-3)


def test_colours_are_the_pages_and_nothing_is_referred_to_outside():
    svg = training_curve(rows(3), "loss", 2, "")
    assert "#0102" not in svg
    assert {"var(--training)", "var(--validation)", "var(--soft)", "var(--rule)"} <= set(
        re.findall(r"var\([a-z-]+\)", svg)
    )
    assert "http" not in svg
    assert "url(" not in svg
    assert "font-family" not in svg
    assert "<style" not in svg


def test_names_differ_between_the_pictures_of_a_page():
    loss, accuracy = (training_curve(rows(3), quantity, 2, "") for quantity in ("loss", "accuracy"))
    names = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (loss, accuracy)]
    used = [set(re.findall(r'href="#([^"]+)"', svg)) for svg in (loss, accuracy)]
    assert names[0]
    assert names == used
    assert not names[0] & names[1]


def test_the_same_history_gives_the_same_text():
    assert training_curve(rows(3), "loss", 2, "") == training_curve(rows(3), "loss", 2, "")
