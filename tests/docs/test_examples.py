"""What the pages tell their readers to type: the Python blocks print what they say, the commands exist."""

import doctest
import re
import shlex

import pytest

import tinycnn as tc
from tests.docs.site import DOCS
from tests.oracles import oracle
from tinycnn.cli.main import app

PAGES = [path for path in sorted(DOCS.rglob("*.md")) if "_build" not in path.parts]
NEEDS = {"own-pictures.md": "PIL"}


def blocks(text, language):
    """The blocks of a language, each at its own lines, all else blank."""
    inside = False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = line == f"```{language}"
            yield ""
        else:
            yield line if inside else ""


def run(text, name):
    """Run the Python blocks of a page, one after the other in one namespace; those of ``>>>``."""
    test = doctest.DocTestParser().get_doctest("\n".join(blocks(text, "python")), {}, name, name, 0)
    return doctest.DocTestRunner(verbose=False).run(test)


def commands(text):
    """The lines of shell blocks that call tinycnn, without the path it is called by."""
    for line in blocks(text, "sh"):
        words = shlex.split(line, comments=True)
        if words and words[0].rpartition("/")[2] == "tinycnn":
            yield words[1:]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_examples_print_what_they_say(path, tmp_path, monkeypatch):
    if path.name in NEEDS:
        oracle(NEEDS[path.name])
    monkeypatch.chdir(tmp_path)
    tc.manual_seed(0)
    result = run(path.read_text(encoding="utf-8"), path.name)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples; each is printed above"


def test_there_are_examples():
    found = [line for path in PAGES for line in path.read_text(encoding="utf-8").splitlines() if line[:4] == ">>> "]
    assert len(found) > 100


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_commands_exist(path):
    for words in commands(path.read_text(encoding="utf-8")):
        app.parse_args(words, exit_on_error=False, print_error=False)


def test_every_guide_is_short_and_shows_what_to_type():
    guides = [path for path in PAGES if path.parent.name == "guides" and path.stem != "index"]
    assert len(guides) >= 9
    for path in guides:
        text = path.read_text(encoding="utf-8")
        assert 30 <= len(text.splitlines()) <= 130, path.name
        assert re.search(r"^```(python|sh)$", text, re.MULTILINE), path.name


def test_a_wrong_example_and_a_wrong_command_are_noticed(capsys):
    assert run("```python\n>>> 1 + 1\n3\n```\n", "planted").failed == 1
    assert "Expected:\n    3" in capsys.readouterr().out
    (words,) = commands("```sh\n.venv/bin/tinycnn train --epoch-count 3  # no such option\n```\n")
    with pytest.raises(Exception, match="epoch-count"):
        app.parse_args(words, exit_on_error=False, print_error=False)
