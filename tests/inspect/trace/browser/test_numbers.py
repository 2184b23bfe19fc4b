"""Every number on the screen, at every stop of every pass, is the engine's."""

import numpy as np
import pytest

from tests.browsers import browser
from tests.inspect.trace.browser import convolutions
from tests.inspect.trace.browser.numbers import number, numbers_in, rounded, same
from tests.inspect.trace.browser.tab import marked, opened, walk

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

CASES = convolutions.CASES
LIMIT = 150_000


def entry(name, place, shape):
    """The name of an entry, as the page writes it."""
    return f"{name}[{', '.join(str(i) for i in np.unravel_index(place, shape))}]"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_number_at_each_stop(case, browser, tmp_path):
    path = tmp_path / "page.html"
    case.trace.to_html(path)
    assert path.stat().st_size <= LIMIT
    (recorded,) = case.trace.operations
    assert recorded["operation"] == case.operation
    assert [made.name for made in case.passes(case)] == [phase["name"] for phase in recorded["phases"]]
    check_page(browser, path, case)


def check_page(browser, path, case):
    """All passes of a page."""
    with opened(browser, path) as tab:
        for phase, made in enumerate(case.passes(case)):
            check_pass(tab, phase, made, case)


def check_pass(tab, phase, made, case):
    """All stops of a pass."""
    states = walk(tab, phase)
    assert len(states) == len(made.stops), made.name
    for stop, (state, expected) in enumerate(zip(states, made.states(), strict=True)):
        where = f"{made.name}, stop {stop}"
        check_cells(state, made, expected, where)
        check_marks(state, made, stop, where)
        check_told(state, made, stop, where)
    check_engine(states[-1], made, case)


def check_cells(state, made, expected, where):
    """All entries of all tensors, in each view."""
    for view in state["views"]:
        assert view["tensors"], where
        for tensor, texts in view["tensors"].items():
            pale = view["marks"].get("pale", {}).get(tensor, [])
            if tensor != made.result:
                assert same(texts, made.given[tensor].ravel()), (where, tensor)
                assert not pale, where
                continue
            is_written = ~np.isnan(expected)
            written = [text for text, is_known in zip(texts, is_written, strict=True) if is_known]
            assert same(written, expected[is_written]), (where, tensor)
            ever = {step.place for stop in made.stops for step in stop}
            assert set(pale) == {place for place in ever if not is_written[place]}, where
            for place in range(len(texts)):
                if not is_written[place]:
                    assert texts[place] in ("", "0"), where
        assert set(view["padding"]) <= {"0"}, where


def check_marks(state, made, stop, where):
    """What the stop reads and writes, and what of its window lies in the padding."""
    steps = made.stops[stop]
    written = {step.place for step in steps}
    read = {}
    for step in steps:
        for tensor, place in step.reads:
            read.setdefault(tensor, set()).add(place)
    assert marked(state, "written") == {made.result: written}, where
    assert marked(state, "read") == read, where
    if made.covered is not None:
        assert sum(view["window"] for view in state["views"]) == made.covered[stop], where


def check_told(state, made, stop, where):
    """The table, the line with its numbers, and the sentence."""
    steps = made.stops[stop]
    assert state["position"] == f"stop {stop + 1} of {len(made.stops)}"
    assert len(state["terms"]) == len(steps), where
    for row, step in zip(state["terms"], steps, strict=True):
        count, reads, *products, after = row
        for tensor, place in step.reads:
            value = made.given[tensor].ravel()[place]
            name = entry(tensor, place, made.given[tensor].shape)
            shown = reads.partition(f"{name} = ")[2].split(" ")[0]
            assert number(shown) == rounded(float(value)), (where, name)
        assert [number(text) for text in products if text] == [rounded(step.value)] * step.is_product, where
        assert number(after) == rounded(step.after), where
    last = steps[-1]
    name = entry(made.result, last.place, made.shape)
    assert state["line"].startswith(f"{name} = "), where
    operands = [made.given[tensor].ravel()[place] for tensor, place in last.reads]
    terms = ([] if last.before is None else [last.before]) + [float(value) for value in operands]
    told = [rounded(value) for value in [*terms, last.after]]
    assert numbers_in(state["line"]) in (told, told[-1:]), where
    assert name in state["sentence"], where
    assert rounded(last.after) in numbers_in(state["sentence"]), where


def check_engine(state, made, case):
    """The result, complete, against what the backend computed on the same arrays."""
    expected = case.results.get(made.result)
    if expected is None:
        return
    for view in state["views"]:
        if made.result in view["tensors"]:
            assert same(view["tensors"][made.result], expected.ravel())
