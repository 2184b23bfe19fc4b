"""What a notebook's code says of itself: its cells, and which words it uses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tinycnn.tutorials.lesson import WORDS

FOLDER = WORDS.parent
ANNOUNCED = "tinycnn: compiling kernels for this processor, once; later runs start at once\n"
"""On standard error, where nothing was compiled before."""
TABLES = {  # in which table of the words a method of the lesson looks
    "text": ("text",),
    "word": ("words",),
    "question": ("questions",),
    "answer": ("questions",),
    "numbers": ("numbers",),
    **dict.fromkeys(("slider", "choice", "switch", "button"), ("controls",)),
}


class Call(NamedTuple):
    """Of a method of the lesson, such as ``lesson.text("loops")``."""

    method: str
    node: ast.Call


def path(name: str) -> Path:
    return FOLDER / f"{name}.py"


def tree(name: str) -> ast.Module:
    return ast.parse(path(name).read_text(encoding="utf-8"))


def cells(module: ast.Module) -> list[ast.FunctionDef]:
    """In the order of the page."""
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    return [node for node in functions if any(map(is_of_cell, node.decorator_list))]


def is_of_cell(decorator: ast.expr) -> bool:
    """Whether this is ``app.cell``, with or without options."""
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator) == "app.cell"


def is_check(node: ast.AST) -> bool:
    """Whether this is an assertion, or one of NumPy's."""
    return isinstance(node, ast.Assert) or (
        isinstance(node, ast.Call) and ast.unparse(node.func).startswith("np.testing.assert_")
    )


def title(module: ast.Module) -> str:
    """Of the app."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "marimo.App":
            return next(ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg == "app_title")
    return ""


def calls(module: ast.AST) -> Iterator[Call]:
    """Of methods of the lesson."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_lesson(node.func.value):
            yield Call(node.func.attr, node)


def is_lesson(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "lesson"


def used(module: ast.Module) -> set[str]:
    """Words that are surely used, such as ``text.loops``: those whose key is written where it is used."""
    found = set()
    for method, node in calls(module):
        for table in TABLES.get(method, ()):
            keys = [keyword.arg for keyword in node.keywords] if method == "numbers" else []
            if node.args and isinstance(node.args[0], ast.Constant) and method != "numbers":
                keys.append(node.args[0].value)
            found.update(f"{table}.{key}" for key in keys if key)
    return found


def is_mentioned(key: str, module: ast.Module) -> bool:
    """Whether a key stands somewhere in the code, as a word of its own, or could be put together there."""
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value == key:
            return True
        if isinstance(node, ast.keyword) and node.arg == key:
            return True
        if isinstance(node, ast.JoinedStr) and re.fullmatch(pattern(node), key):
            return True
    return False


def pattern(node: ast.JoinedStr) -> str:
    """Of what a formatted string may become."""
    return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in node.values)
