"""The page of gradient checks in a browser: silent, alone, as wide as the window, accessible, by keyboard alone."""

from importlib.resources import files

import pytest

from tests.browsers import browser
from tests.inspect.test_gradcheck_page import MIXED, NASTY, RIGHT, WRONG, entries, made, made_input, wrong
from tinycnn.inspect.gradcheck.page import page, write_page

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

LONG = made_input("a_name_that_is_far_too_long_" * 4, (2, 64), entries((2, 64), but=[wrong([0, 3])]))
WIDE = made(f"{NASTY} {'endless' * 30}", "wrong", LONG, faults=["a fault without a space " + "ab" * 200])
SHOWN = {"mixed": (*MIXED, WIDE), "wrong": (WRONG,), "wide": (WIDE,)}


def faults(tab):
    """What axe finds. It leaves a single character that is hard to see for others to judge: here it is a fault."""
    tab.add_script_tag(content=files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = tab.evaluate("axe.run()")
    certain = [(fault["id"], node["html"][:200]) for fault in found["violations"] for node in fault["nodes"]]
    unsure = [node for doubt in found["incomplete"] if doubt["id"] == "color-contrast" for node in doubt["nodes"]]
    told = [(node["html"], node["any"][0]["data"]) for node in unsure]
    return certain + [html for html, data in told if data["messageKey"] == "shortTextContent" and data["bgColor"]]


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", SHOWN)
def test_it_is_silent_alone_and_accessible(name, scheme, width, browser, tmp_path):
    path = tmp_path / "check.html"
    write_page(path, SHOWN[name], SHOWN[name][0]["title"])
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        tab = context.new_page()
        said, asked = [], []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(element => element.open = true)")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, background[4:-1].split(","))) < 60) == (scheme == "dark")
        assert not faults(tab)
        assert not said
        assert asked == [path.as_uri()]


def test_a_sign_that_is_hard_to_see_is_found(browser):
    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_content(page([WRONG], "wrong"))
        assert not faults(tab)
        tab.add_style_tag(content=".gc .map .w4 { background: #666 }")
        assert len(faults(tab)) == 2


def test_it_is_read_with_the_keyboard_alone_and_without_script(browser, tmp_path):
    path = tmp_path / "check.html"
    write_page(path, (WIDE, RIGHT), "two")
    with browser.new_context(viewport={"width": 360, "height": 900}, java_script_enabled=False) as context:
        tab = context.new_page()
        tab.goto(path.as_uri())
        focus, closed = tab.locator("*:focus"), tab.locator("section.right > details > summary")
        reached = []
        for _ in range(12):
            tab.keyboard.press("Tab")
            reached.append(focus.evaluate("e => e.tagName + ' ' + (e.getAttribute('aria-label') || '').slice(-25)"))
            if focus.evaluate("e => e.parentElement.matches('section.right > details')"):
                break
        assert [r.split(" ")[0] for r in reached] == ["A", "A", "SUMMARY", "DIV", "DIV", "SUMMARY"]
        assert reached[3].endswith(", scroll sideways")
        assert reached[4].endswith("scrolls sideways")
        assert not tab.locator("section.right .map").is_visible()
        tab.keyboard.press("Enter")
        assert tab.locator("section.right .map").is_visible()
        assert closed.inner_text().endswith("hide")
        tab.locator("[aria-label$='scroll sideways']").focus()
        tab.keyboard.press("ArrowRight")
        tab.wait_for_timeout(300)
        assert focus.evaluate("e => e.scrollLeft") > 0
