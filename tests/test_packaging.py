"""The folders at the top level are one package, however it is installed, wherever Python starts, whatever runs it.

kernels/, benchmarks/ and tutorials/ stand beside tinycnn/ and are imported as parts of it. After a regular install,
Python started in the clone's root finds ./tinycnn before the installed one: all parts must then come from the clone.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.oracles import program
from tests.test_structure import FOLDERS, ROOT, SOURCES

pytestmark = pytest.mark.xdist_group("packaging")  # the environments are made once

NOT_COPIED = (".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")

# One statement a line, so that it is also a doctest. EXPECTED says where each of the four folders must have come from.
PROBE = """\
import json, os, sys
import tinycnn, tinycnn.benchmarks, tinycnn.kernels.numpy, tinycnn.tutorials
y = tinycnn.functional.conv2d(tinycnn.Tensor([[[[1.0, 2.0, 4.0]]]]), tinycnn.Tensor([[[[1.0, -1.0]]]]))
assert y.data.tolist() == [[[[-1.0, -2.0]]]]
parts = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "tinycnn"}
home = lambda name: max((part for part in EXPECTED if f"{name}.".startswith(f"{part}.")), key=len)
stray = {n: m.__file__ for n, m in parts.items() if not m.__file__.startswith(EXPECTED[home(n)] + os.sep)}
assert len(parts) > 20 and not stray, stray
"""

KERNEL = """\
import sys
import numpy as np
from tinycnn.kernels.cuda import emulate, source
x, y = np.array([-1, 2], np.float32), np.empty(2, np.float32)
for name in source.sources():
    assert source.kernels_in(source.source(name, source.reals(name)[0])), name
relu = emulate.RawModule(source.source("activation", "float")).get_function("relu_forward")
relu((1,), (32,), (x, y, np.int64(2)))
assert y.tolist() == [0, 2], y
assert "cupy" not in sys.modules
"""

USER = """\
import tinycnn

y: tinycnn.Tensor = tinycnn.functional.relu(tinycnn.Tensor([1.0]))
wrong: int = tinycnn.functional.relu(tinycnn.Tensor([1.0]))
"""


class Installed(NamedTuple):
    kind: str
    clone: Path
    python: Path
    site: Path

    def run(self, *arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(self.python, *arguments, cwd=cwd, **environment)

    def expected(self, start: Path) -> dict[str, str]:
        """For each of the four folders, where it must be imported from by a Python that starts in this folder."""
        if self.kind == "regular" and start != self.clone:
            return {name: str(self.site.joinpath(*name.split("."))) for name in FOLDERS}
        return {name: str(self.clone / folder.name) for name, folder in FOLDERS.items()}

    def probe(self, start: Path) -> str:
        return f"EXPECTED = {json.dumps(self.expected(start))}\n{PROBE}"


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program as from a shell where nothing about Python or pytest was set."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "MYPY"))}
    settings = {**inherited, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
    return subprocess.run(command, cwd=cwd, env=settings, capture_output=True, text=True, check=False)


def succeeded(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, f"{done.args}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


def link(entries: Iterable[Path], folder: Path) -> Path:
    """A folder of links, to put on another Python's path."""
    folder.mkdir()
    for entry in entries:
        if not (folder / entry.name).exists():
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """What is installed here but for tinycnn, and of that what a build may use: setuptools alone."""
    for module in ("pip", "setuptools"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install {module}")
    base = tmp_path_factory.mktemp("libraries")
    folders = [Path(folder) for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]
    entries = [entry for folder in folders for entry in sorted(folder.iterdir())]
    entries = [entry for entry in entries if entry.suffix != ".pth" and "tinycnn" not in entry.name]
    build = [entry for entry in entries if entry.name.partition("-")[0] in ("setuptools", "_distutils_hack")]
    return link(entries, base / "all"), link(build, base / "build")


@pytest.fixture(scope="module", params=["regular", "editable"])
def installed(request, tmp_path_factory, libraries):
    """A copy of the clone, installed in an environment of its own; nothing is downloaded."""
    base = tmp_path_factory.mktemp(request.param)
    clone, venv = base / "clone", base / "venv"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(*NOT_COPIED))
    succeeded(run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=base))
    python = venv / "bin" / "python"
    site = Path(succeeded(run(python, "-c", "import site; print(site.getsitepackages()[0])", cwd=base)).stdout.strip())
    everything, build = libraries
    # The version and all else is read without NumPy: a build environment has none.
    assert "No module named 'numpy'" in run(python, "-c", "import numpy", cwd=base, PYTHONPATH=str(build)).stderr
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        python,
        "install",
        "-q",
        "--no-index",
    ]
    option = ["-e"] if request.param == "editable" else []
    done = run(*pip, "--no-deps", "--no-build-isolation", *option, clone, cwd=base, PYTHONPATH=str(build))
    succeeded(done)
    (site / "libraries.pth").write_text(f"{everything}\n")
    return Installed(request.param, clone, python, site)


@pytest.fixture(params=["root", "elsewhere"])
def start(request, installed, tmp_path):
    """The folder that a program is started in."""
    return installed.clone if request.param == "root" else tmp_path


def test_python(installed, start):
    succeeded(installed.run("-c", installed.probe(start), cwd=start))


@pytest.mark.parametrize("options", [["-m"], ["-P", "-m"]], ids=["python -m pytest", "pytest"])
def test_pytest(installed, start, options):
    # The command `pytest` does not put the folder it starts in on the path, which -P imitates.
    folder = start / "tests" if start == installed.clone else start
    test = folder / "test_probe_of_packaging.py"
    test.write_text(f"def test_probe():\n{textwrap.indent(installed.probe(start), '    ')}")
    done = succeeded(installed.run(*options, "pytest", "-q", "-p", "no:cacheprovider", test, cwd=start))
    assert "1 passed" in done.stdout


def test_doctest(installed, start):
    lesson = start / "lesson.txt"
    lesson.write_text("".join(f">>> {line}\n" for line in installed.probe(start).splitlines()))
    succeeded(installed.run("-m", "doctest", lesson, cwd=start))


def test_doctest_through_pytest(installed, start):
    module = "tinycnn.functional.convolution"
    options = ["-q", "-p", "no:cacheprovider", "--doctest-modules", "--pyargs"]
    done = succeeded(installed.run("-m", "pytest", *options, module, cwd=start))
    assert "passed" in done.stdout


def test_mypy(installed, start, tmp_path_factory):
    """A user's program is checked against the package's types."""
    _needs_mypy()
    # Type checkers do not run the import hook of an editable install: MYPYPATH names the clone to them.
    path = {"MYPYPATH": str(installed.clone)} if installed.kind == "editable" and start != installed.clone else {}
    (start / "user.py").write_text(USER)
    cache = tmp_path_factory.getbasetemp() / "mypy"
    done = installed.run("-m", "mypy", "--config-file=", "--cache-dir", cache, "user.py", cwd=start, **path)
    faults = [line for line in done.stdout.splitlines() if line.startswith("user.py:")]
    assert len(faults) == 1, done.stdout + done.stderr
    assert faults[0].startswith("user.py:4: error: Incompatible types in assignment")


def test_mypy_strict_on_the_package(tmp_path_factory, libraries):
    """The package's own types, on an installed copy: there kernels/ stands where mypy looks for tinycnn.kernels."""
    _needs_mypy()
    base = tmp_path_factory.mktemp("types")
    shutil.copytree(ROOT, base / "clone", ignore=shutil.ignore_patterns(*NOT_COPIED))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-index", "--no-deps"]
    succeeded(run(*pip, "--no-build-isolation", "--target", base / "installed", base / "clone", cwd=base))
    cache = tmp_path_factory.getbasetemp() / "mypy"
    options = ["--config-file", ROOT / "setup.cfg", "--cache-dir", cache]
    done = run(sys.executable, "-m", "mypy", *options, base / "installed" / "tinycnn", cwd=base)
    assert done.returncode == 0, done.stdout
    assert f"in {len(SOURCES)} source files" in done.stdout


def test_all_files_are_installed(installed):
    """Packages and data files alike, but no measurements; an editable install reads them where they are."""
    if installed.kind == "editable":
        assert not (installed.site / "tinycnn").exists()
        return
    for name, folder in FOLDERS.items():
        source = installed.clone / folder.name
        target = installed.site.joinpath(*name.split("."))
        files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
        files = [path for path in files if path.suffix != ".pyc" and path.parts[0] != "results"]
        assert not [str(path) for path in files if not (target / path).is_file()]


def test_cuda_sources_run_on_the_cpu(installed, start, tmp_path_factory):
    """The sources and what emulates a GPU are found where they are installed, and need neither CuPy nor a GPU."""
    program("g++")
    cache = tmp_path_factory.getbasetemp() / "cache"
    succeeded(installed.run("-c", KERNEL, cwd=start, XDG_CACHE_HOME=str(cache)))


def test_the_probe_notices_another_place(installed, tmp_path):
    wrong = installed.probe(tmp_path).replace(str(installed.site), "/nowhere").replace(str(installed.clone), "/nowhere")
    done = installed.run("-c", wrong, cwd=tmp_path)
    assert done.returncode == 1
    assert "AssertionError" in done.stderr


def test_without_the_clone_on_its_path_the_package_falls_apart(installed, tmp_path):
    """The fault that tinycnn/__init__.py prevents is one, and the probe finds it."""
    bare = tmp_path / "clone"
    shutil.copytree(installed.clone, bare, ignore=shutil.ignore_patterns("build", "__pycache__", "*.egg-info"))
    initial = (bare / "tinycnn" / "__init__.py").read_text()
    assert "__path__.append" in initial
    (bare / "tinycnn" / "__init__.py").write_text(initial.replace("__path__.append", "str"))
    moved = installed._replace(clone=bare)
    done = moved.run("-c", moved.probe(bare), cwd=bare)
    # An editable install's hook steps in with the kernels of the clone that was installed: two clones mixed.
    fault = "ModuleNotFoundError: No module named 'tinycnn." if installed.kind == "regular" else "AssertionError"
    assert fault in done.stderr


def _needs_mypy() -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed: pip install mypy")
