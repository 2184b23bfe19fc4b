"""The directive kernel-table: what the kernels of a module compute, and which backends have their own."""

from importlib import import_module
from inspect import getdoc, getmembers, isfunction, signature
from types import ModuleType
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_id

COMPILED = {"Numba": "tinycnn.kernels.numba", "CUDA": "tinycnn.kernels.cuda.launchers"}


def functions(module: ModuleType) -> dict[str, object]:
    """The functions that a module tells of: those it exports, else those it defines and that are public."""
    exported = getattr(module, "__all__", None)
    return {
        name: function
        for name, function in getmembers(module, isfunction)
        if (name in exported if exported else function.__module__ == module.__name__ and not name.startswith("_"))
    }


def owners(module: str, function: str) -> list[str]:
    """The compiled backends that have this NumPy kernel too: of the package, or of a module of convolutions."""
    algorithm = module.removeprefix("tinycnn.kernels.numpy").lstrip(".")
    found = []
    for backend, package in COMPILED.items():
        place = import_module(package)
        if hasattr(getattr(place, algorithm, None) if algorithm else place, function):
            found.append(backend)
    return found


class KernelTable(SphinxDirective):
    """A row for each function of a module: its call, the first line of its docstring, and who else has it."""

    required_arguments = 1
    option_spec: ClassVar = {"backends": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Make the table; each row is a target of references."""
        module = self.arguments[0]
        compares = "backends" in self.options
        header = ["kernel", "what it computes", *(["also compiled for"] if compares else [])]
        table, group, body = nodes.table(classes=["kernels"]), nodes.tgroup(cols=len(header)), nodes.tbody()
        group += [nodes.colspec(colwidth=1) for _ in header]
        group += nodes.thead("", row([nodes.Text(title) for title in header]))
        for name, function in functions(import_module(module)).items():
            told = (getdoc(function) or "").partition("\n")[0]
            cells = [nodes.literal("", f"{name}{call(function)}"), nodes.Text(told)]
            if compares:
                cells.append(nodes.Text(", ".join(owners(module, name)) or "–"))
            line = row(cells)
            target = f"{module}.{name}"
            identifier = make_id(self.env, self.state.document, "", target)
            line["ids"].append(identifier)
            domain = self.env.get_domain("py")
            assert isinstance(domain, PythonDomain)
            domain.note_object(target, "function", identifier, location=line)
            body += line
        group += body
        table += group
        return [table]


def call(function: object) -> str:
    """The names of the parameters, in brackets."""
    return f"({', '.join(signature(function).parameters)})"  # type: ignore[arg-type]


def row(cells: list[nodes.Node]) -> nodes.row:
    """A row of a table."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known."""
    app.add_directive("kernel-table", KernelTable)
    return {"parallel_read_safe": True}
