"""What a grading writes: a table, JSON, JUnit XML and pages, in which names and messages are text and no more."""

import csv
import json
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cyclopts import App

from tests.browsers import browser
from tests.inspect.test_gradcheck_page_in_browser import faults
from tests.learn.test_grade import ALL, FIRST, hand_in
from tinycnn.cli.main import app as main_app
from tinycnn.learn import dev
from tinycnn.learn import grade as grading
from tinycnn.learn.grade import grade

commands = import_module("tinycnn.cli.learn.grade")  # the package has a function of that name

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

NASTY = "<script>alert(1)</script> \"&'"
NAMES = ("first", "second")


def files_of(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A small class in two gradings, without a sandbox: nobody in it does any harm."""
    place = tmp_path_factory.mktemp("graded")
    second = ALL[1]
    mutant = FIRST.mutants[0]
    hand_in(place / "class", "Ann", {FIRST.name: FIRST.solution, f"deep/{second.name}": second.solution})
    hand_in(place / "class", "=cmd|' C calc'!A0", {FIRST.name: mutant.source(FIRST.solution)})
    hand_in(place / "class", NASTY.replace("/", "∕"), {FIRST.name: f"raise ValueError({NASTY + chr(27) + chr(1)!r})"})
    hand_in(place / "class", "김민수", {FIRST.name: FIRST.file("ko"), "1_cross": "", "<b>": ""})
    (place / "class" / "readme.txt").write_text("")
    options = {"seed": 3, "unsafe": True, "language": "ko", "exercises": ALL[:2]}
    found, _ = (grade(place / "class", place / name, **options) for name in NAMES)
    return place, found


def by_name(grades, start):
    (found,) = [learner for learner in grades.learners if learner.name.startswith(start)]
    return found


def test_files_lie_in_a_learners_folder_or_one_level_down(graded):
    ann = by_name(graded[1], "Ann")
    assert [g.state for g in ann.grades] == ["passed", "passed"]
    assert (ann.score, ann.max_score) == (2, 2)


def test_what_is_missing_is_not_handed_in(graded):
    minsu = by_name(graded[1], "김")
    assert [g.state for g in minsu.grades] == ["failed", "missing"]
    assert (minsu.score, minsu.max_score) == (0, 2)
    assert ALL[1].name in minsu.grades[1].message


def test_the_misconception_is_named_in_the_language(graded):
    found = by_name(graded[1], "=cmd").grades[0]
    assert found.misconception == FIRST.mutants[0].name
    assert FIRST.texts("ko")[f"misconceptions.{found.misconception}.what"] in found.message


def test_the_same_seed_gives_the_same_files(graded):
    first, second = ({p.relative_to(graded[0] / n): p.read_bytes() for p in files_of(graded[0] / n)} for n in NAMES)
    assert first == second
    assert {str(path.parent) for path in first} == {".", "learners"}


def test_the_table_computes_nothing_when_a_spreadsheet_opens_it(graded):
    with (graded[0] / "first" / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["learner", "score", "max_score", FIRST.name, ALL[1].name]
    assert {row[0]: row[1:] for row in rows[1:]} == {
        NASTY.replace("/", "∕"): ["0", "2", "0", ""],
        "'=cmd|' C calc'!A0": ["0", "2", "0", ""],
        "Ann": ["2", "2", "1", "1"],
        "김민수": ["0", "2", "0", ""],
    }
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_the_xml_counts_and_holds_names_as_text(graded):
    root = ElementTree.parse(graded[0] / "first" / "junit.xml").getroot()
    suites = {suite.get("name"): suite for suite in root}
    assert suites.keys() == {learner.name for learner in graded[1].learners}
    for learner in graded[1].learners:
        cases = list(suites[learner.name])
        for kind, states in (("failure", ("failed", "refused")), ("skipped", ("missing", "not run"))):
            count = sum(g.state in states for g in learner.grades)
            assert sum(case.find(kind) is not None for case in cases) == count
            assert suites[learner.name].get({"failure": "failures"}.get(kind, kind)) == str(count)


def test_the_json_holds_all_grades(graded):
    told = json.loads((graded[0] / "first" / "grades.json").read_text(encoding="utf-8"))
    assert told == json.loads(json.dumps(graded[1].as_dict()))
    assert (told["seed"], told["language"], list(told["titles"])) == (3, "ko", [FIRST.name, ALL[1].name])
    assert [learner["score"] for learner in told["learners"]] == [learner.score for learner in graded[1].learners]
    assert any("readme.txt" in note for note in told["notes"])


def test_pages_hold_names_and_messages_as_text(graded):
    assert "<script" not in "".join(p.read_text(encoding="utf-8") for p in files_of(graded[0] / "first" / "learners"))
    for learner in graded[1].learners:
        root = ElementTree.parse(graded[0] / "first" / "learners" / learner.page).getroot()
        assert root.get("lang") == "ko"
        assert root.find("body/header/h1").text == learner.name
        text = " ".join("".join(root.find("body").itertext()).split())
        for found in learner.grades:
            assert graded[1].titles[found.exercise] in text
            assert (found.state in ("passed", "missing")) != (" ".join(found.message.split()) in text)
    assert "1_cross.py" in (graded[0] / "first" / "learners" / by_name(graded[1], "김").page).read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1280)])
def test_pages_are_silent_alone_and_accessible(scheme, width, browser, graded):
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        for learner in graded[1].learners:
            path = graded[0] / "first" / "learners" / learner.page
            tab = context.new_page()
            asked = []
            tab.on("request", lambda request, asked=asked: asked.append(request.url))
            tab.goto(path.as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (max(map(int, background[4:-1].split(","))) < 60) == (scheme == "dark")
            assert not faults(tab)
            assert asked == [path.as_uri()]
            tab.close()


def test_page_names_stay_in_their_folder_and_apart():
    names = ["..", ".", "a/b", "a_b", "A_B", "", "x" * 300, "x" * 301, "-rf", "김", "con\n", "\udcff"]
    pages = grading._page_names(names)
    assert len({page.casefold() for page in pages}) == len(names)
    assert all(Path(page).name == page and page.endswith(".html") and page[0] not in ".-" for page in pages)
    assert max(len(page.encode()) for page in pages) < 100


# The commands


@pytest.fixture
def run(capsys):
    app = App(result_action="return_value", default_parameter=main_app.default_parameter)
    for name in ("grade", "export_nbgrader", "export_gradescope", "dev_check"):
        app.command(getattr(commands, name))

    def called(*words):
        status = app([str(word) for word in words], exit_on_error=False, print_error=False)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return called


def test_the_commands_grade_and_export(run, tmp_path):
    hand_in(tmp_path / "class", "Ann", {FIRST.name: FIRST.solution, "notes": ""})
    words = ["--seed", 5, "--only", 1, "--only", ALL[1].name, "--unsafe", "--language", "ko"]
    status, out, err = run("grade", tmp_path / "class", *words, "--out", tmp_path / "grades", "--json")
    assert status == 0
    assert out.splitlines()[:2] == ["learner  right  handed in", "Ann        1/2          1"]
    assert json.loads(out.splitlines()[-1]) == json.loads((tmp_path / "grades" / "grades.json").read_text())
    assert err == "1 of 1 files\n"
    status, out, _ = run("export-gradescope", tmp_path / "grades", tmp_path / "gradescope", "--json")
    (file,) = json.loads(out.splitlines()[-1])["files"]
    assert (status, json.loads(Path(file).read_text())["score"]) == (0, 1.0)
    status, out, _ = run("export-nbgrader", tmp_path / "ps1", "--seed", 5, "--only", 2)
    assert (status, out) == (0, f"1 file in {tmp_path / 'ps1'}\n")
    assert [path.name for path in (tmp_path / "ps1").iterdir()] == [f"{ALL[1].name}.ipynb"]


def test_an_exercise_that_is_unknown_is_named(run, tmp_path):
    with pytest.raises(ValueError, match="unknown exercise '01_cros_correlation': did you mean 01_cross_correlation"):
        run("grade", tmp_path, "--seed", 5, "--only", "01_cros_correlation")


def test_dev_check_fails_where_an_exercise_has_a_fault(run, monkeypatch):
    assert run("dev-check", 1)[:2] == (0, f"{FIRST.name}: fit, {len(FIRST.mutants)} wrong solutions\n")
    monkeypatch.setattr(dev, "check", lambda *arguments: ["a fault"])
    assert run("dev-check", 1)[:2] == (1, f"{FIRST.name}: a fault\n")
