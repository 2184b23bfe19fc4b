"""The walk of backward in a browser: what it shows is the record, by mouse and by keyboard, and all can read it."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

import tinycnn.functional as F
from tests.browsers import browser
from tests.inspect.test_gradcheck_page_in_browser import faults
from tinycnn.inspect.trace import graph, trace

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

FOLDER = Path(graph.__file__).parent
FRAME = """<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"><title>A walk</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root {{ --page: #fdfcf9; --text: #23272e; --soft: #5a616c; --rule: #dcd9d1; --panel: #f5f3ed;
  --blue: #1565b8; --orange: #b55400; --sans: sans-serif; --mono: monospace; }}
@media (prefers-color-scheme: dark) {{ :root {{ --page: #16191d; --text: #e3e5e9; --soft: #a3abb7; --rule: #353b44;
  --panel: #1e2228; --blue: #74b3f4; --orange: #f2a14e; }} }}
body {{ background: var(--page); color: var(--text); }}
{style}</style></head><body><main><h1>A walk</h1><div id="graph"></div></main><script>
{script}
drawGraph(document.getElementById("graph"), {record}, {words}, (lesson) => {{ window.opened = lesson; }});
window.others = 0;
document.addEventListener("keydown", () => {{ window.others += 1; }});
</script></body></html>"""


def diamond(x, w):
    r = F.relu(x)
    return r * w + (r + 2)


DIAMOND = trace(diamond, np.array([1.0, 2.0, -1.0]), np.array([3.0, -1.0, 0.5]), upstream=np.array([1.0, -2.0, 1.5]))


def framed(record, language="en"):
    words = tomllib.loads((FOLDER / "words" / "graph" / f"{language}.toml").read_text(encoding="utf-8"))
    scripts = [FOLDER / "web" / "numbers.js", *sorted((FOLDER / "web").glob("graph*.js"))]
    return FRAME.format(
        language=language,
        style=(FOLDER / "web" / "graph.css").read_text(encoding="utf-8"),
        script="\n".join(path.read_text(encoding="utf-8") for path in scripts),
        record=json.dumps(record),
        words=json.dumps({"graph": words}),
    )


@pytest.fixture
def tab(browser):
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        tab = context.new_page()
        tab.set_content(framed(DIAMOND.record))
        yield tab


def press(tab, name):
    tab.locator(f"[data-walk={name}]").click(force=True)  # also a button that says that it does nothing now


def text(values):
    return f"[{', '.join(f'{value:.5g}' for value in values)}]".replace("-", "−")


def said(tab, part):
    return tab.locator(f"[data-{part}] .tg-told").all_text_contents()


def test_each_step_shows_what_the_record_has(tab):
    recorded = DIAMOND.record["graph"]
    for number, step in enumerate(recorded["walk"], 1):
        press(tab, "next")
        assert tab.locator(".tg-position").inner_text() == f"step {number} of {len(recorded['walk'])}"
        assert tab.locator(".tg-part.is-now").get_attribute("data-node") == str(step["node"])
        sentence = tab.locator(".tg-sentence").inner_text()
        assert text(step["gradient"]["values"]) in sentence
        sent = tab.locator(".tg-sent").all_text_contents()
        assert sorted(filter(None, sent)) == sorted(text(send["values"]) for send in step["sends"])
        for send in step["sends"]:
            assert text(send["values"]) in sentence
            assert send["of"] == 1 or text(send["sum"]["values"]) in sentence
    gradients = {leaf["name"]: text(leaf["gradient"]) for leaf in recorded["leaves"]}
    assert dict(zip(["w", "x"], [said(tab, f"leaf={name}")[0] for name in ("w", "x")], strict=True)) == gradients
    assert tab.locator("[data-walk=next]").get_attribute("aria-disabled") == "true"
    press(tab, "next")
    assert tab.locator(".tg-position").inner_text() == f"step {number} of {number}"


def test_what_waits_is_told(tab):
    press(tab, "next")
    assert said(tab, "node='0'") == ["waits"]
    press(tab, "next")
    assert said(tab, "node='0'") == ["1 of 2 arrived"]
    press(tab, "next")
    assert said(tab, "node='0'") == ["ready"]


def test_without_waiting_the_wrong_ones_are_marked(tab):
    naive = DIAMOND.record["graph"]["naive"]
    press(tab, "naive")
    assert tab.locator("[data-walk=naive]").get_attribute("aria-pressed") == "true"
    assert tab.locator(".is-wrong:not(.tg-key)").count() == 0
    press(tab, "last")
    wrong = {leaf["name"]: text(leaf["gradient"]) for leaf in naive["leaves"]}
    right = {leaf["name"]: text(leaf["gradient"]) for leaf in DIAMOND.record["graph"]["leaves"]}
    assert said(tab, "leaf=x") == [f"× {wrong['x']}"]
    assert said(tab, "leaf=w") == [wrong["w"]] == [right["w"]]
    assert said(tab, "node='0'") == ["× ran with 1 of 2"]
    assert f"x got {wrong['x']}, and {right['x']} is right" in tab.locator(".tg-sentence").inner_text()
    assert "too late" in tab.locator("tbody tr").last.text_content()
    press(tab, "naive")
    assert tab.locator(".is-wrong:not(.tg-key)").count() == 0
    assert said(tab, "leaf=x") == ["waits"]


def test_without_waiting_what_comes_of_it_is_marked(browser):
    def chain(x):
        y = (x * 3).exp()
        return y * y

    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_content(framed(trace(chain, np.array([0.5, -0.5])).record))
        press(tab, "last")
        assert [said(tab, f"node='{i}'")[0] for i in range(3)] == ["runs now", "has run", "has run"]
        press(tab, "naive")
        press(tab, "last")
        assert [said(tab, f"node='{i}'")[0] for i in range(2)] == ["× wrong gradient", "× ran with 1 of 2"]


def test_keys_step_and_leave_those_of_the_page_around_alone(tab):
    tab.locator("[data-walk=next]").focus()
    position = tab.locator(".tg-position")
    for key, told in [("End", "step 4 of 4"), ("ArrowLeft", "step 3 of 4"), ("Home", "start of 4 steps")]:
        tab.keyboard.press(key)
        assert position.inner_text() == told
    tab.locator("summary").focus()
    tab.keyboard.press("ArrowRight")
    assert position.inner_text() == "step 1 of 4"
    assert tab.evaluate("window.others") == 0
    tab.keyboard.press("Control+ArrowRight")
    assert position.inner_text() == "step 1 of 4"
    assert tab.evaluate("window.others") > 0


def test_it_plays_and_pauses(tab):
    tab.clock.install()
    press(tab, "play")
    assert tab.locator("[data-walk=play]").get_attribute("aria-label") == "Pause"
    tab.clock.run_for(3400)
    assert tab.locator(".tg-position").inner_text() == "step 2 of 4"
    press(tab, "play")
    tab.clock.run_for(9000)
    assert tab.locator(".tg-position").inner_text() == "step 2 of 4"
    press(tab, "play")
    tab.clock.run_for(60_000)
    assert tab.locator(".tg-position").inner_text() == "step 4 of 4"
    assert tab.locator("[data-walk=play]").get_attribute("aria-label") == "Play"


def test_a_node_is_gone_to_and_its_lesson_opened(tab):
    press(tab, "open")
    assert tab.evaluate("window.opened") is None
    tab.locator("[data-node='0']").click()
    assert tab.locator(".tg-position").inner_text() == "step 4 of 4"
    press(tab, "open")
    assert tab.evaluate("window.opened") == DIAMOND.record["graph"]["nodes"][0]["lesson"] == 0


def test_the_table_has_every_send(tab):
    tab.locator("summary").click()
    rows = tab.locator("tbody tr")
    for step, row in zip(DIAMOND.record["graph"]["walk"], rows.all(), strict=True):
        sends = row.locator("li").all_inner_texts()
        assert all(text(send["values"]) in told for send, told in zip(step["sends"], sends, strict=True))
        assert row.locator("td").nth(1).inner_text() == text(step["gradient"]["values"])


def test_parts_stand_apart_and_nothing_is_cut(tab):
    boxes = [box.bounding_box() for box in tab.locator(".tg-part rect").all()]
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            aside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
            above = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
            assert aside or above
    for walk in ("last", "naive", "last"):
        press(tab, walk)
        for part in tab.locator(".tg-part").all():
            frame = part.locator("rect").bounding_box()
            for line in part.locator("text").all():
                inner = line.bounding_box()
                assert not inner or not inner["width"] or frame["x"] <= inner["x"]
                assert not inner or not inner["width"] or inner["x"] + inner["width"] <= frame["x"] + frame["width"]


def many(a, b):
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    return (d + d * 2 + F.relu(b + a) - c) ** 2


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_all_can_read_it(width, scheme, language, browser):
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        tab = context.new_page()
        told = []
        tab.on("console", lambda message: told.append(message.text))
        tab.on("pageerror", lambda error: told.append(str(error)))
        tab.set_content(framed(trace(many, np.array(-4.0), np.array(2.0)).record, language))
        tab.locator("summary").click()
        for names in (["last"], ["naive", "last"]):
            for name in names:
                press(tab, name)
            assert not faults(tab)
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not told


def test_on_the_page_of_a_trace_a_node_opens_its_operation(browser, tmp_path):
    path = tmp_path / "trace.html"
    traced = trace(lambda x: F.tanh(x) + F.relu(x), np.array([1.0, -2.0]))
    traced.to_html(path)
    opened = [node["lesson"] for node in traced.record["graph"]["nodes"]].index(len(traced.operations) - 1)
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        tab = context.new_page()
        tab.goto(path.as_uri())
        tab.locator("[data-ready=true]").wait_for()
        tab.locator(f"[data-node='{opened}']").click()
        press(tab, "open")
        wanted = f"operation={len(traced.operations) - 1}"
        tab.wait_for_function("(wanted) => location.hash.includes(wanted)", arg=wanted)  # it rests between two changes


def test_a_page_without_operations_has_a_heading(browser, tmp_path):
    path = tmp_path / "trace.html"
    trace(lambda a, b: a * b + a, np.array(3.0), np.array(-2.0)).to_html(path)
    with browser.new_context() as context:
        tab = context.new_page()
        tab.goto(path.as_uri())
        tab.locator("[data-ready=true]").wait_for()
        press(tab, "last")
        assert said(tab, "leaf=a") == ["−1"]
        assert tab.locator("h1:visible").all_inner_texts() == ["The walk back"]
        assert not faults(tab)
