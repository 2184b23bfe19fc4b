"""The executed copies for the documentation: what becomes of each kind of cell, what is said of one that fails."""

import importlib.util
import re
import tomllib

import pytest

from tests.oracles import oracle
from tests.test_structure import ROOT
from tinycnn.tutorials.lesson import WORDS

oracle("marimo")
oracle("nbclient")
nbformat = oracle("nbformat")

pytestmark = pytest.mark.xdist_group("tutorials")

NAME = "05_im2col"
SAID = tomllib.loads((WORDS / NAME / "en.toml").read_text(encoding="utf-8"))
SETUP = """import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="5. Short")

with app.setup:
    import numpy as np
    import tinycnn as tc
    from tinycnn.tutorials.lesson import Lesson
    lesson = Lesson("05_im2col")
"""
CELLS = (
    "lesson.text('gemm')",
    "lesson.header()",
    "guess = lesson.question('memory')\nguess",
    "lesson.answer('memory', guess)",
    "size = lesson.slider('kernel_size', 1, 5, 3)\nstride = lesson.slider('stride', 1, 3, 2)\n"
    "lesson.controls(size, stride)",
    "rows = size.value**2\nlesson.numbers(rows=rows)",
    "lesson.numbers(columns=rows + stride.value)",
    "print('compiling', file=__import__('sys').stderr)\ntc.plot.pictures({'all': np.eye(3)}, alt='a diagonal')",
    "assert rows == 9\nnp.testing.assert_array_equal(rows, 9)",
)


@pytest.fixture(scope="module")
def notebooks():
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(folder, cells):
    """A notebook with these cells."""
    parts = [SETUP]
    for cell in cells:
        body = "\n    ".join(cell.splitlines())
        parts.append(f"\n\n@app.cell\ndef _():\n    {body}\n    return\n")
    source = folder / f"{NAME}.py"
    source.write_text("".join(parts), encoding="utf-8")
    return source


@pytest.fixture(scope="module")
def made(notebooks, tmp_path_factory):
    """The cells of a short one, executed."""
    folder = tmp_path_factory.mktemp("short")
    assert notebooks.make(write(folder, CELLS), folder) == ""
    assert sorted(path.name for path in folder.iterdir()) == [f"{NAME}.ipynb", f"{NAME}.py"]
    return nbformat.read(folder / f"{NAME}.ipynb", as_version=4).cells


def output(cell):
    (found,) = cell.outputs
    return found.data


def test_the_title_comes_first_and_the_source_last(made):
    assert made[0].cell_type == made[-1].cell_type == "markdown"
    assert made[0].source.startswith(f"# 5. {SAID['title']}\n")
    assert made[0].source.endswith("".join(f"\n- {goal}" for goal in SAID["goals"]))
    assert f"`tutorials/{NAME}.py`" in made[-1].source
    assert "`tinycnn tutorials 5`" in made[-1].source


def test_prose_is_markdown_with_its_formulas(made):
    texts = [cell.source for cell in made if cell.cell_type == "markdown"]
    assert SAID["text"]["gemm"].strip() in texts
    question = SAID["questions"]["memory"]
    (answer,) = (text for text in texts if text.startswith("<details>"))
    assert question["options"][question["right"] - 1] in answer
    assert question["why"].strip() in answer


def test_code_stands_as_it_was_written(made):
    code = [cell.source for cell in made if cell.cell_type == "code"]
    # marimo writes quotation marks as they were, and drops nothing but its own lines
    assert code[1:] == [cell for cell in CELLS if not re.match(r"lesson\.(text|header|answer)", cell)]
    assert "marimo" not in "".join(code)
    assert [cell.execution_count for cell in made if cell.cell_type == "code"] != [None] * len(code)


def test_controls_say_where_they_stand_and_their_code_is_hidden(made):
    asked, moved = (cell for cell in made if cell.metadata.get("tags") == ["remove-input"])
    assert SAID["questions"]["memory"]["ask"] in output(asked)["text/markdown"]
    assert output(moved)["text/markdown"].startswith(
        f"*{SAID['controls']['kernel_size']}: 3* · *{SAID['controls']['stride']}: 2*"
    )


def test_numbers_and_checks_are_folded(made):
    numbers, checks = (cell for cell in made if cell.metadata.get("tags") == ["hide-input"])
    assert '<output data-number="columns">11</output>' in output(numbers)["text/html"]
    assert checks.source.startswith("assert")
    assert checks.outputs == []


def test_a_picture_is_there_once(made):
    (picture,) = (cell for cell in made if "tc.plot" in cell.source)
    assert set(output(picture)) == {"text/html"}
    assert 'alt="a diagonal"' in output(picture)["text/html"]


def test_no_metadata_but_tags(made):
    assert {key for cell in made for key in cell.metadata} == {"tags"}


def test_an_error_is_told_with_its_cell_and_nothing_is_written(notebooks, tmp_path):
    source = write(tmp_path, ["lesson.header()", "ratio = 1\nratio / (ratio - 1)"])
    told = notebooks.make(source, tmp_path / "out")
    assert told.startswith(f"{NAME}.py: this cell fails:\n\nratio = 1\nratio / (ratio - 1)\n\nZeroDivisionError: ")
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists()


def test_a_notebook_that_is_none_is_told(notebooks, tmp_path):
    (tmp_path / "05_none.py").write_text("def (")
    assert notebooks.make(tmp_path / "05_none.py", tmp_path).startswith("05_none.py: marimo cannot export it:\n")


def test_an_unknown_name_is_refused(notebooks, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        notebooks.main(["05_im2kol", "--out", str(tmp_path)])
    assert "did you mean 05_im2col?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("lesson.text('a', n=3)", ["remove-input"]),
        ("a = lesson.button('a')\na", ["remove-input"]),
        ("a = lesson.slider('a', 1, 2, 1)\nb = a.value", []),
        ("lesson.numbers(a=1)", ["hide-input"]),
        ("a = 1\nlesson.numbers(a=a)", []),
        ("assert True\nassert 1", ["hide-input"]),
        ("if x:\n    assert True", ["hide-input"]),
        ("if x:\n    assert True\nelse:\n    y = 1", []),
        ("x = 1\nassert x", []),
        ("import numpy as np", []),
        ("other.text('a')", []),
    ],
)
def test_what_is_hidden(notebooks, code, expected):
    assert notebooks.tags(code) == expected
