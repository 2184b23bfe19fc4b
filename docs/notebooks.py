"""The tutorials as executed Jupyter notebooks, which the documentation shows.

python docs/notebooks.py [NAME ...] [--jobs N] [--out docs/tutorials]
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from traitlets.config import Config

from tinycnn.choices import look_up
from tinycnn.storage import replace
from tinycnn.tutorials.lesson import NAMES, WORDS

PROSE = {"header", "text", "answer", "mistakes", "exercise"}
CONTROLS = {"question", "slider", "choice", "switch", "button", "controls"}
SECONDS = 600  # that a cell may take
QUIET = {"PYTHONWARNINGS": "ignore", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


class Failed(Exception):
    """A tutorial that does not run to its end, with the cell and what it says."""


def main(words: Sequence[str]) -> int:
    """Convert and execute tutorials; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 05_im2col; all where none is given")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="that run at the same time")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "tutorials", metavar="FOLDER")
    given = parser.parse_args(words)
    table = {name: WORDS.with_name(f"{name}.py") for name in NAMES}
    try:
        sources = [look_up("tutorial", name, table) for name in given.names or NAMES]
    except ValueError as error:
        parser.error(str(error))
    given.out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(given.jobs) as pool:
        told = list(pool.map(lambda source: make(source, given.out), sources))
    print(*filter(None, told), sep="\n\n", end="", file=sys.stderr)
    return 1 if any(told) else 0


def make(source: Path, out: Path) -> str:
    """Write one notebook, at once or not at all; what went wrong, where something did."""
    path = out / f"{source.stem}.ipynb"
    try:
        notebook = finished(executed(converted(source)), source.stem)
    except Failed as error:
        return f"{source.name}: {error}\n"
    replace(path, lambda temporary: nbformat.write(notebook, temporary))
    print(path, flush=True)
    return ""


def converted(source: Path) -> NotebookNode:
    """A marimo notebook as a Jupyter notebook, in the order of the page, or where that must be, of what needs what."""
    command = [sys.executable, "-m", "marimo", "export", "ipynb", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"marimo cannot export it:\n{done.stderr.strip()}")
    notebook = nbformat.reads(done.stdout, as_version=4)
    for cell in notebook.cells:
        cell.metadata = NotebookNode(tags=tags(cell.source))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = NotebookNode(kernelspec=kernel, language_info={"name": "python"})
    return notebook


def tags(code: str) -> list[str]:
    """For MyST-NB: no input where something is asked or moved, a folded one where something is told or checked."""
    statements = ast.parse(code).body
    if all(isinstance(one, ast.Expr | ast.Assign) and called(one) in (PROSE | CONTROLS) for one in shown(statements)):
        return ["remove-input"]
    if all(called(one) == "numbers" or is_check(one) for one in statements):
        return ["hide-input"]
    return []


def shown(statements: list[ast.stmt]) -> list[ast.stmt]:
    """Without the names at the end that only show what was assigned before."""
    return [one for one in statements if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Name))]


def called(statement: ast.stmt) -> str:
    """Which method of the lesson a statement calls, as in ``lesson.text("loops")``; else nothing."""
    value = getattr(statement, "value", None)
    function = getattr(value, "func", None)
    of_lesson = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "lesson"
    return function.attr if isinstance(function, ast.Attribute) and of_lesson else ""


def is_check(statement: ast.stmt) -> bool:
    """Whether it is an assertion, or one of NumPy's, or some of them under a condition."""
    if isinstance(statement, ast.If):
        return all(is_check(one) for one in [*statement.body, *statement.orelse])
    return isinstance(statement, ast.Assert) or ast.unparse(statement).startswith("np.testing.assert_")


def executed(notebook: NotebookNode) -> NotebookNode:
    """The notebook with what its cells give, run in an empty folder and with nobody's settings.

    Raises
    ------
    Failed
        With the cell and the error.
    """
    with TemporaryDirectory() as folder, TemporaryDirectory() as settings:
        environment = {**os.environ, **QUIET, "IPYTHONDIR": settings, "JUPYTER_CONFIG_DIR": settings}
        # By files: what goes through ports must be encrypted.
        kernels = Config(KernelManager={"transport": "ipc", "connection_file": f"{settings}/kernel.json"})
        options = {"timeout": SECONDS, "record_timing": False, "resources": {"metadata": {"path": folder}}}
        try:
            NotebookClient(notebook, config=kernels, **options).execute(env=environment)
        except CellExecutionError as error:
            cell = next(cell for cell in notebook.cells for output in cell.get("outputs", ()) if "ename" in output)
            raise Failed(f"this cell fails:\n\n{cell.source}\n\n{error.ename}: {error.evalue}") from None
        except (CellTimeoutError, DeadKernelError) as error:
            raise Failed(" ".join(str(error).split())) from None
    return notebook


def finished(notebook: NotebookNode, name: str) -> NotebookNode:
    """The executed notebook for a reader: the title first, prose as Markdown, and where it came from."""
    cells = []
    for cell in notebook.cells:
        # On standard error only that kernels are compiled is said.
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        for output in cell.outputs:
            if len(output.get("data", ())) > 1:
                output.data.pop("text/plain", None)  # a picture's would be all its bytes
        statements = ast.parse(cell.source).body
        method = called(statements[0]) if len(statements) == 1 else ""
        if method in PROSE:
            cell = new_markdown_cell(cell.outputs[0].data["text/markdown"], id=cell.id)
        cells.insert(0 if method == "header" else len(cells), cell)
    number = int(name[:2])
    made = f"`tutorials/{name}.py` was run to make this page. `tinycnn tutorials {number}` opens it with its controls."
    notebook.cells = [*cells, new_markdown_cell(made, id="source")]
    nbformat.validate(notebook)
    return notebook


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
