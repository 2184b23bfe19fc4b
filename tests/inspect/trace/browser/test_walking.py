"""Ways through a page: keys, buttons, choices, links and clicks."""

import numpy as np
import pytest

import tinycnn as tc
from tests.browsers import browser
from tests.inspect.trace.browser.cases import halves
from tests.inspect.trace.browser.convolutions import CASES
from tests.inspect.trace.browser.tab import marked, opened, seen, told

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

CASE = next(case for case in CASES if case.name == "conv2d: stride 2 and padding 1, two channels")
FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHT, BACKWARD_BIAS = CASE.passes(CASE)
STOPS = len(FORWARD.stops)  # 18: two kernels, 3 x 3 outputs


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("walking") / "page.html"
    CASE.trace.to_html(path)
    return path


def at(stop, step=None, stops=STOPS):
    """The text of a position, both counted from 0."""
    return f"stop {stop + 1} of {stops}" + ("" if step is None else f", step {step + 1} of ")


def test_keys(path, browser):
    with opened(browser, path) as tab:
        for keys, stop in [
            (["ArrowLeft"], 0),  # already the first
            (["ArrowRight"], 1),
            (["ArrowRight", "ArrowRight"], 3),
            (["ArrowLeft"], 2),
            (["ArrowDown"], 5),  # a row of 3 outputs further down
            (["ArrowDown", "ArrowUp", "ArrowUp"], 2),
            (["End"], STOPS - 1),
            (["ArrowRight"], STOPS - 1),
            (["ArrowUp"], STOPS - 4),
            (["Home"], 0),
        ]:
            for key in keys:
                tab.keyboard.press(key)
            state = seen(tab)
            assert state["position"] == at(stop), keys
            assert marked(state, "written") == {"y": {stop}}
            assert (state["isAtStart"], state["isAtEnd"]) == (stop == 0, stop == STOPS - 1)


def test_shift_goes_by_single_steps_across_the_stops(path, browser):
    steps = [(stop, step) for stop, all_steps in enumerate(FORWARD.stops[:3]) for step in range(len(all_steps))]
    with opened(browser, path) as tab:
        for stop, step in steps:
            tab.keyboard.press("Shift+ArrowRight")
            assert seen(tab)["position"].startswith(at(stop, step))
        for stop, step in reversed(steps[:-1]):
            tab.keyboard.press("Shift+ArrowLeft")
            assert seen(tab)["position"].startswith(at(stop, step))
        tab.keyboard.press("Shift+ArrowLeft")
        assert seen(tab)["position"].startswith(at(0, 0))


def test_finer_lets_plain_arrows_go_by_single_steps(path, browser):
    with opened(browser, path) as tab:
        tab.click("[data-do=finer]")
        assert tab.get_attribute("[data-do=finer]", "aria-pressed") == "true"
        tab.keyboard.press("ArrowRight")
        assert seen(tab)["position"].startswith(at(0, 1))
        tab.keyboard.press("End")
        assert seen(tab)["position"] == at(STOPS - 1, len(FORWARD.stops[-1]) - 1) + str(len(FORWARD.stops[-1]))
        assert seen(tab)["isAtEnd"]
        tab.click("[data-do=finer]")
        tab.keyboard.press("ArrowLeft")
        assert seen(tab)["position"] == at(STOPS - 2)


def test_buttons(path, browser):
    with opened(browser, path) as tab:
        for name, stop in [("next", 1), ("next", 2), ("previous", 1), ("last", STOPS - 1), ("first", 0)]:
            tab.click(f"[data-do={name}]")
            assert seen(tab)["position"] == at(stop)
        for name in ("first", "previous"):
            assert tab.is_disabled(f"[data-do={name}]")
        for name in ("next", "last"):
            assert tab.is_enabled(f"[data-do={name}]")


@pytest.mark.parametrize("holder", ["#speed", "#phase", "#answer"])
def test_keys_in_a_field_belong_to_the_field(holder, path, browser):
    with opened(browser, path) as tab:
        tab.click("[data-do=next]")
        tab.click("[data-do=predict]")
        tab.focus(holder)
        for key in ("Home", "End", " ") if holder == "#answer" else ("Escape",):
            tab.keyboard.press(key)
        if holder != "#phase":
            tab.keyboard.press("ArrowRight")
        assert seen(tab)["position"] == at(1)


def test_space_on_a_button_presses_the_button(path, browser):
    with opened(browser, path) as tab:
        tab.focus("[data-do=next]")
        tab.keyboard.press(" ")
        assert seen(tab)["position"] == at(1)
        assert "playing" not in (tab.get_attribute("[data-do=play]", "class") or "")


@pytest.mark.parametrize("speed", [2, 10])
def test_it_plays_as_fast_as_it_says_and_stops_at_the_end(speed, path, browser):
    with browser.new_context() as context:
        tab = context.new_page()
        tab.clock.install()
        tab.goto(path.as_uri())
        tab.wait_for_selector(".tc-trace[data-ready=true]", state="attached")
        tab.evaluate("speed => { const s = document.querySelector('#speed'); s.value = speed; "
                     "s.dispatchEvent(new Event('input', { bubbles: true })) }", speed)  # fmt: skip
        assert str(speed) in tab.inner_text("#speed-told")
        tab.clock.pause_at(tab.evaluate("Date.now() + 60_000"))
        tab.keyboard.press(" ")
        assert tab.inner_text("#position") == at(0)
        tab.clock.run_for(1000 + 10)
        assert tab.inner_text("#position") == at(speed)
        tab.keyboard.press(" ")
        tab.clock.run_for(5000)
        assert tab.inner_text("#position") == at(speed)  # it rests
        name = tab.inner_text("[data-do=play]")
        tab.click("[data-do=play]")
        assert tab.inner_text("[data-do=play]") != name
        tab.clock.run_for(1000 * (STOPS + 5) / speed)
        assert tab.inner_text("#position") == at(STOPS - 1)
        assert tab.inner_text("[data-do=play]") == name
        tab.click("[data-do=play]")  # and begins anew
        assert tab.inner_text("#position") == at(0)


def test_passes_are_chosen(path, browser):
    with opened(browser, path) as tab:
        assert tab.locator("#phase option").count() == 4
        for phase, made in enumerate(CASE.passes(CASE)):
            tab.select_option("#phase", index=phase)
            state = seen(tab)
            assert state["position"] == at(0, stops=len(made.stops))
            assert made.result in marked(state, "written")


def test_operations_are_chosen(browser, tmp_path):
    arrays = [halves(shape, 7) for shape in ((1, 1, 4, 4), (1, 1, 3, 3))]
    traced = tc.trace(lambda x, w: tc.functional.relu(tc.functional.conv2d(x, w, algorithm="direct")), *arrays)
    traced.to_html(tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as tab:
        assert tab.locator("#operation option").count() == 2
        assert seen(tab)["position"] == at(0, stops=4)
        tab.click("[data-do=next]")
        tab.select_option("#operation", index=1)
        state = seen(tab)
        assert state["position"] == at(0, stops=4)
        assert state["phase"] == 0
        assert {tensor for view in state["views"] for tensor in view["tensors"]} == {"x", "y"}
        tab.select_option("#operation", index=0)
        assert "weight" in {tensor for view in seen(tab)["views"] for tensor in view["tensors"]}


@pytest.mark.parametrize(
    ("link", "phase", "position"),
    [
        ("#operation=0&phase=1&stop=5&step=2", 1, at(5, 2) + str(len(BACKWARD_INPUT.stops[5]))),
        ("#operation=0&phase=2&stop=35", 2, at(35, stops=36)),
        ("#stop=4", 0, at(4)),
        ("#operation=9&phase=9&stop=abc", 3, at(0, stops=2)),
        ("#operation=-1&phase=-1&stop=99999999999999999999&step=-5", 0, at(STOPS - 1, 0)),
        ("#phase=&stop=&step=", 0, at(0, 0)),
        ("#%E0%A4%A&&==&stop=1e3", 0, at(1)),
        ("#", 0, at(0)),
    ],
)
def test_a_link_leads_to_its_step_or_the_nearest_that_there_is(link, phase, position, path, browser):
    with opened(browser, path, link) as tab:
        state = seen(tab)
        assert state["phase"] == phase
        assert state["position"].startswith(position)
    with opened(browser, path) as tab:  # and where the page is there already
        tab.evaluate("hash => { location.hash = hash }", link)
        tab.wait_for_function("text => document.querySelector('#position').textContent.startsWith(text)", arg=position)
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press("ArrowLeft")
        assert seen(tab)["phase"] == phase


def test_the_address_follows_the_steps_and_back_goes_back(path, browser):
    with opened(browser, path, "#phase=1") as tab:
        tab.keyboard.press("ArrowRight")
        tab.wait_for_function("location.hash === '#operation=0&phase=1&stop=1'")
        tab.keyboard.press("Shift+ArrowRight")
        tab.wait_for_function("location.hash === '#operation=0&phase=1&stop=1&step=0'")
        tab.evaluate("location.hash = '#phase=0&stop=3'")
        tab.wait_for_function("document.querySelector('#position').textContent === 'stop 4 of 18'")
        tab.evaluate("history.back()")
        tab.wait_for_function("document.querySelector('#phase').value === '1'")
        assert seen(tab)["position"].startswith(at(1, 0))


CLICK = """
(([tensor, view, place]) => {
  document.querySelector(`[data-view="${view}"] [data-tensor="${tensor}"][data-place="${place}"]`).click();
  return seen();
})
"""


def clicked(tab, tensor, view, size):
    """What is on the screen after a click on each entry of a tensor in turn."""
    each = f"[...Array(size).keys()].map((place) => {CLICK}([tensor, view, place]))"
    return told(tab, f"([tensor, view, size]) => JSON.stringify({each})", [tensor, view, int(size)])


@pytest.mark.parametrize("phase", range(4))
def test_a_click_on_a_result_goes_to_where_it_is_computed(phase, path, browser):
    made = CASE.passes(CASE)[phase]
    by = {}
    for stop, steps in enumerate(made.stops):
        for place in {step.place for step in steps}:
            by.setdefault(place, []).append(stop)
    with opened(browser, path, f"#phase={phase}") as tab:
        view = next(i for i, each in enumerate(seen(tab)["views"]) if made.result in each["tensors"])
        states = clicked(tab, made.result, view, np.prod(made.shape))
        for place, state in enumerate(states):
            stop = int(state["position"].split()[1]) - 1
            assert stop in by[place]
            assert place in marked(state, "written")[made.result]
        place = max(by, key=lambda place: len(by[place]))  # by several clicks to all that add to it
        visited = set()
        for _ in by[place]:
            state = tab.evaluate(CLICK, [made.result, view, place])
            visited.add(int(state["position"].split()[1]) - 1)
        assert visited == set(by[place])


@pytest.mark.parametrize("phase", range(4))
def test_a_click_on_an_input_marks_exactly_the_results_that_read_it(phase, path, browser):
    made = CASE.passes(CASE)[phase]
    feeds = {}
    for step in (step for stop in made.stops for step in stop):
        for source in step.reads:
            feeds.setdefault(source, set()).add(step.place)
    with opened(browser, path, f"#phase={phase}&stop=1") as tab:
        for tensor in {source for source, _ in feeds}:
            view = next(i for i, each in enumerate(seen(tab)["views"]) if tensor in each["tensors"])
            for place, state in enumerate(clicked(tab, tensor, view, made.given[tensor].size)):
                fed = feeds.get((tensor, place), set())
                assert marked(state, "fed") == ({made.result: fed} if fed else {})
                assert marked(state, "chosen") == {tensor: {place}}
                index = ", ".join(map(str, np.unravel_index(place, made.given[tensor].shape)))
                count = f"{len(fed)} output" if fed else "no output"
                assert state["feeds"].startswith(f"{tensor}[{index}] feeds {count}")
                assert state["position"] == at(1, stops=len(made.stops))
        tab.keyboard.press("Escape")
        state = seen(tab)
        assert not marked(state, "fed")
        assert not marked(state, "chosen")
        assert state["feeds"] == ""


def test_the_keyboard_alone_walks_the_cells_of_a_grid(path, browser):
    with opened(browser, path) as tab:
        reached = []
        while "y[0, 1]" not in (reached[-1:] or [""])[0]:
            tab.keyboard.press("Tab")
            reached.append(tab.evaluate("document.activeElement.getAttribute('aria-label') ?? ''"))
            assert len(reached) < 40
        for key in ("Enter", "ArrowRight", "ArrowDown", "Enter"):
            tab.keyboard.press(key)
        assert seen(tab)["position"] == at(9 + 4)  # y[0, 1, 1, 1]
        assert tab.evaluate("document.activeElement.dataset.place") == "13"
        tab.keyboard.press("Escape")
        assert tab.evaluate("document.activeElement.getAttribute('role')") == "grid"
        tab.keyboard.press("ArrowRight")
        assert seen(tab)["position"] == at(9 + 5)
