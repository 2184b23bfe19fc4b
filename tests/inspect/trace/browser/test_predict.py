"""Predict mode hides a number wherever it stands, takes an answer, and keeps the score."""

import pytest

from tests.browsers import browser
from tests.inspect.trace.browser.convolutions import CASES
from tests.inspect.trace.browser.numbers import rounded
from tests.inspect.trace.browser.tab import marked, opened, seen
from tests.inspect.trace.browser.test_numbers import entry

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

CASE = next(case for case in CASES if case.name == "conv2d: many digits")
"""No number occurs twice in it."""

EVERYWHERE = """
() => {
  const root = document.querySelector(".tc-trace"), told = [document.title, location.hash];
  for (const each of [root, ...root.querySelectorAll("*")]) {
    if (each.matches("script")) continue;
    for (const { name, value } of each.attributes) if (name !== "d") told.push(value);
    for (const inside of each.childNodes) if (inside.nodeType === Node.TEXT_NODE) told.push(inside.data);
    if ("value" in each) told.push(String(each.value));
  }
  return told.join(" \\n ");
}
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("predict") / "page.html"
    CASE.trace.to_html(path)
    return path


def text_of(value):
    """A number as the page writes it, where it needs no exponent."""
    return f"{rounded(value):.10f}".rstrip("0").rstrip(".").replace("-", "−")


def asked(made):
    """The entry that each stop asks for, and its number: of those that it adds to, the one with the most overlap."""
    counts = {}
    for steps, state in zip(made.stops, made.states(), strict=True):
        places = list(dict.fromkeys(step.place for step in reversed(steps)))
        for place in places:
            counts[place] = counts.get(place, 0) + 1
        place = max(places, key=counts.get)  # the last of those alike
        yield place, counts[place], float(state[place])


@pytest.mark.parametrize("finer", [False, True])
@pytest.mark.parametrize("phase", range(3))
def test_the_number_stands_nowhere_until_it_is_shown(phase, finer, path, browser):
    made = CASE.passes(CASE)[phase]
    is_scattered = made.name == "backward_input"
    with opened(browser, path, f"#phase={phase}{'&step=0' if finer else ''}") as tab:
        tab.click("[data-do=predict]")
        for steps, (place, count, value) in zip(made.stops, asked(made), strict=True):
            for _ in steps[1:] if finer else ():
                tab.evaluate("document.querySelector('[data-do=next]').click()")
            hidden = text_of(value)
            assert f"{entry(made.result, place, made.shape)}?" in tab.inner_text("#question")
            if count > 1 or not is_scattered:  # else it is one product alone, which the gradient of the columns shows
                assert hidden not in tab.evaluate(EVERYWHERE)
                tab.hover(f"[data-tensor={made.result}][data-place='{place}']")  # has its number in a tip
                assert hidden not in tab.evaluate(EVERYWHERE)
            tab.evaluate("document.querySelector('#show').click()")
            assert hidden in tab.inner_text("#verdict")
            assert tab.locator(f"[data-tensor={made.result}][data-place='{place}']").first.inner_text() == hidden
            tab.evaluate("document.querySelector('[data-do=next]').click()")


def test_answers(path, browser):
    first, second, third = (stop[-1].after for stop in CASE.passes(CASE)[0].stops[:3])
    with opened(browser, path) as tab:

        def say(answer):
            tab.fill("#answer", answer)
            tab.press("#answer", "Enter")
            return seen(tab)

        tab.click("[data-do=predict]")
        assert tab.get_attribute("[data-do=predict]", "aria-pressed") == "true"
        assert tab.evaluate("document.activeElement.id") == "answer"
        state = say("a lot")
        assert "a lot" in state["verdict"]
        assert state["score"] == ""
        state = say(repr(first + 1.5))
        assert state["verdict"].startswith("× ")
        assert "too high" in state["verdict"]
        assert text_of(first) not in tab.evaluate(EVERYWHERE)
        assert "too low" in say(repr(first - 0.25))["verdict"]
        assert text_of(first) not in tab.evaluate(EVERYWHERE)
        state = say(text_of(first))
        assert state["verdict"].startswith("✓ ")
        assert text_of(first) in state["verdict"]
        assert text_of(first) in state["sentence"]
        assert "0 of 1" in state["score"]  # right, but not at once
        tab.press("#answer", "Enter")  # on to the next
        state = seen(tab)
        assert state["position"].startswith("stop 2 of")
        assert state["verdict"] == ""
        assert tab.input_value("#answer") == ""
        assert "1 of 2" in say(f"{second:.3f}".replace("-", "−"))["score"]
        tab.press("#answer", "Enter")
        tab.click("#show")
        state = seen(tab)
        assert text_of(third) in state["verdict"]
        assert "1 of 3" in state["score"]
        assert not tab.is_visible("#show")
        tab.click("[data-do=next]")
        assert marked(seen(tab), "written") == {"y": {3}}
        tab.click("[data-do=predict]")  # leave
        assert not tab.is_visible("#prediction")
        fourth = CASE.passes(CASE)[0].stops[3][-1].after
        assert text_of(fourth) in seen(tab)["sentence"]
