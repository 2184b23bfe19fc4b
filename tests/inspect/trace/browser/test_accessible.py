"""axe finds nothing, and nothing is cut or wider than the window: in each pair of colours, language and width."""

import pytest

from tests.browsers import browser
from tests.inspect.test_gradcheck_page_in_browser import faults
from tests.inspect.trace.browser import convolutions, operations
from tests.inspect.trace.browser.learner import LEARNERS
from tests.inspect.trace.browser.tab import opened
from tinycnn.inspect.trace.page import write_page

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

PAIRS = [
    [("light", "en", 360), ("dark", "ko", 1280)],
    [("dark", "en", 360), ("light", "ko", 1280)],
    [("light", "ko", 360), ("dark", "en", 1280)],
    [("dark", "ko", 360), ("light", "en", 1280)],
]
"""A page is seen in both settings of each kind, all pages together in all eight."""

CUT = """
() => [...document.querySelectorAll(".tc-trace td, .tc-trace button, #line, #sentence, #phase")]
  .filter((each) => each.offsetParent && each.scrollWidth > each.clientWidth + 1)
  .map((each) => each.outerHTML.slice(0, 200))
"""


CASES = [*convolutions.CASES, *operations.CASES]
OPERATIONS = {}
"""A case of each operation, with padding where there is such a thing."""
for case in CASES:
    if case.operation not in OPERATIONS or "on each side" in case.name:
        OPERATIONS[case.operation] = case


SHOWN = [
    (name, *setting)
    for number, name in enumerate([*OPERATIONS, *LEARNERS])
    if name not in ("leaky_relu", "tanh", "sigmoid")  # as relu
    for setting in PAIRS[number % len(PAIRS)]
]


def record_of(name):
    return LEARNERS[name]() if name in LEARNERS else OPERATIONS[name].trace.record


@pytest.mark.parametrize(("name", "scheme", "language", "width"), SHOWN)
def test_axe_finds_nothing(name, scheme, language, width, browser, tmp_path):
    path = tmp_path / "page.html"
    write_page(path, record_of(name), language)
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with opened(browser, path, **options) as tab:
        assert tab.get_attribute("html", "lang") == language
        background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, background[4:-1].split(","))) < 60) == (scheme == "dark")
        tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
        for phase in range(tab.locator("#phase option").count()):
            tab.select_option("#phase", index=phase)
            tab.evaluate("document.querySelector('[data-do=last]').click()")
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), phase
            assert tab.evaluate(CUT) == [], phase
        if language == "en":  # as it opens
            tab.evaluate("document.querySelector('[data-do=first]').click()")
            assert not faults(tab)
            return
        tab.evaluate("document.querySelector('[data-do=previous]').click()")
        tab.evaluate("document.querySelector('[data-do=finer]').click()")
        tab.evaluate("document.querySelector('[data-do=predict]').click()")
        tab.fill("#answer", "123456")
        tab.press("#answer", "Enter")
        tab.evaluate("document.querySelector('.read').click()")
        assert not faults(tab)  # with all that can be on the screen
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_fault_is_found(browser, tmp_path):
    path = tmp_path / "page.html"
    CASES[0].trace.to_html(path)
    with opened(browser, path) as tab:
        tab.add_style_tag(
            content=".tc-trace .grid td { color: #bbb; display: block; min-width: 0; width: 4px; overflow: hidden }"
        )
        tab.evaluate("document.querySelector('#speed').removeAttribute('id')")
        assert faults(tab)
        assert tab.evaluate(CUT)
