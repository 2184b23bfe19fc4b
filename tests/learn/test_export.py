"""Exports: notebooks that nbgrader would take, and results that Gradescope would read."""

import json

import pytest

from tests.oracles import oracle
from tinycnn.learn import export
from tinycnn.learn.dev import absent
from tinycnn.learn.exercise import exercise, exercises
from tinycnn.learn.grade import grade

ALL = [one for one in exercises().values() if not absent(one)]
FIRST, SECOND = ALL[:2]


def sources(notebook):
    return ["".join(cell["source"]) for cell in notebook["cells"]]


def without(text, begin, end, instead=()):
    """A text without its marked regions, as nbgrader makes it."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.strip() == begin:
            indentation = line[: -len(line.lstrip())] if line.startswith(" ") else ""
            lines += [indentation + part for part in instead]
        inside = line.strip() == begin or (inside and line.strip() != end)
        if not inside and line.strip() != end:
            lines.append(line)
    return "\n".join(lines)


def released(notebook):
    """Task, code and tests, as learners get them."""
    task, code, tests = sources(notebook)
    stub = ["# YOUR CODE HERE", "raise NotImplementedError()"]
    code = without(code, "### BEGIN SOLUTION", "### END SOLUTION", stub)
    return task, code, without(tests, "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")


def run(*texts):
    """The cells of a notebook, one after the other."""
    namespace = {}
    for text in texts:
        exec(compile(text, "cell", "exec"), namespace)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_the_source_passes_its_tests_and_what_is_released_does_not(one):
    notebook = export.notebook(one, 5, "en")
    run(*sources(notebook)[1:])
    task, code, tests = released(notebook)
    for cell in (tests, sources(notebook)[2]):
        with pytest.raises((AssertionError, NotImplementedError)):
            run(code, cell)
    solved = set(one.solution.splitlines()) - set(one.stub.splitlines())
    telling = [line for line in solved if len(line.strip()) > 12 and not line.strip().startswith("return")]
    assert not [line for line in telling if line in f"{task}\n{code}\n{tests}".splitlines()]


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_cells_are_as_the_formats_demand(one):
    notebook = json.loads(json.dumps(export.notebook(one, 5, "ko")))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    kinds, flags = [], []
    for cell in notebook["cells"]:
        told = dict(cell["metadata"]["nbgrader"])
        assert told.pop("schema_version") == 3
        assert told.pop("grade_id").startswith(one.name)
        assert cell["id"].replace("-", "").isalnum()
        assert len(cell["id"]) <= 64
        assert ("outputs" in cell, "execution_count" in cell) == (cell["cell_type"] == "code",) * 2
        kinds.append(cell["cell_type"])
        flags.append({name for name, value in told.items() if value is not False})
    assert kinds == ["markdown", "code", "code"]
    assert flags == [{"locked"}, {"solution"}, {"grade", "locked", "points"}]
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == 3
    assert sources(notebook)[0].startswith(f"# {one.texts('ko')['title']}\n")


def test_the_seed_is_in_the_hidden_tests_alone():
    notebook = export.notebook(FIRST, 987654, "en")
    assert "seed=987654, hidden=True" in sources(notebook)[2]
    assert not [text for text in released(notebook) if "987654" in text or "hidden" in text.lower()]


def test_code_that_is_given_stands_in_the_task_where_it_is_more_than_a_line():
    given = [one.name for one in ALL if "```python" in sources(export.notebook(one, 0, "en"))[0]]
    assert {one.name for one in ALL if "find_the_bug" in one.name} <= set(given)
    assert FIRST.name not in given


@pytest.mark.parametrize("mutant", FIRST.mutants, ids=lambda mutant: mutant.name)
def test_a_mistake_is_named_in_the_notebook(mutant):
    namespace = {}
    exec(mutant.source(FIRST.solution), namespace)
    with pytest.raises(AssertionError) as told:
        export.verify(FIRST.name, namespace, language="ko")
    assert FIRST.texts("ko")[f"misconceptions.{mutant.name}.what"] in str(told.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "defines no correlate2d"),
        ("def correlate2d(x, w): return None", "is None"),
        ("def correlate2d(x, w): return 'seven'", "is a str"),
        ("def correlate2d(x, w): 1 / 0", "ZeroDivisionError"),
        ("def correlate2d(x): return x", "TypeError"),
        ("def correlate2d(x, w):\n    x[:] = 0\n    return x", "changed its argument x"),
    ],
)
def test_a_fault_is_told_in_the_notebook(text, told):
    namespace = {}
    exec(text, namespace)
    with pytest.raises(AssertionError, match=told):
        export.verify("01_cross_correlation", namespace)


def test_notebooks_are_written_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    files = export.nbgrader(tmp_path / "ps1", seed=5, exercises=ALL[:2])
    assert files == sorted((tmp_path / "ps1").iterdir())
    assert [json.loads(file.read_text(encoding="utf-8")) for file in files] == [
        export.notebook(one, 5, "en") for one in ALL[:2]
    ]
    with pytest.raises(ValueError, match="ps1 is not empty"):
        export.nbgrader(tmp_path / "ps1", seed=5, exercises=ALL[:2])
    with pytest.raises(ValueError, match="at least 0, got -5"):
        export.nbgrader(tmp_path / "ps2", seed=-5)
    monkeypatch.setattr(export, "notebook", lambda one, *a: {} if one is FIRST else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export.nbgrader(tmp_path / "ps2", seed=5, exercises=ALL[:2])
    assert [path.name for path in tmp_path.iterdir()] == ["ps1"]


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    oracle("jinja2")
    place = tmp_path_factory.mktemp("graded")
    texts = {"ann": FIRST.solution, "up/..": FIRST.mutants[0].source(FIRST.solution)}
    for name, text in texts.items():
        folder = place / "class" / name.replace("/", "∕")
        folder.mkdir(parents=True)
        (folder / f"{FIRST.name}.py").write_text(text, encoding="utf-8")
    return place, grade(place / "class", place / "grades", seed=1, unsafe=True, exercises=ALL[:2])


def test_gradescope_gets_a_file_for_each_learner(graded, tmp_path):
    files = export.gradescope(graded[0] / "grades", tmp_path / "out", visibility="visible")
    assert sorted(files) == sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    for file, learner in zip(files, graded[1].learners, strict=True):
        assert file.parent.parent == tmp_path / "out"
        told = json.loads(file.read_text(encoding="utf-8"))
        assert told["score"] == learner.score == sum(test["score"] for test in told["tests"])
        assert learner.max_score == sum(test["max_score"] for test in told["tests"])
        assert [test["name"] for test in told["tests"]] == list(graded[1].titles.values())
        assert [test["output"] for test in told["tests"]] == [g.message for g in learner.grades]
        assert {test["visibility"] for test in told["tests"]} == {"visible"}
        statuses = ["passed" if g.state == "passed" else "failed" for g in learner.grades]
        assert [test["status"] for test in told["tests"]] == statuses
    assert [learner.score for learner in graded[1].learners] == [1, 0]


def test_what_was_not_run_is_not_in_the_sum_of_gradescope(graded):
    learner = graded[1].as_dict()["learners"][1]
    learner["grades"] = [learner["grades"][0], {**learner["grades"][1], "state": "not run"}]
    told = export.results(learner, graded[1].titles, "hidden")
    assert [test["name"] for test in told["tests"]] == [graded[1].titles[FIRST.name]]


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, "holds no grades.json"), ("{", "was not written by"), ("[]", "was not written by"), ("{}", "not written")],
)
def test_what_is_no_grading_is_named(text, told, tmp_path):
    if text is not None:
        (tmp_path / "grades.json").write_text(text)
    with pytest.raises(ValueError, match=told):
        export.gradescope(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_visibility_is_named(graded, tmp_path):
    with pytest.raises(ValueError, match="unknown visibility 'visble': did you mean visible"):
        export.gradescope(graded[0] / "grades", tmp_path / "out", visibility="visble")


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="did you mean 01_cross_correlation"):
        export.verify(exercise("1").name + "s", {})
