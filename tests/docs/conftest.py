"""The documentation as it is built: the fixture ``site``, made once, with one executed notebook among the tutorials."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.docs.site import DOCS, SAMPLE, notebook
from tests.oracles import oracle
from tests.test_structure import ROOT

NEEDED = ("tinycnn", "kernels", "benchmarks", "tutorials", "setup.cfg")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built pages; the build warns of nothing."""
    for module in ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme", "sphinx-mathjax-offline"):
        oracle(module)
    base = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, base / "docs", ignore=shutil.ignore_patterns("_build", "__pycache__", "*.ipynb"))
    for name in NEEDED:
        (base / name).symlink_to(ROOT / name)
    (base / "docs" / "tutorials" / f"{SAMPLE}.ipynb").write_text(notebook(), encoding="utf-8")
    built = base / "html"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "docs", built]
    done = subprocess.run(command, cwd=base, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    return built
