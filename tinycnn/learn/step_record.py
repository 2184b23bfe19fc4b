"""A learner's steps as an operation of a trace."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn.inspect.trace.lesson import View
from tinycnn.inspect.trace.record import json_number
from tinycnn.learn.case import Case
from tinycnn.learn.dependence import Reads

PHASE = "yours"
SINGLY = 400
"""Entries of a result beyond which its return is one step."""

VIEWS = 6
"""Tensors that are drawn, at most."""


@dataclass(frozen=True)
class Result:
    """The result that is shown.

    Attributes
    ----------
    name
        As the exercise has it.
    value, right
        The learner's, and how it should be; None where there is no value.
    reads, mine
        For each of its places, what it should be made of, and what the learner's is made of; None where that is not
        known.
    """

    name: str
    value: Any
    right: Any
    reads: Reads | None
    mine: Reads | None


def operation(
    title: str, steps: dict[str, Any], case: Case, result: Result, raised: dict[str, Any] | None
) -> dict[str, Any]:
    """The operation, as a record has it.

    Parameters
    ----------
    title
        In the place of an operation's name.
    steps
        From `tinycnn.learn.untrusted_steps.checked_steps`.
    case, result
        What was run, and what came of it.
    raised
        What stopped the function, or None.

    Notes
    -----
    The result is drawn where the learner's function has put it, entry by entry. One that was computed in larger parts
    gets a tensor of its own, which is written at the ``return``: a step for each entry, which reads what the entry is
    made of.
    """
    tensors = {key: dict(tensor) for key, tensor in steps["tensors"].items()}
    names = _names(case, steps)
    shown, places = steps["entries"].get(result.name, (result.name, []))
    is_each_once = len(set(places)) == len(places) == np.size(result.value) and min(places, default=-1) >= 0
    if not is_each_once or _is_written_in_parts(steps["steps"], shown):
        shown, places = result.name, []
    around = stops(steps["steps"], shown)
    if not places and isinstance(result.value, np.ndarray) and raised is None and not steps["is_cut"]:
        shown, added = _returned(result, steps, tensors, names)
        places = list(range(result.value.size))
        around = [*around, *added[0]["loops"]] if added else around
        steps = {**steps, "steps": [*steps["steps"], *added]}
    if shown not in tensors:  # it never came so far
        shown = next((key for key in reversed(tensors) if key not in steps["arguments"]), next(iter(tensors), shown))
    for key, tensor in tensors.items():
        role = "output" if key == shown else "input" if key in steps["arguments"] else "scratch"
        tensor |= {"axes": "", "role": role}
    others = {key: value for key, value in case.arguments.items() if not isinstance(value, np.ndarray)}
    found: dict[str, Any] = {
        "operation": title,
        "parameters": {key: list(value) if isinstance(value, tuple) else value for key, value in others.items()},
        "agrees": [],
        "tensors": tensors,
        "phases": [_phase(steps, tensors, shown, around)],
    }
    if places and np.shape(result.right) == np.shape(result.value):
        found["expected"] = _expected(shown, places, tensors, result, names)
    if raised is not None:
        found["raised"] = {key: raised[key] for key in ("type", "message", "line")}
    return found


def _names(case: Case, steps: dict[str, Any]) -> dict[str, str]:
    """The learner's names of the case's arrays: they come in the same order."""
    arrays = {key: value for key, value in case.arguments.items() if isinstance(value, np.ndarray)}
    return {
        key: mine
        for (key, value), mine in zip(arrays.items(), steps["arguments"], strict=False)
        if steps["tensors"][mine]["shape"] == list(value.shape)
    }


def _is_written_in_parts(steps: Sequence[dict[str, Any]], shown: str) -> bool:
    """Whether a step writes several entries of a tensor at once."""
    return any(len({access[1] for access in step["writes"] if access[0] == shown}) > 1 for step in steps)


def _returned(
    result: Result, steps: dict[str, Any], tensors: dict[str, Any], names: dict[str, str]
) -> tuple[str, list[dict[str, Any]]]:
    """Add a tensor for the result; its name, and the steps that return it."""
    name = result.name
    while name in tensors:
        name += "_returned"
    values = [json_number(value) for value in result.value.ravel().tolist()]
    tensors[name] = {"shape": list(result.value.shape), "values": values}
    line = _return_line(steps)
    if result.mine is None or len(values) > SINGLY:
        writes = [[name, place, value] for place, value in enumerate(values)]
        return name, [{"line": line, "loops": {}, "reads": [], "writes": writes, "products": []}]
    added = []
    for place, value in enumerate(values):
        at = np.unravel_index(place, result.value.shape) if result.value.shape else ()
        reads = [
            [names[key], each, tensors[names[key]]["values"][each]]
            for key, by_place in result.mine.items()
            if key in names
            for each in by_place[place]
        ]
        loops = {f"{name}[{axis}]": int(i) for axis, i in enumerate(at)}
        added.append({"line": line, "loops": loops, "reads": reads, "writes": [[name, place, value]], "products": []})
    return name, added


def _return_line(steps: dict[str, Any]) -> int:
    """Where the function returns, or begins."""
    first, last = steps["first_line"], steps["first_line"] + steps["length"] - 1
    try:
        tree = ast.parse("\n".join(steps["lines"]))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the worker's word for the learner's file
        return int(first)
    found = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Return)]
    return max((line for line in found if first <= line <= last), default=int(first))


def _phase(steps: dict[str, Any], tensors: dict[str, Any], shown: str, around: list[str]) -> dict[str, Any]:
    lines = [step["line"] for step in steps["steps"]]
    first = min([steps["first_line"], *lines])
    last = max([steps["first_line"] + steps["length"] - 1, *lines])
    touched = {access[0] for step in steps["steps"] for access in (*step["reads"], *step["writes"])}
    order = [*steps["arguments"], shown, *(key for key in tensors if key in touched)]
    views = [key for key in dict.fromkeys(order) if key in tensors]
    return {
        "name": PHASE,
        "function": PHASE,
        "source": steps["lines"][first - 1 : last],
        "first_line": first,
        "expressions": steps["expressions"],
        "result": shown,
        "stops": around,
        "views": [View(key).as_dict() for key in views[:VIEWS]],
        "steps": steps["steps"],
    }


def stops(steps: Sequence[dict[str, Any]], result: str) -> list[str]:
    """The loop variables of which each setting writes one place of the result, the fewest; all where there are none.

    Examples
    --------
    >>> write = lambda p, r: {"loops": {"p": p, "r": r}, "writes": [["y", p, 1.0]]}
    >>> stops([write(0, 0), write(0, 1), write(1, 0)], "y")
    ['p']
    """
    writing = [step for step in steps if any(access[0] == result for access in step["writes"])]
    inside = [step for step in writing if step["loops"]] or [step for step in steps if step["loops"]]
    if not inside:
        return []
    names: list[str] = max((list(step["loops"]) for step in inside), key=len)
    for count in range(1, len(names) + 1):
        places: dict[tuple[Any, ...], set[int]] = {}
        for step in inside:
            key = tuple(step["loops"].get(name) for name in names[:count])
            places.setdefault(key, set()).update(access[1] for access in step["writes"] if access[0] == result)
        if all(len(written) <= 1 for written in places.values()):
            return names[:count]
    return names


def _expected(
    shown: str,
    places: Sequence[int],
    tensors: dict[str, Any],
    result: Result,
    names: dict[str, str],
) -> dict[str, Any]:
    """What should be, by place of the tensor that holds the result; null for places that are not returned."""
    size = len(tensors[shown]["values"])
    values: list[Any] = [None] * size
    for place, value in zip(places, np.ravel(result.right).tolist(), strict=True):
        values[place] = json_number(value)
    found: dict[str, Any] = {"result": shown, "values": values, "reads": {}}
    for key, each in (("reads", result.reads), ("yours", result.mine)):
        if result.reads is not None and each is not None:
            found[key] = {names[name]: _by_place(each[name], places, size) for name in each if name in names}
    return found


def _by_place(each: Sequence[Sequence[int]], places: Sequence[int], size: int) -> list[Any]:
    found: list[Any] = [None] * size
    for place, entries in zip(places, each, strict=True):
        found[place] = list(entries)
    return found
