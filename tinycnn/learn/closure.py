"""The part of a module's source that one function needs: itself, and the imports and definitions that it names."""

from __future__ import annotations

import ast
import threading

PARSER = threading.Lock()
"""Python 3.11 counts its parser's depth for all threads together: two that take turns within it end in SystemError."""


def closure(source: str, name: str) -> str:
    r"""Cut a function out, with all that it uses.

    Parameters
    ----------
    source
        Of a module.
    name
        Of a function in it.

    Examples
    --------
    >>> print(closure("import re\nA = 1\ndef f():\n    return re, A\ndef expected():\n    return 41", "f"))
    import re
    A = 1
    def f():
        return (re, A)
    """
    with PARSER:
        body = ast.parse(source).body
    defined = {defined: node for node in body for defined in _names(node)}
    wanted, pending = set(), [name]
    while pending:
        node = defined.get(pending.pop())
        if node is not None and node not in wanted:
            wanted.add(node)
            pending += [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    return "\n".join(ast.unparse(node) for node in body if node in wanted)


def _names(node: ast.stmt) -> list[str]:
    """What a statement at the top of a module defines."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
