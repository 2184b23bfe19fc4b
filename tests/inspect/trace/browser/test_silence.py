"""A page asks nobody for anything, is read without scripts, works in a notebook's frame, and moves nothing itself."""

import re

import pytest

from tests.browsers import browser
from tests.inspect.trace.browser.convolutions import CASES
from tests.inspect.trace.browser.tab import opened, seen

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

CASE = next(case for case in CASES if case.name == "conv2d: stride 2 and padding 1, two channels")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("silence") / "page.html"
    CASE.trace.to_html(path)
    return path


def test_a_page_that_asks_or_speaks_is_noticed(path, browser, tmp_path):
    text = path.read_text(encoding="utf-8")
    for planted in (
        "<img src='https://example.org/a.png'/>",
        "<script>console.log('x')</script>",
        "<script>a.b</script>",
    ):
        loud = tmp_path / "loud.html"
        loud.write_text(text.replace("</main>", f"{planted}</main>"), encoding="utf-8")
        with pytest.raises(AssertionError), opened(browser, loud):
            pass


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_scripts_there_is_a_picture_with_numbers(scheme, path, browser):
    with opened(browser, path, java_script_enabled=False, color_scheme=scheme) as tab:
        assert tab.is_visible("#picture svg")
        assert not tab.is_visible("#stepper")
        texts = tab.locator("#picture svg text").all_text_contents()
        assert sum(re.search(r"\d", text) is not None for text in texts) > 50  # x alone has 50 cells
        width, height = (tab.locator("#picture svg").bounding_box()[side] for side in ("width", "height"))
        assert width > 300
        assert height > 200


def test_with_scripts_the_picture_is_gone(path, browser):
    with opened(browser, path) as tab:
        assert tab.locator("#picture").count() == 0
        assert tab.is_visible("#stepper")


def test_it_works_in_the_frame_of_a_notebook(browser, tmp_path):
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!DOCTYPE html><body>{CASE.trace._repr_html_()}</body>", encoding="utf-8")
    with browser.new_context() as context:
        tab = context.new_page()
        said, asked = [], []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(notebook.as_uri())
        assert tab.get_attribute("iframe", "sandbox") == "allow-scripts"
        assert tab.get_attribute("iframe", "title")
        frame = tab.frame_locator("iframe")
        frame.locator(".tc-trace[data-ready=true]").wait_for(state="attached")
        frame.locator("[data-do=next]").click()
        tab.keyboard.press("Shift+ArrowRight")
        tab.keyboard.press("End")
        assert frame.locator("#position").inner_text().startswith("stop 18 of 18")
        frame.locator("#phase").select_option(index=1)
        frame.locator("[data-tensor=weight][data-place='0']").first.click()
        assert frame.locator("#feeds").inner_text() != ""
        tab.wait_for_timeout(400)  # a frame has no address to be written late
        assert said == []
        assert [url for url in asked if not url.startswith(("about:", notebook.as_uri()))] == []


def test_nothing_moves_where_motion_is_not_wanted(path, browser):
    with opened(browser, path, reduced_motion="reduce") as tab:
        for key in ("ArrowRight", "Shift+ArrowRight", "End"):
            tab.keyboard.press(key)
            assert tab.evaluate("document.getAnimations().length") == 0
        moving = tab.evaluate(
            """[...document.querySelectorAll("*")].filter((each) => {
              const style = getComputedStyle(each);
              return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none"
                || style.scrollBehavior === "smooth";
            }).length"""
        )
        assert moving == 0
        assert seen(tab)["isAtEnd"]
