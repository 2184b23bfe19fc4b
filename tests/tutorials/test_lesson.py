"""The kit of the tutorials: what each part shows under marimo, and what in Jupyter, where nothing moves."""

import re
import sys
import types

import numpy as np
import pytest

from tests.oracles import oracle
from tinycnn.learn.exercise import exercises
from tinycnn.tutorials.lesson import NAMES, Fixed, Lesson, Numbers, Question, written

marimo = oracle("marimo")

NAME = "05_im2col"
RIGHT = 3  # of the question of memory


@pytest.fixture
def lesson(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # tests of the documentation import it
    return Lesson(NAME)


@pytest.fixture
def in_jupyter(lesson, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))


def test_the_header_tells_title_place_minutes_and_goals(lesson):
    lines = lesson.header().markdown.splitlines()
    assert lines[0] == f"# 5. {lesson.title}"
    assert f"Tutorial 5 of {len(NAMES)}, about {lesson.minutes} minutes." in lines[2]
    assert len([line for line in lines if line.startswith("- ")]) == 3


def test_a_text_without_values_keeps_the_braces_of_formulas(lesson):
    assert r"\text{columns}_{(c,r,s),\,(n,p,q)}" in lesson.text("windows").markdown


def test_values_are_filled_in(lesson):
    assert lesson.word("matrix", rows=9, columns=36) == "im2col: 9 rows, 36 columns"


def test_text_is_shown_by_marimo_and_by_jupyter(lesson):
    text = lesson.text("gemm")
    assert text._repr_markdown_() == text.markdown
    assert "<h2" in text._display_().text


@pytest.mark.parametrize(
    ("use", "key"),
    [
        (lambda lesson: lesson.text("no_such"), "text.no_such"),
        (lambda lesson: lesson.word("no_such"), "words.no_such"),
        (lambda lesson: lesson.numbers(no_such=1), "numbers.no_such"),
        (lambda lesson: lesson.slider("no_such", 1, 2, 1), "controls.no_such"),
        (lambda lesson: lesson.question("no_such"), "questions.no_such.ask"),
    ],
)
def test_words_that_are_missing_are_told(use, key, lesson):
    with pytest.raises(ValueError, match=f"tutorial {NAME} has no words for {key}: write them in words/{NAME}/en.toml"):
        use(lesson)


def test_an_unknown_tutorial_is_told_with_the_nearest():
    with pytest.raises(ValueError, match=r"unknown tutorial '05_im2kol': did you mean 05_im2col\?"):
        Lesson("05_im2kol")


def test_controls_stand_at_their_first_value(lesson):
    assert lesson.slider("kernel_size", 1, 5, 3).value == 3
    assert lesson.choice("layer", {"a": 10, "b": 20}, "b").value == 20
    assert lesson.choice("layer", ["a", "b"], "a").value == "a"
    assert lesson.switch("measure", True).value is True
    assert lesson.button("measure").value is False
    assert lesson.question("memory").value is None


def test_controls_are_named(lesson):
    page = lesson.controls(lesson.slider("kernel_size", 1, 5, 3), lesson.slider("stride", 1, 3, 1)).text
    assert page.count("<marimo-slider") == 2
    assert "Kernel size" in page


def test_in_jupyter_controls_have_the_same_values_and_say_them(lesson, in_jupyter):
    controls = {
        "*Kernel size: 0*": lesson.slider("kernel_size", 0, 5, 0),
        "*Stride: b*": lesson.choice("stride", {"a": 10, "b": 20}, "b"),
        "*Layer: a*": lesson.choice("layer", ["a", "b"], "a"),
        "*Stride: on*": lesson.switch("stride", True),
        "*Layer*": lesson.button("layer"),
    }
    assert [type(control) for control in controls.values()] == [Fixed] * 5
    assert [control.value for control in controls.values()] == [0, 20, "a", True, False]
    assert [control._repr_markdown_() for control in controls.values()] == list(controls)
    together = lesson.controls(*controls.values())._repr_markdown_()
    assert together.startswith("*Kernel size: 0* · *Stride: b*")
    assert "`tinycnn tutorials 5`" in together


def test_in_jupyter_the_answer_is_folded_away(lesson, in_jupyter):
    question = lesson.question("memory")
    assert isinstance(question, Question)
    shown = question._repr_markdown_()
    assert shown.startswith("**A layer of 3 × 3")
    assert [line[2:] for line in shown.splitlines() if line.startswith("- ")] == list(question.options)
    answer = lesson.answer("memory", question).markdown
    assert answer.startswith("<details><summary>The answer</summary>\n\nThe answer is: nine times.")
    assert answer.endswith("</details>")


@pytest.mark.parametrize("chosen", [None, 1, 2, RIGHT])
def test_a_choice_is_judged(chosen, lesson):
    question = lesson.question("memory")
    if chosen is not None:
        question._update(["once", "three times", "nine times"][chosen - 1])
    said = lesson.answer("memory", question).markdown
    assert said.startswith(
        {None: "*Choose", RIGHT: "**Right.** There are"}.get(chosen, "**Not quite.** The answer is: ")
    )
    assert ("nine times" in said) == (chosen in (1, 2))


def test_numbers_are_named_labelled_and_escaped(lesson):
    page = Numbers((("a", "R < S & more", "1"),))._repr_html_()
    assert "R &lt; S &amp; more" in page
    found = re.findall(
        r'<dt>(.*?)</dt><dd.*?<output data-number="(.*?)">(.*?)</output>', lesson.numbers(rows=9)._repr_html_()
    )
    assert found == [("Rows, C·R·S", "rows", "9")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (61706, "61,706"),
        (np.int64(1000), "1,000"),
        (np.float32(0.5), "0.5"),
        (0.123456, "0.1235"),
        (-1234.5678, "-1235"),
        (1e20, "1e+20"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("the same", "the same"),
    ],
)
def test_how_a_number_is_written(value, text):
    assert written(value) == text


def test_mistakes_and_exercises(lesson):
    told = lesson.mistakes().markdown
    assert told.startswith("## What people get wrong\n\n**")
    assert told.count("\n\n**") == 3
    one = exercises()["04_im2col"]
    last = lesson.exercise("04_im2col").markdown.splitlines()[-1]
    assert last == f"- **{one.number}. {one.texts('en')['title']}**: `tinycnn learn run {one.number}`"
