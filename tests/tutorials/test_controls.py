"""Every control of every tutorial is moved in a browser, and what the page shows then is compared with NumPy."""

import tomllib
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest

from tests.browsers import browser
from tests.oracles import oracle
from tests.tutorials.page import Tutorial, answered, letters, moved, says, served
from tinycnn.tutorials.lesson import NAMES, WORDS

oracle("marimo")
__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("tutorials")

FOLDER = WORDS.parent
KIT = tomllib.loads((WORDS / "kit" / "en.toml").read_text(encoding="utf-8"))
MODEL = "05_im2col"
PLANTED = {  # by name: what is written instead of what, in the model
    "wrong_numbers": {
        "rows=columns.shape[0]": "rows=columns.shape[0] + 1",
        "kernel_size.value, stride.value)": "kernel_size.value, 1)",
        'lesson.answer("memory", guess_memory)': 'lesson.answer("columns", guess_memory)',
    },
    "strange_outputs": {
        "by_loops.size * kernels[0].size": "by_loops.size * kernels[0].sizes",
        "    lesson.mistakes()": """    __import__("marimo").Html('<img src="http://elsewhere.invalid/picture.png">')""",
    },
}


def words(name):
    return tomllib.loads((WORDS / name / "en.toml").read_text(encoding="utf-8"))


def moves(name):
    return import_module(f"tests.tutorials.moves.t{name}").MOVES


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """All notebooks, and copies of one with faults."""
    folder = tmp_path_factory.mktemp("notebooks")
    for name in NAMES:
        (folder / f"{name}.py").write_text((FOLDER / f"{name}.py").read_text(encoding="utf-8"), encoding="utf-8")
    model = (FOLDER / f"{MODEL}.py").read_text(encoding="utf-8")
    for name, faults in PLANTED.items():
        text = model
        for right, wrong in faults.items():
            assert right in text
            text = text.replace(right, wrong)
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    with served(folder) as found:
        yield found


@pytest.fixture(scope="module")
def context(browser):
    with browser.new_context(viewport={"width": 1280, "height": 1000}) as context:
        yield context


@pytest.mark.parametrize("name", NAMES)
def test_each_control_moves_what_it_should_and_each_question_is_answered(name, context, server):
    said, planned = words(name), moves(name)
    assert {move.control for move in planned} == set(said["controls"])
    with closing(Tutorial(context, server, name)) as tutorial:
        assert not tutorial.errors()
        labels = {letters(label) for label in said["controls"].values()}
        assert tutorial.wait_until(lambda: set(tutorial.labels()) == labels), (set(tutorial.labels()), labels)
        assert tutorial.wait_until(lambda: tutorial.awaited(KIT["choose"]) == len(said["questions"]))
        assert not moved(tutorial, said, planned)
        assert not answered(tutorial, said, KIT)
        assert not tutorial.errors()
        assert not tutorial.inaccessible()


def test_the_moves_are_of_tutorials_that_there_are():
    files = Path(__file__).with_name("moves").glob("t[0-9]*.py")
    assert sorted(path.stem for path in files) == [f"t{name}" for name in NAMES]


def test_wrong_numbers_and_a_wrong_answer_are_noticed(context, server):
    with closing(Tutorial(context, server, "wrong_numbers")) as tutorial:
        found = moved(tutorial, words(MODEL), moves(MODEL)[:2], patience=3)
        assert [(control, set(wrong)) for control, _, wrong in found] == [
            ("kernel_size", {"rows"}),
            ("stride", {"rows", "columns", "copies"}),
        ]
        asked = {"questions": {"memory": words(MODEL)["questions"]["memory"]}}
        assert [(key, place) for key, place, _ in answered(tutorial, asked, KIT, patience=3)] == [
            ("memory", 1),
            ("memory", 3),
        ]


def test_an_error_a_stranger_and_a_picture_without_words_are_noticed(context, server):
    with closing(Tutorial(context, server, "strange_outputs")) as tutorial:
        tutorial.wait()
        hard, errors = tutorial.inaccessible(), tutorial.errors()
    assert any(error.startswith("AttributeError") for error in errors)
    assert "http://elsewhere.invalid/picture.png" in errors
    assert [fault for fault, _ in hard] == ["image-alt"]


@pytest.mark.parametrize(
    ("shown", "expected", "right"),
    [
        ("61,706", 61706, True),
        ("61,707", 61706, False),
        ("9.0", 9, True),
        ("36", 36.004, True),
        ("36", 36.006, False),
        ("0.1235", 0.123456, True),
        ("0.1234", 0.123456, False),
        ("0.12", 0.123456, False),
        ("1.235e+05", 123456, True),
        ("-2.5", -2.5, True),
        ("2.5", -2.5, False),
        ("1e-17", 0, True),
        ("1e-09", 0, False),
        ("same", "same", True),
        ("same", 1, False),
        ("", 0, False),
    ],
)
def test_a_number_is_compared_to_the_digits_shown(shown, expected, right):
    assert says(shown, expected) == right
