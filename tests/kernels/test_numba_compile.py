"""Machine code on disk: used while it is what the sources say, never after, and said when it cannot be kept."""

import ast
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

from tests.kernels.processes import ROOT, assert_ran
from tests.rights import open_folder
from tinycnn.kernels.numba import compile as compiling

FOLDER = Path(compiling.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if "prange" in path.read_text(encoding="utf-8"))
ANNOUNCED = "tinycnn: compiling kernels for this processor, once; later runs start at once\n"
RIGHT = "[0.0, 6.0, 12.0, 18.0, 24.0]"


def drive(*words, script="tests/kernels/compile_driver.py", **environment):
    return assert_ran(str(script), *words, PYTHONPATH=str(ROOT), **environment)


def test_a_cold_cache_is_announced_once_and_a_warm_one_not_at_all(tmp_path):
    cold, warm, more = (drive(*words, NUMBA_CACHE_DIR=str(tmp_path)) for words in ((), (), ("twice",)))
    assert cold.stderr == ANNOUNCED  # for two kernels
    assert warm.stderr == ""
    assert more.stderr == ANNOUNCED  # a type that is new, after one that was found
    for run in (cold, warm, more):
        assert run.stdout.startswith(RIGHT)
    assert cold.stdout.count("found 0") == 2
    assert warm.stdout.count("found 1") == 2
    assert [run.stdout.count("compiled True") for run in (cold, warm, more)] == [1, 0, 1]
    assert warm.stdout.count(f"kept in {tmp_path}") == 2


def test_with_bounds_checked_unchecked_code_is_not_used(tmp_path):
    first = drive(NUMBA_CACHE_DIR=str(tmp_path))
    checked = drive(NUMBA_CACHE_DIR=str(tmp_path), NUMBA_BOUNDSCHECK="1")
    assert checked.stdout.count("found 0") == 2
    assert checked.stderr == first.stderr == ANNOUNCED


@pytest.mark.parametrize("beside", ["writable", "read-only"])
def test_where_nothing_can_be_kept_that_is_said_once_and_results_are_right(beside):
    # What Numba keeps beside the source is stale once another file changes, so it must not be kept there instead.
    with open_folder() as folder:
        script = folder / "driver.py"
        shutil.copy(ROOT / "tests/kernels/compile_driver.py", script)
        script.chmod(0o644)
        folder.chmod(0o777 if beside == "writable" else 0o755)
        closed = folder / "closed"
        closed.mkdir(mode=0o555)
        home = {"HOME": str(closed), "XDG_CACHE_HOME": str(closed), "PYTHONDONTWRITEBYTECODE": "1"}
        run = drive("nobody", script=script, NUMBA_CACHE_DIR=str(closed), **home)
        folder.chmod(0o755)
        assert run.stdout.startswith(RIGHT)
        said = [line for line in run.stdout.splitlines() if "Warning" in line]
        assert said == [
            f"RuntimeWarning: the folder {closed} cannot be written, so the Numba kernels are compiled again in each "
            "process; set NUMBA_CACHE_DIR to a folder that can be"
        ]
        assert not list(folder.rglob("*.nb[ic]"))


def drawn_on(module: str) -> set[Path]:
    """Files of the kernels that a module imports, in whichever way, directly or not, and its own."""
    found, waiting = set(), [FOLDER / f"{module}.py"]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tinycnn.kernels."):
                names = node.module.split(".")[2:]
                inside = [names, *([*names, alias.name] for alias in node.names)]
                waiting.extend(FOLDER.parent.joinpath(*parts).with_suffix(".py") for parts in inside)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_change_in_any_file_that_is_compiled_in_changes_the_folder(module, tmp_path, monkeypatch):
    shutil.copytree(FOLDER.parent, tmp_path / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "kernels" / "numba" / "compile.py"))
    folder_of = compiling.cache_folder.__wrapped__
    seen = {folder_of(module)}
    files = drawn_on(module)
    assert FOLDER / "compile.py" in files
    for path in sorted(files):
        copied = tmp_path / "kernels" / path.relative_to(FOLDER.parent)
        copied.write_text(copied.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
        changed = folder_of(module)
        assert changed not in seen, f"{module}: a change in {path.name} goes unnoticed"
        seen.add(changed)
    (tmp_path / "kernels" / "numba" / "unrelated.py").write_text("x = 1\n", encoding="utf-8")
    assert folder_of(module) in seen


def test_wide_vectors_are_asked_for_before_numba_reads_its_settings():
    code = """
import os, sys
os.environ.pop("NUMBA_CPU_FEATURES", None)  # set by the process that runs this test
from llvmlite import binding
assert "numba" not in sys.modules
import tinycnn.kernels.numba
wide = binding.get_host_cpu_features().get("avx512f", False)
assert ("-prefer-256-bit" in os.environ.get("NUMBA_CPU_FEATURES", "")) == wide
"""
    assert_ran("-c", code)


def test_no_two_functions_that_are_compiled_in_have_one_name():
    # What processes have kept is linked by name: of two functions of one name, one would run in the place of both.
    import tinycnn.kernels.numba  # noqa: F401 - loads all of them

    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("tinycnn.kernels.numba"):
            for value in vars(module).values():
                function = getattr(value, "py_func", None)
                if function is not None:
                    named = function.__module__, function.__qualname__
                    assert found.setdefault(named, function) is function, named
    assert len(found) > 50
