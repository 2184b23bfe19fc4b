"""The page of a trace in a browser: numbers, steps, keys, questions, and what it says to whom does not see it."""

import copy

import numpy as np
import pytest

import tinycnn as tc
from tests.browsers import browser
from tests.inspect.test_gradcheck_page_in_browser import faults
from tests.inspect.trace.test_page import NASTY, convolution
from tinycnn.inspect.trace.lessons.optimizer import sgd
from tinycnn.inspect.trace.page import write_page
from tinycnn.inspect.trace.record import made_record, run_lesson
from tinycnn.inspect.trace.stops import Pass, Sayings

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")


def learner():
    """A convolution whose fifth window reads one column too far left and whose last line raises."""
    record = copy.deepcopy(convolution().record)
    operation = record["operations"][0]
    phase = operation["phases"][0]
    del operation["phases"][1:]
    reads = {name: [[] for _ in operation["tensors"]["y"]["values"]] for name in ("x", "weight")}
    for step in phase["steps"]:
        for tensor, place, _ in step["reads"]:
            if tensor in reads:
                reads[tensor][step["writes"][0][1]].append(place)
    reads["x"][4] = [place + 1 for place in reads["x"][4]]
    operation["expected"] = {"result": "y", "values": list(operation["tensors"]["y"]["values"]), "reads": reads}
    operation["expected"]["values"][4] = 7.25
    operation["raised"] = {"type": "IndexError", "message": NASTY, "line": phase["steps"][-1]["line"]}
    return record


def graph():
    return tc.trace(lambda a, b: tc.functional.relu(a * b) + a, np.array([1.0, 2.0]), np.array([3.0, -1.0])).record


def pooling():
    x = np.random.default_rng(1).normal(size=(1, 2, 5, 5))
    return tc.trace(lambda x: tc.functional.max_pool2d(x, 3, stride=2, padding=1), x).record


def step():
    arrays = np.random.default_rng(2).normal(size=(3, 2, 2))
    return made_record("sgd", [run_lesson(sgd(*arrays, 0.1, 0.9, True, 0.01))])


RECORDS = {
    "convolution": lambda: convolution().record,
    "pooling": pooling,
    "step": step,
    "graph": graph,
    "learner": learner,
}


@pytest.fixture(scope="module")
def records():
    return {name: make() for name, make in RECORDS.items()}


@pytest.fixture
def tab(browser):
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context.new_page()


def opened(tab, record, path, place="", language="en"):
    write_page(path / "trace.html", record, language)
    tab.goto((path / "trace.html").as_uri() + place)
    tab.wait_for_selector("[data-ready]", state="attached")
    return tab


def text(tab, selector):
    return tab.locator(selector).inner_text()


def told(number):
    """A number with few digits, as a page has it."""
    return f"{number:.5g}".replace("-", "−")


def cells(tab, tensor, style=""):
    """Places of a tensor whose cells have a class."""
    found = tab.locator(f"td[data-tensor='{tensor}']{style}")
    return {int(place) for place in found.evaluate_all("cells => cells.map(cell => cell.dataset.place)")}


def shown(tab, tensor):
    found = tab.locator(f"td[data-tensor='{tensor}']")
    return dict(found.evaluate_all("cells => cells.map(cell => [cell.dataset.place, cell.textContent])"))


@pytest.mark.parametrize(("language", "scheme", "width"), [("en", "light", 360), ("ko", "dark", 1280)])
@pytest.mark.parametrize("name", ["convolution", "learner", "graph"])
def test_it_is_silent_alone_and_accessible(name, language, scheme, width, browser, records, tmp_path):
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        tab = context.new_page()
        said, asked = [], []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        opened(tab, records[name], tmp_path, "#stop=4&step=1" if name == "convolution" else "#stop=4", language)
        tab.evaluate("document.querySelectorAll('details').forEach(element => element.open = true)")
        if records[name]["operations"]:
            tab.click("[data-do=predict]")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not faults(tab)
        assert not said
        assert len(asked) == 1


def test_every_stop_shows_what_the_record_holds(tab, records, tmp_path):
    record = records["convolution"]
    phase = record["operations"][0]["phases"][0]
    opened(tab, record, tmp_path)
    written, number = {}, 0
    windows = {}
    for step in phase["steps"]:
        windows.setdefault(tuple(step["loops"][name] for name in phase["stops"]), []).append(step)
    for number, steps in enumerate(windows.values(), 1):
        for step in steps:
            written[str(step["writes"][0][1])] = told(step["writes"][0][2])
        assert text(tab, "#position") == f"stop {number} of {len(windows)}"
        assert {place: value for place, value in shown(tab, "y").items() if value} == written
        assert cells(tab, "x", ".read") == {a[1] for step in steps for a in step["reads"] if a[0] == "x"}
        assert cells(tab, "y", ".written") == {steps[0]["writes"][0][1]}
        assert not cells(tab, "x", ".now")
        tab.keyboard.press("ArrowRight")
    assert number == 18
    assert shown(tab, "x") == {str(i): told(v) for i, v in enumerate(record["operations"][0]["tensors"]["x"]["values"])}


def test_cells_stand_where_their_index_says(tab, tmp_path):
    x, w = np.arange(24.0).reshape(1, 2, 3, 4), np.arange(12.0).reshape(1, 2, 2, 3)
    record = tc.trace(lambda x, w: tc.functional.conv2d(x, w, padding=(0, 1, 2, 1)), x, w).record
    opened(tab, record, tmp_path)
    rows = "g => g.map(g => [...g.rows].slice(1).map(r => [...r.cells].slice(1).map(c => c.textContent)))"
    planes = tab.locator("[data-view='0'] table").evaluate_all(rows)
    padded = np.pad(x[0], [(0, 0), (0, 1), (2, 1)])
    assert planes == [[[told(number) for number in row] for row in plane] for plane in padded]
    views = record["operations"][0]["phases"][0]["views"]
    place = next(i for i, view in enumerate(views) if view["tensor"] == "weight" and view["kind"] == "matrix")
    ((matrix,),) = tab.locator(f"[data-view='{place}'] table").evaluate_all(rows)
    assert views[place]["rows"] == ["k"]
    assert matrix == [told(number) for number in w.ravel()]
    names = tab.locator(".grid .label").all_inner_texts()
    assert names[:2] == ["x[0, 0]", "x[0, 1]"]


def test_steps_by_keys_and_their_line_with_its_numbers(tab, records, tmp_path):
    phase = records["convolution"]["operations"][0]["phases"][0]
    opened(tab, records["convolution"], tmp_path)
    walked = Pass(records["convolution"]["operations"][0], phase)
    places = [(stop, step) for stop in range(2) for step in range(len(walked.stops[stop]))]
    for (stop, number), step in zip(places, phase["steps"], strict=False):
        tab.keyboard.press("Shift+ArrowRight")
        assert text(tab, "#position") == f"stop {stop + 1} of 18, step {number + 1} of {len(walked.stops[stop])}"
        assert tab.locator("#source [aria-current]").get_attribute("data-line") == str(step["line"])
        assert text(tab, "#line").endswith(f" = {told(step['writes'][0][2])}")
        for tensor in ("x", "weight", "y"):
            accesses = [*step["reads"], *step["writes"]]
            assert cells(tab, tensor, ".now") == {place for name, place, _ in accesses if name == tensor}
    tab.wait_for_function(f"location.hash === '#operation=0&phase=0&stop=1&step={places[-1][1]}'")
    tab.keyboard.press("Shift+ArrowLeft")
    assert text(tab, "#position").startswith(f"stop 2 of 18, step {places[-1][1]} of ")
    tab.keyboard.press("ArrowLeft")  # a window back, as the button is off
    tab.keyboard.press("ArrowRight")
    assert text(tab, "#position") == "stop 2 of 18"
    tab.click("[data-do=finer]")
    tab.keyboard.press("ArrowRight")
    assert text(tab, "#position").startswith("stop 2 of 18, step 2 of ")
    tab.click("[data-do=finer]")
    tab.keyboard.press("ArrowDown")
    assert text(tab, "#position") == "stop 5 of 18"
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("ArrowUp")
    assert text(tab, "#position") == "stop 2 of 18"
    tab.keyboard.press("End")
    assert text(tab, "#position") == "stop 18 of 18"
    assert tab.locator("[data-do=next]").is_disabled()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Home")
    assert text(tab, "#position") == "stop 1 of 18"


def test_it_plays_and_pauses(tab, records, tmp_path):
    opened(tab, records["convolution"], tmp_path)
    tab.fill("#speed", "30")
    tab.keyboard.press("Space")  # belongs to the slider
    assert text(tab, "#position") == "stop 1 of 18"
    tab.click("[data-do=play]")
    assert text(tab, "[data-do=play]").strip() == "Pause"
    tab.wait_for_function("document.querySelector('#position').textContent === 'stop 18 of 18'")
    tab.wait_for_function("document.querySelector('[data-do=play]').textContent.includes('Play')")
    tab.wait_for_function("location.hash.includes('stop=17')")


def test_a_link_leads_to_a_step_and_a_bad_one_to_the_nearest(tab, records, tmp_path):
    opened(tab, records["convolution"], tmp_path, "#operation=0&phase=1&stop=5&step=2")
    assert text(tab, "#position").startswith("stop 6 of 18, step 3 of ")
    assert tab.locator("#phase").input_value() == "1"
    tab.evaluate("location.hash = '#phase=0&stop=7'")
    tab.wait_for_function("document.querySelector('#position').textContent === 'stop 8 of 18'")
    tab.evaluate("location.hash = '#operation=9&phase=-4&stop=999&step=x'")
    tab.wait_for_function("document.querySelector('#position').textContent.startsWith('stop 18 of 18, step 1')")


def test_clicks_lead_to_results_and_tell_what_an_input_feeds(tab, records, tmp_path):
    opened(tab, records["convolution"], tmp_path)
    tab.click("[data-view='3'] td[data-tensor='y'][data-place='13']")
    assert text(tab, "#position") == "stop 14 of 18"
    tab.keyboard.press("ArrowRight")  # a click leaves the keys as they were
    assert text(tab, "#position") == "stop 15 of 18"
    steps = records["convolution"]["operations"][0]["phases"][0]["steps"]
    fed = {s["writes"][0][1] for s in steps if ["x", 6] in [access[:2] for access in s["reads"]]}
    assert len(fed) == 8
    tab.click("td[data-tensor='x'][data-place='6']")
    assert cells(tab, "y", ".fed") == fed
    assert text(tab, "#feeds").startswith("x[0, 0, 1, 1] feeds 8 outputs.")
    tab.keyboard.press("Escape")
    assert not cells(tab, "y", ".fed")
    assert not text(tab, "#feeds")


def test_cells_are_walked_through_with_the_keyboard(tab, records, tmp_path):
    opened(tab, records["convolution"], tmp_path)
    tab.locator("[data-view='3'] table").first.focus()
    tab.keyboard.press("ArrowRight")
    assert text(tab, "#position") == "stop 2 of 18"
    for key in ("Enter", "ArrowRight", "ArrowDown"):
        tab.keyboard.press(key)
    assert text(tab, "#position") == "stop 2 of 18"
    assert tab.evaluate("document.activeElement.dataset.place") == "4"
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("y[0, 0, 1, 1] = ")
    tab.keyboard.press("Enter")
    assert text(tab, "#position") == "stop 5 of 18"
    tab.keyboard.press("Escape")
    tab.keyboard.press("ArrowRight")
    assert text(tab, "#position") == "stop 6 of 18"


def test_a_number_is_hidden_until_it_is_said(tab, records, tmp_path):
    opened(tab, records["convolution"], tmp_path, "#stop=4")
    number = records["convolution"]["operations"][0]["tensors"]["y"]["values"][4]
    cell = tab.locator("[data-view='3'] td[data-place='4']").first
    assert text(tab, "#line").endswith(f"= {told(number)}")
    tab.click("[data-do=predict]")
    assert cell.inner_text() == "?"
    assert text(tab, "#line").endswith("= ?")
    assert "?" in text(tab, "#sentence")
    assert told(number) not in text(tab, "#sentence")
    assert set(tab.locator("#terms td:last-child").all_inner_texts()) == {"?"}
    for answer, verdict in (("abc", "not a number"), (str(number + 1), "too high"), (told(number), "✓")):
        tab.fill("#answer", answer)
        tab.keyboard.press("Enter")
        assert verdict in text(tab, "#verdict")
    assert cell.inner_text() == told(number)
    assert text(tab, "#score") == "Right at once: 0 of 1"
    tab.keyboard.press("Enter")
    assert text(tab, "#position") == "stop 6 of 18"
    tab.click("#show")
    assert text(tab, "#score") == "Right at once: 0 of 2"
    tab.click("[data-do=predict]")
    assert not tab.locator("#prediction").is_visible()


def test_where_windows_overlap_the_sum_is_asked_for(tab, records, tmp_path):
    opened(tab, records["convolution"], tmp_path, "#phase=1&stop=4")
    tab.click("[data-do=predict]")
    assert "What is dx[0, 1, 1, 1]?" in text(tab, "#question")
    counts = tab.locator("td.written").evaluate_all("c => c.map(c => [c.textContent, c.dataset.count])")
    asked = [count for number, count in counts if number == "?"]
    assert asked == [max(count for _, count in counts if count)] == ["4/8"]


def test_a_learners_reads_and_numbers_are_held_against_the_expected(tab, records, tmp_path):
    opened(tab, records["learner"], tmp_path, "#stop=4")
    expected = records["learner"]["operations"][0]["expected"]["reads"]["x"][4]
    read = {place - 1 for place in expected}
    assert cells(tab, "x", ".missed") == set(expected) - read
    assert cells(tab, "x", ".extra") == read - set(expected)
    assert cells(tab, "y", ".differs") == {4}
    assert "expected 7.25" in text(tab, "#difference")
    assert not tab.locator("#raised").is_visible()
    tab.keyboard.press("End")
    assert "IndexError: </script>" in text(tab, "#raised")
    assert not cells(tab, "x", ".missed") | cells(tab, "x", ".extra")
    assert cells(tab, "y", ".differs") == {4}
    assert tab.locator("#source .raised").count() == 1


def test_scattered_sums_count_their_overlap(tab, records, tmp_path):
    phase = records["convolution"]["operations"][0]["phases"][1]
    assert phase["name"] == "backward_input"
    opened(tab, records["convolution"], tmp_path, "#phase=1&stop=999")
    adds = {}
    for step in phase["steps"]:
        (_, place, _), loops = step["writes"][0], step["loops"]
        adds.setdefault(place, set()).add(tuple(loops[name] for name in phase["stops"]))
    counts = dict(tab.locator("td[data-count]").evaluate_all("c => c.map(c => [c.dataset.place, c.dataset.count])"))
    assert counts == {str(place): f"{len(by)}/{len(by)}" for place, by in adds.items() if len(by) > 1}
    assert f"{len(counts)} of 50" in text(tab, "#overlap")


def test_without_script_there_is_a_picture(browser, records, tmp_path):
    with browser.new_context(java_script_enabled=False) as context:
        tab = context.new_page()
        write_page(tmp_path / "trace.html", records["convolution"])
        tab.goto((tmp_path / "trace.html").as_uri())
        assert tab.locator("#picture svg").is_visible()
        assert tab.locator("h1:visible").count() == 1
        assert not tab.locator("#stepper").is_visible()


def test_it_works_within_a_notebook(tab, tmp_path):
    (tmp_path / "notebook.html").write_text(f"<!DOCTYPE html>{convolution()._repr_html_()}", encoding="utf-8")
    said = []
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto((tmp_path / "notebook.html").as_uri())
    frame = tab.frame_locator("iframe")
    frame.locator("[data-do=next]").click()
    assert frame.locator("#position").inner_text() == "stop 2 of 18"
    assert not said


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("name", ["convolution", "pooling", "step"])
def test_it_says_what_the_sheet_and_the_terminal_say(name, language, tab, records, tmp_path):
    opened(tab, records[name], tmp_path, "", language)
    sayings = Sayings(language)
    for number, phase in enumerate(records[name]["operations"][0]["phases"]):
        tab.select_option("#phase", str(number))
        walked = Pass(records[name]["operations"][0], phase)
        for stop in range(len(walked.stops)):
            moment = walked.moment(stop)
            told = tab.evaluate(
                "['position', 'sentence', 'line'].map(id => document.querySelector('#' + id).textContent)"
            )
            assert told == [sayings.position(moment), sayings.sentence(moment), sayings.formula(moment, moment.running)]
            tab.evaluate("document.querySelector('[data-do=next]').click()")


def test_keys_go_on_where_a_button_ends(tab, records, tmp_path):
    opened(tab, records["convolution"], tmp_path)
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowLeft")
    tab.click("[data-do=next]")
    assert tab.locator("[data-do=next]").is_disabled()
    tab.keyboard.press("ArrowLeft")
    assert text(tab, "#position") == "stop 17 of 18"


def test_a_view_that_is_larger_than_its_box_scrolls_to_what_is_marked(tab, records, tmp_path):
    opened(tab, records["convolution"], tmp_path, "#phase=1&stop=17&step=17")
    tab.set_viewport_size({"width": 360, "height": 800})
    tab.keyboard.press("ArrowLeft")
    hidden = """
        () => [...document.querySelectorAll(".view.larger")].filter((box) => {
          const { left, right, top, bottom } = box.getBoundingClientRect();
          const cells = [...box.querySelectorAll(".now")].map((cell) => cell.getBoundingClientRect());
          return cells.length && !cells.some((at) =>
            at.left >= left && at.right <= right && at.top >= top && at.bottom <= bottom);
        }).length
    """
    assert tab.locator(".view.larger").count() > 0
    assert tab.evaluate(hidden) == 0
    tab.evaluate("document.querySelectorAll('.view').forEach((box) => { box.scrollLeft = box.scrollTop = 0 })")
    assert tab.evaluate(hidden) > 0
    tab.evaluate("document.querySelector('[data-do=previous]').click()")
    assert tab.evaluate(hidden) == 0


def test_a_result_that_is_written_anew_is_not_counted_as_added_to(tab, records, tmp_path):
    record = copy.deepcopy(records["convolution"])
    for step in record["operations"][0]["phases"][1]["steps"]:
        step["reads"] = [read for read in step["reads"] if read[0] != "dx"]
    opened(tab, record, tmp_path, "#phase=1&stop=17")
    assert text(tab, "#overlap") == ""
    assert tab.locator("[data-count]").count() == 0
    tab.goto("about:blank")  # the same address would not load anew
    opened(tab, records["convolution"], tmp_path, "#phase=1&stop=17")
    assert "more than one stop" in text(tab, "#overlap")
    assert tab.locator("[data-count]").count() > 0
