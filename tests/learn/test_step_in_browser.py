"""The page of a learner's steps in a browser: what was read is drawn over what should be, in any style of code."""

import pytest

from tests.browsers import browser
from tinycnn.learn.exercise import exercise
from tinycnn.learn.step import step

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

STILL = ("x[p + r, q + s]", "x[r, s]")
VECTORISED = """import numpy as np


def correlate2d(x, w):
    R, S = w.shape
    return np.array([[(x[:R, :S] * w).sum() for q in range(x.shape[1] - S + 1)] for p in range(x.shape[0] - R + 1)])
"""


def marks(tab, name):
    return set(
        tab.locator(f".{name}[data-tensor]").evaluate_all("all => all.map(e => e.dataset.tensor + e.dataset.place)")
    )


@pytest.mark.parametrize("text", [exercise("1").solution.replace(*STILL), VECTORISED])
def test_a_window_that_stands_still_is_seen_to_stand_still(text, browser, tmp_path):
    file, page = tmp_path / "01_cross_correlation.py", tmp_path / "page.html"
    file.write_text(text)
    found = step(exercise("1"), file, "en")
    found.trace.to_html(page)
    with browser.new_context() as context:
        tab = context.new_page()
        said = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(page.as_uri())
        tab.locator(".tc-trace[data-ready=true]").wait_for()
        tab.locator("[data-do=last]").click()
        assert marks(tab, "missed") == {"x2", "x3"}
        assert marks(tab, "extra") == {"x0", "x1"}
        assert {"y1", "y2"} <= marks(tab, "differs")
        assert "y[0, 2] is 21, expected 84" in tab.locator(".tc-trace").inner_text()
        assert not said


def test_the_message_of_an_exception_comes_after_the_last_step(browser, tmp_path):
    file, page = tmp_path / "01_cross_correlation.py", tmp_path / "page.html"
    file.write_text("def correlate2d(x, w):\n    for i in range(9):\n        x[0, i] + x[1, i]\n")
    step(exercise("1"), file, "en").trace.to_html(page)
    with browser.new_context() as context:
        tab = context.new_page()
        tab.goto(page.as_uri())
        tab.locator(".tc-trace[data-ready=true]").wait_for()
        told = "index 2 is out of bounds for axis 1 with size 2"
        assert told not in tab.locator(".tc-trace").inner_text()
        tab.locator("[data-do=last]").click()
        assert told in tab.locator(".tc-trace").inner_text()
