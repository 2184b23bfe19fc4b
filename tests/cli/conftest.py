"""Commands run in this process, in a folder of their own."""

import json
from typing import NamedTuple

import pytest

import tinycnn as tc
from tinycnn.cli.main import main


class Outcome(NamedTuple):
    status: int
    out: str
    error: str

    @property
    def json(self):
        """The last line of standard output."""
        return json.loads(self.out.splitlines()[-1])


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Run ``tinycnn …`` with these words."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        capsys.readouterr()
        status = main([str(word) for word in words])
        return Outcome(status, *capsys.readouterr())

    yield run
    tc.use_algorithm("auto")


@pytest.fixture
def refused(command):
    """Run a command that must be refused: status 2, one line on standard error; gives the line."""

    def run(*words, status=2):
        outcome = command(*words)
        assert outcome.status == status, outcome
        assert outcome.error.startswith("tinycnn: ")
        assert outcome.error.endswith("\n")
        assert outcome.error.count("\n") == 1, outcome.error
        return outcome.error

    return run
