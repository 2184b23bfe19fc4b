"""Runs that are killed at any moment, again and again, end as if they had never been disturbed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cases import LONG

pytestmark = pytest.mark.long
KILLS = 200 if LONG else 15
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened in a campaign; it compares each run itself, and fails where one ends otherwise."""
    command = [
        sys.executable,
        "-m",
        "tests.training.kill_driver",
        str(tmp_path_factory.mktemp("runs")),
        str(KILLS),
        "1",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_run_ends_as_if_undisturbed(counted):
    assert counted["kills"] == KILLS
    assert counted["runs"] >= KILLS // 5


def test_the_kills_were_at_random_times_in_the_saving_and_in_the_making(counted):
    assert [counted[kind] for kind in ("time", "saving", "making")] == [2 * KILLS // 5, 2 * KILLS // 5, KILLS // 5]


def test_they_struck_before_after_and_in_the_middle_of_calls(counted):
    ways = {place.split()[0] for place in counted["places"]}
    assert ways == {"before", "after", "half-way"}
    if KILLS >= 200:
        calls = {place.split()[1] for place in counted["places"]}
        assert calls >= {"open", "write", "fsync", "replace"}
        assert counted["before there was a run"] > 0
