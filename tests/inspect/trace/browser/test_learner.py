"""A learner's trace: read and expected, expected and not read, read and not expected; results that differ; a stop."""

import pytest

from tests.browsers import browser
from tests.inspect.trace.browser.learner import GIVEN, LEARNERS, asked
from tests.inspect.trace.browser.numbers import numbers_in, rounded
from tests.inspect.trace.browser.tab import marked, opened, seen, walk
from tinycnn.inspect.trace.page import write_page

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")


def sign(tab, mark):
    """What stands in the corner of a cell with a mark."""
    return tab.evaluate("mark => getComputedStyle(document.querySelector(`td.${mark}`), '::after').content", mark)


def test_what_was_read_is_held_against_what_was_expected(browser, tmp_path):
    path = tmp_path / "page.html"
    write_page(path, LEARNERS["other window"]())
    expected, reads = asked()
    made = GIVEN.passes(GIVEN)[0]
    with opened(browser, path) as tab:
        states = walk(tab, 0)
        differs = set()
        for state, steps in zip(states, made.stops, strict=True):
            place, value = steps[-1].place, steps[-1].after
            wanted = float(expected.ravel()[place])
            missed, extra = {}, {}
            for tensor in ("x", "weight"):
                own = {at for step in steps for name, at in step.reads if name == tensor}
                missed |= {tensor: reads[tensor][place] - own} if reads[tensor][place] - own else {}
                extra |= {tensor: own - reads[tensor][place]} if own - reads[tensor][place] else {}
            assert marked(state, "missed") == missed
            assert marked(state, "extra") == extra
            if value != wanted:
                differs.add(place)
                assert "×" in tab.evaluate("getComputedStyle(document.querySelector('td.differs'), '::after').content")
            assert marked(state, "differs").get("y", set()) == differs
        assert differs
        tab.evaluate("document.querySelector('[data-do=first]').click()")
        assert "−" in sign(tab, "missed")
        assert "+" in sign(tab, "extra")
        told = tab.inner_text("#difference")
        first = made.stops[0][-1].after
        assert told.startswith("× " if first != expected.ravel()[0] else "✓ ")
        assert rounded(float(expected.ravel()[0])) in numbers_in(told)
        for mark in ("read", "missed", "extra", "differs"):
            assert tab.locator(f"#legend .{mark}").count() == 1


def test_a_function_that_raised_is_shown_up_to_there(browser, tmp_path):
    path = tmp_path / "page.html"
    record = LEARNERS["stopped halfway"]()
    write_page(path, record)
    raised = record["operations"][0]["raised"]
    with opened(browser, path) as tab:
        assert not tab.is_visible("#raised")
        tab.keyboard.press("End")
        told = tab.inner_text("#raised")
        for part in (raised["type"], raised["message"], str(raised["line"])):
            assert part in told
        assert tab.locator("#source .raised").get_attribute("data-line") == str(raised["line"])
        shown = {
            place for _, place, _ in (step["writes"][-1] for step in record["operations"][0]["phases"][0]["steps"])
        }
        state = seen(tab)
        assert max(shown) in marked(state, "written")["y"]
        assert marked(state, "pale").get("y", set()).isdisjoint(shown)
