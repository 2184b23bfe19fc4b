"""What the text of a function tells: which loops are around a line, what a statement assigns to, the formula of a line.

Like the other files of the recorder, this needs the standard library and NumPy alone: they also run beside a
learner's code, where nothing else of the library is loaded.
"""

from __future__ import annotations

import ast
import linecache
import types
from collections.abc import Sequence
from typing import TypeGuard

import numpy as np

LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
"""Of operators that may stand before ``=``."""


class Source:
    """The file of a function; empty where there is none, as for code from a string.

    Parameters
    ----------
    code
        Of the function.

    Attributes
    ----------
    file
        As frames name it.
    lines
        Of the whole file.
    function, first_line
        Lines of the function, and where they begin.
    expressions
        For a line that computes one entry: its formula, with a number in braces for each entry that it reads, in order.
    """

    def __init__(self, code: types.CodeType | None):
        self.file = code.co_filename if code is not None else ""
        self.lines: list[str] = []
        self.function: list[str] = []
        self.first_line = 1
        self.expressions: dict[int, str] = {}
        self._loops: dict[int, list[str]] = {}
        self._statements: dict[int, list[ast.stmt]] = {}
        if code is not None:
            self._read(code)

    def statement(self, line: int) -> int:
        """The line at which a statement begins that goes over several."""
        found = self._statements.get(line)
        return found[0].lineno if found else line

    def loops(self, frame: types.FrameType) -> dict[str, int]:
        """The variables of all loops around the line that runs, outermost first."""
        found = {}
        for name in self._loops.get(frame.f_lineno, ()):
            value = frame.f_locals.get(name)
            if isinstance(value, (int, np.integer)):
                found[name] = int(value)
            elif isinstance(value, tuple) and all(isinstance(part, (int, np.integer)) for part in value):
                found.update({f"{name}[{i}]": int(part) for i, part in enumerate(value)})
        return found

    def assigned_name(self, frame: types.FrameType, makers: frozenset[str]) -> str | None:
        """The name to which the call that runs is assigned, where nothing but a change of shape comes in between."""
        column = list(frame.f_code.co_positions())[frame.f_lasti // 2][2] or 0
        on_line = self._statements.get(frame.f_lineno, [])
        begun = [node for node in on_line if node.lineno < frame.f_lineno or node.col_offset <= column]
        statement = begun[-1] if begun else None
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign):
            target = statement.target
        else:
            return None
        value = statement.value
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            pairs = list(zip(target.elts, value.elts, strict=True))
            target, value = max(
                (pair for pair in pairs if pair[1].col_offset <= column),
                key=lambda pair: pair[1].col_offset,
                default=pairs[0],
            )
        return target.id if isinstance(target, ast.Name) and _is_made(value, makers) else None

    def _read(self, code: types.CodeType) -> None:
        linecache.checkcache(self.file)
        self.lines = [line.rstrip("\n") for line in linecache.getlines(self.file)]
        try:
            tree = ast.parse("\n".join(self.lines))
        except SyntaxError:  # another text than the one that was compiled
            self.lines = []
            return
        for node in ast.walk(tree):  # outer loops come before inner ones
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1) if isinstance(node, LOOPS) else ():
                self._loops.setdefault(line, []).extend(_counters(node))
            if isinstance(node, ast.stmt) and not hasattr(node, "body"):
                for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                    self._statements.setdefault(line, []).append(node)
                if formula := _formula(node):
                    self.expressions[node.lineno] = formula
        for node in ast.walk(tree):
            if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
                continue
            decorators: Sequence[ast.expr] = getattr(node, "decorator_list", ())
            start = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            if start == code.co_firstlineno:
                self.first_line = start
                self.function = self.lines[start - 1 : node.end_lineno]
                return


def _is_made(value: ast.expr | None, makers: frozenset[str]) -> bool:
    """Whether an expression is a call of one of the makers, perhaps with methods such as reshape called on it."""
    while isinstance(value, ast.Call):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        if name in makers:
            return True
        value = value.func.value if isinstance(value.func, ast.Attribute) and name in ("reshape", "transpose") else None
    return False


def _counters(loop: ast.AST) -> list[str]:
    """Names that a loop counts with."""
    if isinstance(loop, ast.While):
        changed = {name.id for part in loop.body for name in ast.walk(part) if _is_stored(name)}
        return [name.id for name in ast.walk(loop.test) if isinstance(name, ast.Name) and name.id in changed]
    targets = [loop.target] if isinstance(loop, ast.For) else [g.target for g in getattr(loop, "generators", ())]
    return [name.id for target in targets for name in ast.walk(target) if _is_stored(name)]


def _is_stored(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _formula(node: ast.stmt) -> str:
    """The right side of an assignment to one entry, with a number in braces for each entry that it reads, in order."""
    if not isinstance(node, (ast.Assign, ast.AugAssign)):
        return ""
    target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
    if not isinstance(target, ast.Subscript):
        return ""
    count = 0

    class Slots(ast.NodeTransformer):
        def visit_Subscript(self, subscript: ast.Subscript) -> ast.expr:
            nonlocal count
            count += 1
            return ast.Name(f"_slot_{count - 1}_", ast.Load())

        def visit_Attribute(self, attribute: ast.Attribute) -> ast.expr:
            attribute.value = self.visit(attribute.value)
            is_entry = isinstance(attribute.value, ast.Name) and attribute.value.id.startswith("_slot_")
            return attribute.value if is_entry and attribute.attr == "T" else attribute

    count = int(isinstance(node, ast.AugAssign))
    text = ast.unparse(Slots().visit(ast.parse(ast.unparse(node.value), mode="eval")))
    if isinstance(node, ast.AugAssign):
        sign = SIGNS.get(type(node.op))
        text = f"_slot_0_ {sign} {text}" if sign else ""
    for number in range(count):
        text = text.replace(f"_slot_{number}_", f"{{{number}}}")
    return text
