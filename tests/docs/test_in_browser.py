"""The built pages in a browser: they ask nobody for anything, are as wide as the window, and axe finds nothing."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Thread

import pytest

from tests.browsers import browser
from tests.docs.site import SAMPLE, pages

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("docs")

SETTINGS = [("light", 360), ("dark", 1280), ("dark", 360), ("light", 1280)]
KINDS = ["index", "guides/install", "explanations/autograd", "reference/glossary", f"tutorials/{SAMPLE}", "search"]
"""A page of each kind, seen in every setting; each other page is seen in one."""

FORMULAS = "!document.querySelector('.math') || document.querySelector('mjx-container')"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address(site):
    """Where the site is served: the search reads its pages, which a browser refuses to do from files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def opened(browser, address, place, scheme="light", width=1280):
    """The page, once its formulas are set, and all that it said and asked for that it should not have."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    wrong = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda response: wrong.append(response.url) if response.status >= 400 else None)
    own = (address, "data:", "about:")
    page.on("request", lambda asked: None if asked.url.startswith(own) else wrong.append(asked.url))
    page.goto(address + place)
    page.wait_for_function(FORMULAS)
    return page, wrong


def violations(page):
    """What axe finds, by rule and element."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
    return [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in found["violations"]]


def test_every_page_is_silent_alone_and_accessible(browser, site, address):
    places = [path.relative_to(site).as_posix() for path in pages(site)]
    shown = {place: [SETTINGS[number % 4]] for number, place in enumerate(places)}
    shown |= {f"{kind}.html": SETTINGS for kind in KINDS}
    faults = []
    for place, settings in shown.items():
        for scheme, width in settings:
            page, wrong = opened(browser, address, place, scheme, width)
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            if (max(map(int, background[4:-1].split(","))) < 60) != (scheme == "dark"):
                wrong.append(f"its ground is {background}")
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wrong.append("it is wider than the window")
            if page.locator("[data-mml-node=merror]").count():
                wrong.append("a formula is wrong")
            wrong += violations(page)
            faults += [(place, scheme, width, each) for each in wrong]
            page.close()
    assert faults == []


def test_what_is_wrong_is_found(browser, site, address):
    page, wrong = opened(browser, address, "guides/install.html")
    page.evaluate("""() => {
        const article = document.querySelector("article")
        article.insertAdjacentHTML("beforeend", "<img src='/none.png'><p style='color: #ddd'>pale")
        fetch("https://example.invalid/").catch(() => 0)
    }""")
    page.wait_for_function("document.images[document.images.length - 1].complete")
    found = {rule for rule, _ in violations(page)}
    assert {"image-alt", "color-contrast"} <= found
    assert {"https://example.invalid/", f"{address}none.png"} <= set(wrong)
    page.close()


def test_a_step_page_works_inside_a_tutorial(browser, address):
    page, wrong = opened(browser, address, f"tutorials/{SAMPLE}.html")
    inside = page.frame_locator("iframe")
    before = inside.locator("#line").inner_text()
    inside.locator("[data-do=last]").click()
    assert inside.locator("#line").inner_text() != before
    assert not wrong
    page.close()


def test_the_search_finds_a_name(browser, address):
    page, wrong = opened(browser, address, "search.html?q=max_pool2d")
    page.wait_for_selector("#search-results li a")
    assert "max_pool2d" in page.locator("#search-results").inner_text()
    assert not wrong
    page.close()
