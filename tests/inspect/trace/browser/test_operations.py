"""The operations that are no sums of products alone: each number at each stop, against the engine."""

import numpy as np
import pytest

from tests.browsers import browser
from tests.inspect.trace.browser.numbers import number, numbers_in, rounded, same
from tests.inspect.trace.browser.operations import CASES
from tests.inspect.trace.browser.passes import Pass
from tests.inspect.trace.browser.tab import marked, opened, walk
from tests.inspect.trace.browser.test_numbers import check_pass

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

LIMIT = 150_000


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_number_at_each_stop(case, browser, tmp_path):
    path = tmp_path / "page.html"
    case.trace.to_html(path)
    assert path.stat().st_size <= LIMIT
    (recorded,) = case.trace.operations
    assert recorded["operation"] == case.operation
    passes = case.passes(case)
    assert [made.name for made in passes] == [phase["name"] for phase in recorded["phases"]]
    with opened(browser, path) as tab:
        for phase, made in enumerate(passes):
            if isinstance(made, Pass):
                check_pass(tab, phase, made, case)
            else:
                check_shown(walk(tab, phase), made)


def check_shown(states, made):
    """All stops of a pass."""
    assert len(states) == made.stops, made.name
    for stop, state in enumerate(states):
        where = f"{made.name}, stop {stop}"
        final = made.tensors if made.states is None else {**made.tensors, made.result: made.states[stop]}
        assert any(made.result in view["tensors"] for view in state["views"]), where
        for view in state["views"]:
            for tensor, texts in view["tensors"].items():
                pale = set(view["marks"].get("pale", {}).get(tensor, ()))
                assert not pale or tensor in {made.result, *made.scratch}, where
                values = np.ravel(final[tensor])
                seen = [place for place in range(len(texts)) if place not in pale]
                assert len(texts) == values.size, (where, tensor)
                assert same([texts[place] for place in seen], values[seen]), (where, tensor)
                if tensor in made.before:
                    assert same([texts[place] for place in pale], np.ravel(made.before[tensor])[list(pale)]), where
                else:
                    assert {texts[place] for place in pale} <= {"", "0"}, where
            assert set(view["padding"]) <= {made.padding}, where
        written = marked(state, "written")
        assert written.get(made.result, set()) <= made.writes[stop], where
        for tensor, places in made.reads.items():
            assert marked(state, "read").get(tensor, set()) == places[stop], (where, tensor)
        check_told(state, made, final, where)
    last = states[-1]
    assert not marked(last, "pale")
    for view in last["views"]:
        if made.result in view["tensors"]:
            assert same(view["tensors"][made.result], np.ravel(made.tensors[made.result])), made.name


def check_told(state, made, final, where):
    """The table and the sentence: the last number written to the result."""
    written = sorted(marked(state, "written").get(made.result, ()))
    if not written:
        return
    values = {rounded(float(value)) for value in np.ravel(final[made.result])[written]}
    assert values & {number(row[-1]) for row in state["terms"] if row[-1]}, where
    assert values & set(numbers_in(state["sentence"])), where
    if state["line"].startswith(f"{made.result}["):
        assert numbers_in(state["line"])[-1] in values, where
