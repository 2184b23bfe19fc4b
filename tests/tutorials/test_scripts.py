"""Each tutorial as a program: it runs to its end, says nothing, writes nothing, needs neither data nor network."""

import os
import re
import subprocess
import sys

import pytest

from tests.oracles import oracle
from tests.tutorials import source
from tinycnn.tutorials.lesson import NAMES

oracle("marimo")

NOWHERE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
NEED_DATA = [name for name in NAMES if re.search("mnist|cifar", source.path(name).read_text(encoding="utf-8"), re.I)]


def run(path, folder, **environment):
    """In a process of its own, where every warning is an error and the network is out of reach."""
    command = [sys.executable, "-W", "error", str(path)]
    settings = {**os.environ, **NOWHERE, **environment}
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, check=False)


def told(done):
    return done.returncode, done.stdout, done.stderr.replace(source.ANNOUNCED, "")


def test_marimo_finds_nothing_to_complain_of():
    command = [sys.executable, "-m", "marimo", "check", "--strict", *(str(source.path(name)) for name in NAMES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_to_its_end(name, tmp_path):
    assert told(run(source.path(name), tmp_path)) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NEED_DATA)
def test_it_runs_to_its_end_without_data(name, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "here").mkdir()
    assert told(run(source.path(name), tmp_path / "here", TINYCNN_DATA=str(tmp_path / "data"))) == (0, "", "")
    assert [path.name for path in (tmp_path / "here").iterdir()] == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("assert False", "AssertionError"),
        ("__import__('warnings').warn('old')", "UserWarning: old"),
        ("tc.data.mnist('test')", "in TINYCNN_DATA"),
        ("lesson.text('no_such')", "has no words for text.no_such"),
    ],
)
def test_planted_faults_are_noticed(line, error, tmp_path):
    text = source.path("05_im2col").read_text(encoding="utf-8")
    path = tmp_path / "05_im2col.py"
    path.write_text(text.replace('    lesson.text("loops")\n', f"    {line}\n"), encoding="utf-8")
    status, _, said = told(run(path, tmp_path, TINYCNN_DATA=str(tmp_path)))
    assert status == 1
    assert error in said
