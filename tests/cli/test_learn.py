"""``tinycnn learn``: the commands of a learner, without a terminal."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.learn import small
from tinycnn.cli.learn import place
from tinycnn.cli.main import app
from tinycnn.learn import desk as desks
from tinycnn.learn import exercise as exercise_module
from tinycnn.learn.desk import STATE
from tinycnn.learn.exercise import FOLDER, exercise, exercises

LIMIT = 80


@pytest.fixture(autouse=True)
def of_three(tmp_path_factory, monkeypatch):
    folder = small.make(tmp_path_factory.mktemp("exercises"))
    small.install(monkeypatch, folder)
    yield folder
    exercises.cache_clear()


@pytest.fixture
def mine(command, monkeypatch):
    """A folder of exercises, in which the commands are run."""
    assert command("learn", "init", "mine").status == 0
    monkeypatch.chdir("mine")
    return Path.cwd()


def test_init_makes_a_folder_and_says_how_to_go_on(command):
    outcome = command("learn", "init", "mine")
    assert outcome.status == 0
    assert outcome.error == ""
    assert outcome.out.splitlines()[:2] == ["3 exercises are in mine. Now run:", "   tinycnn learn mine"]
    assert sorted(path.name for path in Path("mine").iterdir()) == [*(f"{name}.py" for name in small.NAMES), STATE]


def test_init_in_korean(command):
    assert "연습 문제 3개를 만들었어요" in command("learn", "init", "mine", "--language", "ko").out
    assert "double 만들기" in Path("mine/01_double.py").read_text(encoding="utf-8")


def test_without_a_terminal_the_current_exercise_is_checked_once(command, mine):
    outcome = command("learn")
    assert outcome.status == 1
    assert "Exercise 1 of 3: To double\n01_double.py\n\n1. Open this file" in outcome.out
    assert "3. Save, and check again: tinycnn learn run" in outcome.out
    assert "tinycnn learn hint " in outcome.out
    small.solve(mine, "01_double")
    outcome = command("learn")
    assert outcome.status == 0
    assert "Right in all 3 cases." in outcome.out
    assert re.search(r"tinycnn learn run 2 +the next: 02_square", outcome.out)
    assert "[##########--------------------] 1 of 3" in outcome.out


def test_the_folder_can_be_named_and_is_found_from_below(command, mine, monkeypatch):
    (mine / "below").mkdir()
    monkeypatch.chdir("below")
    outcome = command("learn")
    assert "Exercise 1 of 3" in outcome.out
    assert "Go on:\n" in outcome.out
    monkeypatch.chdir(mine.parent)
    outcome = command("learn", "mine")
    assert "\nmine/01_double.py\n" in outcome.out
    assert "Go on, in the folder mine:" in outcome.out


def test_run_names_the_misconception(command, mine):
    small.solve(mine, "02_square", wrong="100 * ")
    outcome = command("learn", "run", "2", "--json")
    assert outcome.status == 1
    assert "A hundred times too much." in outcome.out
    found = outcome.json
    assert found.pop("message").startswith('The case "x is 1" fails')
    assert found == {
        "exercise": "02_square",
        "file": str(mine / "02_square.py"),
        "passed": False,
        "good": 0,
        "total": 3,
        "fault": "value",
        "misconception": "too_much",
        "next": None,
    }


def test_what_is_run_by_name_is_the_current_one_from_then_on(command, mine):
    small.solve(mine, "02_square")
    assert command("learn", "run", "02_square.py", "--json").json["next"] == "03_triple"
    assert command("learn", "run", "--json").json["exercise"] == "02_square"
    assert "current 02_square" in (mine / STATE).read_text()


def test_each_hint_comes_in_its_turn(command, mine):
    first, second = command("learn", "hint"), command("learn", "hint", "1", "--json")
    assert "Hint 1 of 3, a question:\nHint 1\n" in first.out
    assert "Hint 1\n" not in second.out
    assert second.json == {"exercise": "01_double", "number": 2, "total": 3, "hints": ["Hint 2"]}
    for _ in range(2):
        last = command("learn", "hint", "--json")
        assert last.json["hints"] == ["Hint 3"]
        assert "These are all hints." in last.out


def test_all_hints_at_once(command, mine):
    assert command("learn", "hint", "3", "--all", "--json").json["hints"] == ["Hint 1", "Hint 2", "Hint 3"]


def test_the_list(command, mine):
    small.solve(mine, "01_double")
    command("learn", "run")
    small.solve(mine, "02_square", wrong="100 * ")
    outcome = command("learn", "list", "--json")
    lines = outcome.out.splitlines()
    assert lines[:3] == [">  1  To double  passed", "   2  To square  started", "   3  To triple"]
    assert outcome.status == 0
    assert outcome.json["passed"] == 1
    assert outcome.json["current"] == "01_double"
    assert [row["state"] for row in outcome.json["exercises"]] == ["passed", "started", "untouched"]


@pytest.fixture
def real(command, monkeypatch):
    """A folder of the real exercises, in which the commands are run, with the first one solved wrongly."""
    monkeypatch.setattr(exercise_module, "FOLDER", FOLDER)
    exercises.cache_clear()
    assert command("learn", "init", "real").status == 0
    monkeypatch.chdir("real")
    text = exercise("1").solution.replace("x[p + r, q + s]", "x[p + r, s]")
    Path("01_cross_correlation.py").write_text(text)
    return Path.cwd()


def test_step_writes_a_page_and_says_what_differs_first(command, real):
    outcome = command("learn", "step", "--json")
    assert outcome.status == 1
    assert "y[0, 1] must be 42, yours is 21.\nIt is made of: x[0, 0], x[0, 1]" in outcome.out
    assert "The page with every step: 01_cross_correlation-step.html" in outcome.out
    found = outcome.json
    assert found["message"] in outcome.out
    assert {key: found[key] for key in ("exercise", "case", "right", "steps", "page")} == {
        "exercise": "01_cross_correlation",
        "case": "three windows in a row",
        "right": False,
        "steps": 6,
        "page": str(real / "01_cross_correlation-step.html"),
    }
    assert "three windows in a row" in (real / "01_cross_correlation-step.html").read_text(encoding="utf-8")


def test_step_takes_a_name_a_case_a_file_and_a_language(command, real):
    outcome = command("learn", "step", "1", "--case", "1", "--html", "page.html", "--language", "ko")
    assert outcome.status == 0
    assert "결과가 맞고" in outcome.out
    assert 'lang="ko"' in (real / "page.html").read_text(encoding="utf-8")
    assert not (real / "01_cross_correlation-step.html").exists()


def test_step_says_why_there_is_nothing_to_step_through(command, real):
    outcome = command("learn", "step", "2", "--json")
    assert outcome.status == 0
    assert "takes single numbers and no array" in outcome.out
    assert outcome.json["page"] is None
    assert "Not written yet" in command("learn", "step", "3").out


def test_step_refuses_what_is_not_there(command, refused, real):
    assert "has the cases 1 to 10, got 11" in refused("learn", "step", "1", "--case", "11")
    assert "expected a whole number such as 12, got 'two'" in refused("learn", "step", "--case", "two")
    assert "there is no exercise 23" in refused("learn", "step", "23")
    assert "nowhere/page.html" in refused("learn", "step", "1", "--html", "nowhere/page.html")
    Path("01_cross_correlation.py").unlink()
    assert "01_cross_correlation.py is not here" in command("learn", "step", "1").out


def test_reset_keeps_the_old_text(command, mine):
    small.solve(mine, "01_double")
    outcome = command("learn", "reset", "1")
    assert (outcome.status, outcome.out) == (
        0,
        "01_double.py is as it was at first; your text is kept as 01_double.py.old.\n",
    )
    assert (mine / "01_double.py").read_text() == exercise("1").file("en")
    assert command("learn", "reset", "1").out == "01_double.py is as it was at first.\n"


def test_the_solution_comes_after_passing(command, refused, mine):
    assert "01_double has not passed yet: its solution is shown once yours has." in refused("learn", "solution", "1")
    small.solve(mine, "01_double")
    command("learn", "run")
    outcome = command("learn", "solution", "1")
    assert (outcome.status, outcome.out) == (0, exercise("1").solution)


def test_check_all_finds_what_passes_and_what_does_not(command, mine):
    small.solve(mine, "01_double")
    small.solve(mine, "02_square", wrong="100 * ")
    outcome = command("learn", "check-all", "--json")
    assert outcome.status == 1
    assert outcome.json["passed"] == 1
    rows = [(row["passed"], row["fault"], row["misconception"]) for row in outcome.json["exercises"]]
    assert rows == [(True, "", None), (False, "value", "too_much"), (False, "untouched", None)]
    small.solve(mine, "02_square")
    small.solve(mine, "03_triple")
    assert command("learn", "check-all").status == 0


def test_check_all_leaves_out_what_cannot_run_here(command, mine, monkeypatch, tmp_path):
    small.install(monkeypatch, small.make(tmp_path / "lacking", lacking=["triple"]))
    small.solve(mine, "01_double")
    small.solve(mine, "02_square")
    outcome = command("learn", "check-all", "--json")
    assert outcome.status == 0
    assert (outcome.json["passed"], outcome.json["skipped"]) == (2, 1)
    assert "needs no_such_program" in outcome.out
    outcome = command("learn", "run", "3")
    assert outcome.status == 1
    assert "needs no_such_program, which this machine lacks" in outcome.out


def test_the_language_can_be_changed_by_any_command(command, mine):
    assert "힌트 1/3" in command("learn", "hint", "--language", "ko").out
    assert "연습 문제 1/3" in command("learn").out
    assert "double 만들기" in Path("01_double.py").read_text(encoding="utf-8")
    assert "To double" in command("learn", "list", "--language", "en").out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "02_sqare"], "unknown exercise '02_sqare': did you mean 02_square?"),
        (["run", "7"], "there is no exercise 7: they are numbered from 1 to 3"),
        (["hint", "sqare", "--all"], "unknown exercise 'sqare'"),
        (["solution"], 'Command "learn solution" parameter --name requires an argument'),
        (["reset"], "requires an argument"),
        (["list", "--language", "kr"], "unknown language 'kr': choose from en, ko"),
        (["chek-all"], "chek-all is neither a folder nor a command: did you mean tinycnn learn check-all?"),
        (["nowhere"], "there is no folder nowhere: tinycnn learn init nowhere makes one"),
        (["02_square"], "did you mean tinycnn learn run 02_square?"),
        (["01_double.py"], "did you mean tinycnn learn run 01_double?"),
        (["/dev/null"], "/dev/null is a file: name the folder that holds it"),
        (["init", "."], ". has your exercises already: tinycnn learn . goes on with them"),
        (["init", "/dev/null"], "/dev/null is a file: name a new or an empty folder"),
        (["init", "new", "--language", "de"], "unknown language 'de': choose from en, ko"),
        (["init", ""], "expected a path, got an empty word"),
        (["init"], "requires an argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(refused, mine, words, sentence):
    before = sorted(mine.iterdir())
    assert sentence in refused("learn", *words)
    assert sorted(mine.iterdir()) == before


@pytest.mark.parametrize("words", [[], ["run"], ["hint"], ["list"], ["reset", "1"], ["solution", "1"], ["check-all"]])
def test_where_there_are_no_exercises_the_sentence_says_how_to_get_some(refused, words):
    assert "there are no exercises here: tinycnn learn init my-exercises" in refused("learn", *words)
    assert list(Path.cwd().iterdir()) == []


def test_a_folder_that_is_not_empty_is_left_alone(refused):
    Path("full").mkdir()
    Path("full/notes.txt").write_text("mine")
    assert "full is not empty, it holds notes.txt" in refused("learn", "init", "full")
    assert [path.name for path in Path("full").iterdir()] == ["notes.txt"]


def test_a_deleted_file_is_told_with_the_way_back(command, mine):
    (mine / "01_double.py").unlink()
    outcome = command("learn", "run")
    assert outcome.status == 1
    assert "01_double.py is not here" in outcome.out
    assert "tinycnn learn reset 1" in outcome.out
    assert command("learn", "reset", "1").status == 0
    assert (mine / "01_double.py").is_file()


def test_a_damaged_state_is_told_on_one_line(command, mine):
    (mine / STATE).write_text("nonsense\ncurrent 02_square\n")
    outcome = command("learn", "list")
    assert outcome.status == 0
    assert outcome.error.count("\n") == 1
    assert f"{STATE}: not understood and left out: line 1." in outcome.error


def test_a_folder_that_cannot_be_written_is_told_and_the_check_holds(command, refused, mine, monkeypatch):
    def read_only(path, text):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    small.solve(mine, "01_double")
    monkeypatch.setattr(desks, "write_text", read_only)
    outcome = command("learn", "run")
    assert outcome.status == 0
    assert outcome.error == f"tinycnn: Your progress cannot be kept: {STATE}: Read-only file system.\n"
    assert "Read-only file system" in refused("learn", "reset", "2")
    assert "Read-only file system" in refused("learn", "init", mine / "more")
    assert not (mine / "more").exists()


def test_no_line_is_longer_than_a_terminal_and_nothing_is_coloured(command, mine):
    small.solve(mine, "01_double", wrong="100 * ")
    for words in ([], ["run", "2"], ["hint"], ["list"], ["check-all"], ["reset", "1"]):
        out = command("learn", *words).out
        assert max(map(len, out.splitlines())) <= LIMIT
        assert "\x1b" not in out


def test_a_process_without_a_terminal(of_three, mine):
    small.solve(mine, "01_double")
    done = subprocess.run(
        small.command(of_three, "learn", "run", "--json"),
        cwd=mine,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | {"FORCE_COLOR": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["passed"]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("name", ["init", "run", "hint", "list", "reset", "solution", "check-all"])
def test_each_command_has_help(command, name):
    text = command("learn", name, "--help").out
    assert f"Usage: tinycnn learn {name}" in text
    assert "--language" in text


def test_every_command_is_among_those_that_a_wrong_word_may_have_meant():
    names = {name for name in app["learn"] if not name.startswith("-")}
    assert set(place.COMMANDS) <= names


@pytest.mark.parametrize(
    ("called", "found", "told"),
    [
        ("/usr/bin/tinycnn", "/usr/bin/tinycnn", "tinycnn"),
        ("/opt/it/bin/tinycnn", None, "/opt/it/bin/tinycnn"),
        ("/opt/it/bin/tinycnn", "/usr/bin/tinycnn", "/opt/it/bin/tinycnn"),
        ("/opt/it/tinycnn/__main__.py", sys.executable, "python -m tinycnn"),
        ("/opt/it/tinycnn/__main__.py", "/usr/bin/python", f"{sys.executable} -m tinycnn"),
        ("pytest", None, "tinycnn"),
    ],
)
def test_the_program_is_named_as_it_can_be_called(monkeypatch, called, found, told):
    monkeypatch.setattr("sys.argv", [called])
    monkeypatch.setattr(place.shutil, "which", lambda name: found)
    assert place.program() == told
