"""The pages of a network in a browser: silent, alone, as wide as the window, accessible, and each layer opens."""

from importlib.resources import files

import numpy as np
import pytest

from tests.browsers import browser
from tests.inspect.trace.test_model import image, index_of, seen
from tinycnn.inspect.trace import model
from tinycnn.inspect.trace.model_page import layer_pages, write_folder

__all__ = ["browser", "image", "seen"]  # the fixtures

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def folders(seen, tmp_path_factory):
    """Pages of the network, in each language."""
    found = {}
    for language in ("en", "ko"):
        with pytest.MonkeyPatch.context() as patch:
            if language != "en":  # these pages are not opened: smaller ones are made sooner
                patch.setattr(model, "STEPS", 400)
            pages = layer_pages(seen, language)
        found[language] = tmp_path_factory.mktemp("pages") / language
        index = index_of(seen, pages, language)
        write_folder(found[language], {"index.html": index, **{page.name: page.text for page in pages.values()}})
    return found


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_index_is_silent_alone_and_accessible(language, scheme, width, browser, folders):
    address = (folders[language] / "index.html").as_uri()
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        tab = context.new_page()
        said, asked = [], []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(address)
        tab.evaluate("document.querySelectorAll('details').forEach(element => element.open = true)")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert tab.evaluate("document.documentElement.lang") == language
        background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, background[4:-1].split(","))) < 60) == (scheme == "dark")
        tab.add_script_tag(content=files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert not [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in found["violations"]]
        assert not said
        assert [url for url in asked if not url.startswith("data:")] == [address]


def test_each_map_is_drawn_where_it_belongs(seen, browser, folders):
    """The maps of a layer are cut out of one picture: the colours are found where the largest numbers are."""
    maps = seen.layers[0].output
    with browser.new_context(viewport={"width": 1280, "height": 900}, device_scale_factor=4) as context:
        tab = context.new_page()
        tab.goto((folders["en"] / "index.html").as_uri())
        tab.add_style_tag(content=".sheet b { display: none }")
        pictures = tab.locator("#layer-1 figure").first.locator(".sheet i")
        assert pictures.count() == len(maps)
        pixels = tab.evaluate(
            """async (shots) => Promise.all(shots.map(async ([source, where]) => {
                const image = new Image(); image.src = source; await image.decode();
                const canvas = document.createElement("canvas");
                [canvas.width, canvas.height] = [image.width, image.height];
                const context = canvas.getContext("2d"); context.drawImage(image, 0, 0);
                return where.map(([down, across]) =>
                    [...context.getImageData(across * image.width, down * image.height, 1, 1).data]);
            }))""",
            [[_shot(pictures.nth(i)), _extremes(plane)] for i, plane in enumerate(maps)],
        )
    for plane, (low, high) in zip(maps, pixels, strict=True):
        if plane.min() < -0.4 * np.abs(maps).max():
            assert low[2] > low[0] + 30, "blue"
        if plane.max() > 0.4 * np.abs(maps).max():
            assert high[0] > high[2] + 30, "orange"


def _shot(element):
    from base64 import b64encode

    return "data:image/png;base64," + b64encode(element.screenshot()).decode()


def _extremes(plane):
    """Where the smallest and the largest number lie, as parts of the height and width."""
    return [
        [(row + 0.5) / plane.shape[0], (column + 0.5) / plane.shape[1]]
        for row, column in (np.unravel_index(place, plane.shape) for place in (plane.argmin(), plane.argmax()))
    ]


def test_every_layers_page_opens_from_the_index_and_shows_a_step(seen, browser, folders):
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        tab = context.new_page()
        said, asked = [], []
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        index = (folders["en"] / "index.html").as_uri()
        tab.goto(index)
        names = tab.eval_on_selector_all("a.open", "links => links.map(link => link.getAttribute('href'))")
        assert names == sorted(
            (path.name for path in folders["en"].glob("[0-9]*.html")), key=lambda n: int(n.split("-")[0])
        )
        assert len(names) >= 3
        for name in names:
            tab.goto(index)
            tab.locator(f"a.open[href='{name}']").click()
            tab.locator(".tc-trace[data-ready='true']").wait_for()
            assert tab.locator("#position").inner_text()
            number = name.split("-")[0]
            assert tab.locator("nav a").get_attribute("href") == f"index.html#layer-{number}"
            layer = seen.layers[int(number) - 1]
            crop = next(crop for crop in layer.crops() if _page_of(tab, crop))
            assert tab.locator("#sentence").inner_text()
            assert tab.locator(".read, .written").count() > 0
            y = tab.locator("[data-tensor='y'][data-place='0']")
            if y.count():
                tab.locator("[data-do='last']").click()
                assert float(y.first.inner_text().replace("−", "-")) == pytest.approx(crop.output.flat[0], rel=1e-3)
        assert not said
        assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)


def _page_of(tab, crop):
    """Whether a page shows this part: as many outputs."""
    places = tab.eval_on_selector_all("[data-tensor='y']", "cells => cells.map(cell => cell.dataset.place)")
    return not places or len(set(places)) == crop.output.size
