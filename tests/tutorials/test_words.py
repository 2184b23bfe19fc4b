"""The words of each tutorial: complete, used, and as the notebook says."""

import ast
import tomllib

import pytest

from tests.tutorials import source
from tests.tutorials.page import letters
from tinycnn.learn.exercise import exercises
from tinycnn.tutorials.lesson import NAMES, WORDS

TABLES = ("text", "questions", "controls", "numbers", "words")


def words(name):
    return tomllib.loads((WORDS / name / "en.toml").read_text(encoding="utf-8"))


def keys(said):
    """Such as ``text.loops``."""
    return {f"{table}.{key}" for table in TABLES for key in said.get(table, {})}


def test_each_has_its_notebook_and_its_number():
    assert [path.stem for path in sorted(source.FOLDER.glob("[0-9]*.py"))] == list(NAMES)
    assert [int(name[:2]) for name in NAMES] == list(range(1, len(NAMES) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    said = words(name)
    assert source.title(source.tree(name)) == f"{int(name[:2])}. {said['title']}"
    assert 20 <= said["minutes"] <= 40
    assert len(said["goals"]) >= 2
    assert set(said) <= {"title", "minutes", "goals", "mistakes", *TABLES}


@pytest.mark.parametrize("name", NAMES)
def test_all_that_is_used_is_there_and_all_that_is_there_is_used(name):
    module, there = source.tree(name), keys(words(name))
    assert source.used(module) - there == set()
    assert [key for key in there if not source.is_mentioned(key.partition(".")[2], module)] == []


@pytest.mark.parametrize("name", NAMES)
def test_questions_can_be_answered(name):
    said = words(name)
    assert said["questions"]
    for question in said["questions"].values():
        assert set(question) == {"ask", "options", "right", "why"}
        assert 1 <= question["right"] <= len(question["options"])
        assert len(set(question["options"])) == len(question["options"]) >= 2
        assert all(question[part].strip() for part in ("ask", "why"))
    asked, answered = (
        [call.node.args[0].value for call in source.calls(source.tree(name)) if call.method == method]
        for method in ("question", "answer")
    )
    assert asked == answered == list(dict.fromkeys(asked))


@pytest.mark.parametrize("name", NAMES)
def test_controls_are_told_apart(name):
    labels = [letters(label) for label in words(name)["controls"].values()]
    assert all(labels)
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("name", NAMES)
def test_it_ends_in_mistakes_exercises_and_assertions(name):
    module = source.tree(name)
    mistakes = words(name)["mistakes"].values()
    assert len(mistakes) >= 3
    assert all(mistake["what"].strip() and mistake["why"].strip() for mistake in mistakes)
    methods = [call.method for call in source.calls(module)]
    assert methods.count("header") == methods.count("mistakes") == methods.count("exercise") == 1
    (named,) = (call.node.args for call in source.calls(module) if call.method == "exercise")
    assert {ast.literal_eval(argument) for argument in named} <= set(exercises())
    checks = [node for node in ast.walk(source.cells(module)[-1]) if source.is_check(node)]
    assert len(checks) >= 2


class TestPlantedFaults:
    """What the checks above are there to find."""

    CODE = """
lesson.text("a", n=1)
lesson.numbers(b=1)
lesson.word(f"c_{x}")
other.text("d")
lesson.slider("e", 1, 2, 1)
"""

    def test_words_that_are_used(self):
        assert source.used(ast.parse(self.CODE)) == {"text.a", "numbers.b", "controls.e"}

    @pytest.mark.parametrize(("key", "found"), [("a", True), ("b", True), ("c_1", True), ("c", False), ("x", False)])
    def test_words_that_are_mentioned(self, key, found):
        assert source.is_mentioned(key, ast.parse(self.CODE)) == found

    def test_the_title_and_the_cells(self):
        code = 'app = marimo.App(app_title="1. A")\n@app.cell\ndef _():\n    return\n@app.function\ndef f(): ...\n'
        module = ast.parse(code)
        assert source.title(module) == "1. A"
        assert len(source.cells(module)) == 1
