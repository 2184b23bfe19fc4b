"""Step by step within the stops: the running sum, the line that runs, the row of the table, what it has touched."""

import pytest

from tests.browsers import browser
from tests.inspect.trace.browser.convolutions import CASES
from tests.inspect.trace.browser.numbers import number, numbers_in, rounded
from tests.inspect.trace.browser.tab import marked, opened, walk
from tests.inspect.trace.browser.test_numbers import check_cells, entry

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

CHOSEN = ("padding on each side another", "two images", "stride 2, padding 1, two channels")
SHOWN = [case for case in CASES if case.name.split(": ")[1] in CHOSEN]


@pytest.mark.parametrize("case", SHOWN, ids=lambda case: case.name)
def test_each_number_at_each_step(case, browser, tmp_path):
    path = tmp_path / "page.html"
    case.trace.to_html(path)
    with opened(browser, path) as tab:
        for phase, made in enumerate(case.passes(case)):
            lines = case.trace.operations[0]["phases"][phase]
            states = iter(walk(tab, phase, finer=True))
            for stop, steps in enumerate(made.stops):
                for count, (step, expected) in enumerate(zip(steps, made.step_states(stop), strict=True)):
                    state, where = next(states), f"{made.name}, stop {stop}, step {count}"
                    assert state["position"].startswith(f"stop {stop + 1} of {len(made.stops)}, "), where
                    assert state["position"].endswith(f"step {count + 1} of {len(steps)}"), where
                    check_cells(state, made, expected, where)
                    check_step(state, made, step, count, where)
                    (line,) = state["running"]
                    assert f" {made.result}[" in lines["source"][line - lines["first_line"]], where
            assert next(states, None) is None, made.name


def check_step(state, made, step, count, where):
    """What is told of a single step."""
    now = {made.result: {step.place}}
    for tensor, place in step.reads:
        now.setdefault(tensor, set()).add(place)
    assert marked(state, "now") == now, where
    assert state["currentTerms"] == [count], where
    assert number(state["terms"][count][-1]) == rounded(step.after), where
    assert state["line"].startswith(f"{entry(made.result, step.place, made.shape)} = "), where
    operands = [made.given[tensor].ravel()[place] for tensor, place in step.reads]
    values = [*([] if step.before is None else [step.before]), *map(float, operands), step.after]
    told = [rounded(value) for value in values]
    assert numbers_in(state["line"]) in (told, told[-1:]), where
    assert rounded(step.after) in numbers_in(state["sentence"]), where


def test_bytes_and_overlap_are_counted(browser, tmp_path):
    case = next(case for case in CASES if case.name == "conv2d: stride 2 and padding 1, two channels")
    path = tmp_path / "page.html"
    case.trace.to_html(path)
    made = case.passes(case)[1]
    so_far, by = [], {}
    with opened(browser, path) as tab:
        states = walk(tab, 1)
    last = {}
    for stop in made.stops:
        for place in {step.place for step in stop}:
            last[place] = last.get(place, 0) + 1
    for state, stop in zip(states, made.stops, strict=True):
        here = [each for step in stop for each in (*step.reads, *[(made.result, step.place)] * 2)]
        so_far += here
        counts = [len(here), 4 * len(here), len(set(here)), len(so_far), 4 * len(so_far)]
        counts += [len(set(so_far)), 4 * len(set(so_far))]
        assert numbers_in(state["bytes"].replace(",", ""))[:7] == counts
        for place in {step.place for step in stop}:
            by[place] = by.get(place, 0) + 1
        told = {(place, f"{by.get(place, 0)}/{count}") for place, count in last.items() if count > 1}
        assert marked(state, "count") == {made.result: told}
        shared, most = [count for count in by.values() if count > 1], max(last.values())
        in_the_end = sum(count > 1 for count in last.values())
        assert [len(shared), 50, in_the_end, most] == numbers_in(state["overlap"])[:4]
