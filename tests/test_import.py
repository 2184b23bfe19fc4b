"""What ``import tinycnn`` costs: NumPy, and little time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tinycnn

MEASURE = """
import json, sys, time
import numpy, numpy.random  # its compiled parts register modules of their own
before = set(sys.modules)
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
loaded = sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})
print(json.dumps({{"seconds": seconds, "loaded": loaded}}))
"""
HEAVY = {"unittest", "doctest", "pdb", "multiprocessing", "asyncio", "http", "xml", "sqlite3", "tkinter"}
LIMIT = 0.25  # seconds beyond NumPy's own import


def fresh(statement: str, folder: Path) -> dict:
    """Run a statement in a new interpreter: its seconds and the top-level modules it loaded."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME", "PYTHONSAFEPATH")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment["PYTHONPATH"] = str(Path(tinycnn.__file__).parents[1])
    environment["PYTHONPYCACHEPREFIX"] = str(folder)  # compiled files are kept, and not beside the sources
    command = [sys.executable, "-c", MEASURE.format(statement=statement)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def foreign(loaded: list[str]) -> list[str]:
    """Those modules that a plain import has no business to load."""
    allowed = ({"tinycnn", "numpy"} | sys.stdlib_module_names) - HEAVY
    return [name for name in loaded if name not in allowed]


def test_import_loads_numpy_alone(tmp_path):
    loaded = fresh("import tinycnn", tmp_path)["loaded"]
    assert "tinycnn" in loaded
    assert not foreign(loaded)


@pytest.mark.parametrize("statement", ["import tinycnn, unittest", "import tinycnn, hypothesis"])
def test_a_module_too_many_is_noticed(statement, tmp_path):
    assert foreign(fresh(statement, tmp_path)["loaded"])


def test_import_takes_little_time(tmp_path):
    # The first run compiles; the shortest of the others is the least disturbed by what else the machine does.
    seconds = [fresh("import tinycnn", tmp_path)["seconds"] for _ in range(6)][1:]
    assert min(seconds) < LIMIT, seconds
