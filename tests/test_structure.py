"""The house as it was designed: which way imports run, how long a file may grow, a docstring on all that is public."""

import ast
import configparser
import io
import tokenize
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {  # import name: folder
    "tinycnn": ROOT / "tinycnn",
    "tinycnn.kernels": ROOT / "kernels",
    "tinycnn.benchmarks": ROOT / "benchmarks",
    "tinycnn.tutorials": ROOT / "tutorials",
}
CORE = (
    "arrays",
    "backend",
    "checks",
    "choices",
    "function",
    "geometry",
    "gpu",
    "optional",
    "random",
    "storage",
    "tensor",
)
CORE += ("texts", "threads", "wording", "data")  # data knows arrays, never Tensor, and so stands below all that trains
CHAIN = ("functional", "nn", "models", "training", "cli")  # each may import those before it, none after
KERNELS_MAY_IMPORT = ("tinycnn.arrays", "tinycnn.geometry", "tinycnn.gpu", "tinycnn.storage", "tinycnn.wording")
KERNELS_MAY_IMPORT += ("tinycnn.kernels",)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _sources() -> dict[str, Path]:
    """Every module by its import name; a numbered notebook has none."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            if (path.parent / "__init__.py").is_file() and path.stem.isidentifier():
                parts = path.relative_to(folder).with_suffix("").parts
                found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


SOURCES = _sources()


class Import(NamedTuple):
    target: str
    at_import_time: bool  # not inside a function


def imports(source: str, module: str, is_package: bool, modules: set[str]) -> list[Import]:
    """All that a module imports of this project, by the names of the modules; imports for type checkers not counted."""
    package = module if is_package else module.rpartition(".")[0]
    found = []

    def visit(node: ast.AST, at_import_time: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in (getattr(node.test, key, None) for key in ("id", "attr")):
            children: list[ast.AST] = list(node.orelse)
        else:
            children = list(ast.iter_child_nodes(node))
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            inside = [f"{base}.{alias.name}" for alias in node.names]
            names = [name if name in modules else base for name in inside]
        found.extend(Import(name, at_import_time) for name in names if name.partition(".")[0] == "tinycnn")
        inner = at_import_time and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in children:
            visit(child, inner)

    visit(ast.parse(source), True)
    return found


IMPORTS = {
    name: imports(path.read_text(encoding="utf-8"), name, path.name == "__init__.py", set(SOURCES))
    for name, path in SOURCES.items()
}


def place(module: str) -> int | None:
    """Where a module stands in the chain of imports, None where it is not a link: 0 is the core."""
    first = module.partition(".")[2].partition(".")[0]
    return 0 if first in CORE else CHAIN.index(first) + 1 if first in CHAIN else None


def upward(module: str, imported: list[Import]) -> list[str]:
    """Those imports that run the wrong way."""
    if module.split(".")[:2] == ["tinycnn", "kernels"]:
        allowed = (*KERNELS_MAY_IMPORT, *(f"{name}." for name in KERNELS_MAY_IMPORT))
        return [name for name, _ in imported if not (name in allowed or name.startswith(allowed[-1]))]
    here = place(module)
    if here is None:
        return []
    there = [(name, place(name)) for name, _ in imported]
    return [name for name, position in there if position is not None and position > here]


def circle(graph: dict[str, list[Import]]) -> list[str]:
    """Modules that import each other in a ring while they are imported, if there are any."""
    try:
        TopologicalSorter({m: [i.target for i in found if i.at_import_time] for m, found in graph.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def code_lines(source: str) -> int:
    """Lines that hold code: no docstring, no comment, not blank."""
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in blank:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def undocumented(source: str) -> Iterator[str]:
    """Public functions, classes and methods without a docstring, and the module itself.

    Not asked of forward, backward and what starts with an underscore, nor of what a nested function or class holds.
    """

    def is_setter(node: ast.AST) -> bool:  # its property has the docstring
        return any(getattr(decorator, "attr", "") == "setter" for decorator in getattr(node, "decorator_list", []))

    def visit(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
        for child in node.body:
            if isinstance(child, DEFINITIONS) and not child.name.startswith("_") and not is_setter(child):
                told = prefix and child.name in ("forward", "backward")
                if not told and not (ast.get_docstring(child) or "").strip():
                    yield f"{prefix}{child.name}"
                if isinstance(child, ast.ClassDef):
                    yield from visit(child, f"{prefix}{child.name}.")

    tree = ast.parse(source)
    if not (ast.get_docstring(tree) or "").strip():
        yield "the module"
    yield from visit(tree, "")


def test_the_walk_finds_the_modules():
    assert {"tinycnn", "tinycnn.tensor", "tinycnn.functional.convolution", "tinycnn.kernels.numpy"} <= set(SOURCES)
    assert Import("tinycnn.functional.checks", True) in IMPORTS["tinycnn.functional.convolution"]
    assert Import("tinycnn.tensor", False) in IMPORTS["tinycnn.function"]
    assert Import("tinycnn.tensor", True) not in IMPORTS["tinycnn.function"], "a TYPE_CHECKING import was counted"


@pytest.mark.parametrize("module", SOURCES)
def test_imports_run_one_way(module):
    assert not upward(module, IMPORTS[module])


def test_no_circles():
    assert not circle(IMPORTS)


@pytest.mark.parametrize("folder", ["tinycnn", "tinycnn.kernels", "tinycnn.benchmarks"])
def test_a_file_that_passes_400_lines_is_two_files(folder):
    files = [path for path in FOLDERS[folder].rglob("*") if path.suffix in (".py", ".cu", ".cuh")]
    assert files
    long = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert not {name: lines for name, lines in long.items() if lines > 400}


def test_the_core_stays_small():
    lines = {
        name: code_lines(SOURCES[name].read_text(encoding="utf-8")) for name in ("tinycnn.tensor", "tinycnn.function")
    }
    assert 100 < sum(lines.values()) < 350, lines


@pytest.mark.parametrize("module", SOURCES)
def test_all_that_is_public_has_a_docstring(module):
    assert not list(undocumented(SOURCES[module].read_text(encoding="utf-8")))


def test_every_package_is_in_setup_cfg():
    # A package that is left out is missing after a regular install alone: no other test would notice.
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = config["options"]["packages"].split()
    assert len(listed) == len(set(listed))
    assert set(listed) == {name for name, path in SOURCES.items() if path.name == "__init__.py"}
    mapped = [line.split("=") for line in config["options"]["package_dir"].strip().splitlines()]
    assert {name.strip(): ROOT / folder.strip() for name, folder in mapped} == FOLDERS


class TestPlantedFaults:
    """What the checks above are there to find."""

    @pytest.mark.parametrize(
        ("module", "line"),
        [
            ("tinycnn.kernels.numpy.pooling", "from tinycnn.tensor import Tensor"),
            ("tinycnn.kernels.numpy.pooling", "from tinycnn import geometry_extras"),
            ("tinycnn.kernels.numpy.pooling", "def f():\n    import tinycnn.nn"),
            ("tinycnn.tensor", "from tinycnn import functional"),
            ("tinycnn.functional.pooling", "from tinycnn.nn import Module"),
            ("tinycnn.functional.pooling", "from ..nn.module import Module"),
            ("tinycnn.nn.module", "if True:\n    from tinycnn.models import lenet5"),
            ("tinycnn.models.vgg", "def f():\n    from tinycnn import training"),
            ("tinycnn.training.trainer", "import tinycnn.cli.main as main"),
        ],
    )
    def test_an_import_that_runs_the_wrong_way(self, module, line):
        names = {"tinycnn", "tinycnn.functional", "tinycnn.models", "tinycnn.nn", "tinycnn.training"}
        assert upward(module, imports(line, module, False, names))

    def test_imports_that_run_the_right_way(self):
        text = "import numpy\nfrom tinycnn.geometry import pads\nfrom . import conv_direct\nfrom tinycnn import kernels"
        found = imports(text, "tinycnn.kernels.numpy.pooling", False, {"tinycnn.kernels", "tinycnn.kernels.numpy"})
        assert len(found) == 3
        assert not upward("tinycnn.kernels.numpy.pooling", found)
        assert not upward("tinycnn.nn.module", [Import("tinycnn.functional", True), Import("tinycnn.tensor", True)])

    def test_a_circle(self):
        graph = {"tinycnn.a": "import tinycnn.b", "tinycnn.b": "from tinycnn import c", "tinycnn.c": "import tinycnn.a"}
        assert set(circle({m: imports(text, m, False, set(graph)) for m, text in graph.items()})) == set(graph)
        graph["tinycnn.c"] = "def later():\n    import tinycnn.a"
        assert not circle({m: imports(text, m, False, set(graph)) for m, text in graph.items()})

    def test_a_docstring_that_is_missing(self):
        source = "def f(): ...\ndef _g(): ...\nclass A:\n    'A.'\n    def forward(self): ...\n    def h(self): ...\n"
        assert list(undocumented(source)) == ["the module", "f", "A.h"]
        assert list(undocumented('""""""\nclass A:\n    def forward(self): ...\n')) == ["the module", "A"]

    def test_lines_of_code(self):
        source = '"""Doc\n\nmore"""\n\n# comment\nx = (1,\n\n     2)  # two\ndef f():\n    """Doc."""\n    return "a"\n'
        assert code_lines(source) == 4
