"""References from docstrings: short names find their entry, names of the inner workings become plain code.

A docstring says `DataLoader` where Python would find it, and `tinycnn.functional.fused` where a reader of the source
would look. The first gets a link, where entries of the reference that end so mean one object; the second is set as
code, provided that there is such a thing. What exists nowhere stays a warning.
"""

import re
import sys
from inspect import getdoc
from pkgutil import resolve_name
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

BARS = re.compile(r"(``.*?``)|\|")
STAR = re.compile(r"(?<![`*\w])\*(?=\w)")


def found(path: str) -> Any:
    """The object of this dotted name, None where there is none."""
    try:
        return resolve_name(path)
    except (ImportError, AttributeError, ValueError):
        return None


def is_of_the_source(name: str) -> bool:
    """Whether any module of tinycnn that was imported knows this name, or it is a full one."""
    if name.startswith(("tinycnn.", "numpy.")):
        return found(name) is not None
    modules = [module for module in list(sys.modules) if module.partition(".")[0] == "tinycnn"]
    return any(found(f"{module}:{name}") is not None for module in modules)


def is_told_of(attribute: str) -> bool:
    """Whether the docstring of a class has a line for this attribute, which only its instances have."""
    owner, _, name = attribute.rpartition(".")
    thing = found(owner)
    return isinstance(thing, type) and re.search(rf"^{name}\b", getdoc(thing) or "", re.MULTILINE) is not None


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Node) -> nodes.Node | None:
    """Say what a reference leads to that Sphinx has not found."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    domain = env.get_domain("py")
    assert isinstance(domain, PythonDomain)
    entries = sorted((name for name in domain.objects if f".{name}".endswith(f".{target}")), key=len)
    if not entries and is_told_of(target):
        entries = [name for name in domain.objects if name == target.rpartition(".")[0]]
    if entries and all(found(name) is found(entries[0]) for name in entries):
        entry = domain.objects[entries[0]]
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, text, entries[0])
    return text if is_of_the_source(target) else None


def escape(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Keep signs of formulae from being taken for markup: |x|, a magnitude, and *size in a first line, a shape."""
    lines[:] = [
        line if line.lstrip().startswith((">>>", "...")) else BARS.sub(lambda found: found[1] or r"\|", line)
        for line in lines
    ]
    lines[:1] = [STAR.sub(r"\*", line) for line in lines[:1]]


def setup(app: Sphinx) -> dict[str, bool]:
    """Take part in the build."""
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-docstring", escape, priority=100)
    return {"parallel_read_safe": True}
