"""Run part of a test in a process of its own, with its own settings of Numba."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT")


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python at the root of the project; ``environment`` is added to this process's."""
    # Threads that wait for each other by spinning take the cores from those that they wait for, where cores are few.
    environment = {"OMP_WAIT_POLICY": "passive"} | environment
    inherited = {name: value for name, value in os.environ.items() if name not in NAMES}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=inherited | {"PYTHONWARNINGS": "error"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_ran(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python as `run_python`, and show what it said where it failed."""
    ended = run_python(*arguments, **environment)
    assert ended.returncode == 0, f"exit status {ended.returncode}\n{ended.stdout[-4000:]}\n{ended.stderr[-4000:]}"
    return ended
