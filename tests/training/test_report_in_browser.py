"""The run report in a browser: silent, alone, as wide as the window, and accessible, in light and dark."""

from importlib.resources import files

import pytest

from tests.browsers import browser
from tests.training.test_report import NASTY, Page, pieces
from tests.training.test_report_in_colour import PHOTOS
from tinycnn.data import DATA_SETS

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """One with all there is to show, one of photos, one with long names of classes and as little else as can be."""
    usual, photos, long = (tmp_path_factory.mktemp(name) for name in ("usual", "photos", "long"))
    Page(usual, pieces())
    with pytest.MonkeyPatch.context() as patch:
        digits = DATA_SETS["digits"]
        names = (*NASTY[:9], "a name of a class that is far too long")
        patch.setitem(DATA_SETS, "digits", type(digits)(**{**vars(digits), "classes": names}))
        Page(long, pieces(epochs=1, validated=False, mistakes={0: (9, 0.9)}))
        patch.setitem(DATA_SETS, "photos", PHOTOS)
        Page(photos, pieces("vgg-small", "photos"))
    return {"usual": usual / "report.html", "photos": photos / "report.html", "long": long / "report.html"}


@pytest.mark.parametrize(
    ("report", "scheme", "width"),
    [("usual", scheme, width) for scheme in ("light", "dark") for width in (360, 1280)]
    + [("long", "light", 360), ("photos", "dark", 360)],
)
def test_it_is_silent_alone_and_accessible(report, scheme, width, browser, reports):
    address = reports[report].as_uri()
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        page = context.new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach(element => element.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert all(image > 0 for image in page.evaluate("[...document.images].map(image => image.naturalWidth)"))
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, background[4:-1].split(","))) < 60) == (scheme == "dark")
        page.add_script_tag(content=files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert not [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in found["violations"]]
        assert not said
        assert [url for url in asked if not url.startswith("data:")] == [address]


def test_axe_and_the_watch_over_the_width_find_what_is_wrong(browser):
    page = browser.new_page(viewport={"width": 360, "height": 900})
    page.set_content("<h1>A</h1><img src='data:,'><p style='width: 500px; color: #999; background: #aaa'>wide</p>")
    page.add_script_tag(content=files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = {fault["id"] for fault in page.evaluate("axe.run()")["violations"]}
    assert {"image-alt", "color-contrast", "html-has-lang"} <= found
    assert page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.close()
