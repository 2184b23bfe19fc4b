"""The record of a trace without the numbers that follow from others, as a page carries it.

Most of a record are values that were read, and what they came to: a value that was read is the one that was last
written there, a product is that of the entries that were read, and what is written is often their sum. What can be
worked out like this, to the last bit, is left out. Steps that follow one another and do the same elsewhere are told
as one, with the differences of their loop variables and places from step to step, which repeat and so compress well.
web/restore.js, the twin of this file, puts everything back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from tinycnn.inspect.trace.recorder import PADDING

Values = dict[str, dict[int, Any]]
"""What stands in each tensor, by place, as far as the steps so far have told."""


def shortened(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with steps that lack what `web/restore.js` works out; the record itself stays as it is.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> made = tc.trace(tc.functional.relu, np.array([1.5, 2.0]), backward=False)
    >>> [step["reads"] for step in shortened(made.record)["operations"][0]["phases"][0]["steps"]]
    [[['x', [0, 1]]]]
    """
    return {**record, "operations": [_operation(operation) for operation in record["operations"]]}


def _operation(operation: Mapping[str, Any]) -> dict[str, Any]:
    tensors, phases = dict(operation["tensors"]), operation["phases"]
    for name, tensor in operation["tensors"].items():
        phase = next((phase for phase in phases if name in _touched(phase)), None)
        if phase is None or name not in _written(phase):
            continue
        if _last_written(phase, name, len(tensor["values"])) == tensor["values"]:
            tensors[name] = {key: value for key, value in tensor.items() if key != "values"}
    return {**operation, "tensors": tensors, "phases": [_phase(phase, operation["tensors"]) for phase in phases]}


def _written(phase: Mapping[str, Any]) -> set[str]:
    return {access[0] for step in phase["steps"] for access in step["writes"]}


def _touched(phase: Mapping[str, Any]) -> set[str]:
    return _written(phase) | {access[0] for step in phase["steps"] for access in step["reads"]}


def _last_written(phase: Mapping[str, Any], name: str, size: int) -> list[Any]:
    """What stands in a tensor that the pass fills, zeros where it writes nothing."""
    values: list[Any] = [0] * size
    for step in phase["steps"]:
        for tensor, place, value in step["writes"]:
            if tensor == name:
                values[place] = value
    return values


def _phase(phase: Mapping[str, Any], tensors: Mapping[str, Any]) -> dict[str, Any]:
    written = _written(phase)
    values: Values = {}
    for name, tensor in tensors.items():
        if name not in written:
            values[name] = dict(enumerate(tensor["values"]))
    steps = [_step(step, values) for step in phase["steps"]]
    return {**phase, "steps": [told for kind, group in groupby(steps, _kind) for told in _run(kind, list(group))]}


def _kind(step: Mapping[str, Any]) -> Any:
    """What a step has in common with those that do the same elsewhere; None where it tells a number of its own."""
    if step.get("products") or any(len(access) > 2 for access in (*step["reads"], *step["writes"])):
        return None
    tensors = (tuple(access[0] for access in step[kind]) for kind in ("reads", "writes"))
    return step["line"], tuple(step["loops"]), *tensors, "products" in step


def _run(kind: Any, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if kind is None or len(steps) == 1:
        return steps
    first = steps[0]
    run = {
        **first,
        "count": len(steps),
        "loops": {name: _differences(step["loops"][name] for step in steps) for name in first["loops"]},
    }
    for way in ("reads", "writes"):
        run[way] = [
            [tensor, _differences(step[way][i][1] for step in steps)] for i, (tensor, _) in enumerate(first[way])
        ]
    return [run]


def _differences(numbers: Iterable[int]) -> list[int]:
    """The first, and how far each is from the one before."""
    listed = list(numbers)
    return [number - before for number, before in zip(listed, [0, *listed], strict=False)]


def _step(step: Mapping[str, Any], values: Values) -> dict[str, Any]:
    reads = []
    for tensor, place, value in step["reads"]:
        known = 0 if place == PADDING else values.setdefault(tensor, {}).get(place, 0)
        reads.append([tensor, place] if _same(known, value) else [tensor, place, value])
        if place != PADDING:
            values[tensor][place] = value
    read = [access[2] for access in step["reads"]]
    short = {**step, "reads": reads, "writes": []}
    product = _times(read[-2], read[-1]) if len(read) > 1 else None
    if len(step["products"]) == 1 and _same(product, step["products"][0]):
        del short["products"]
    usual = _result(read, step["products"])
    for tensor, place, value in step["writes"]:
        short["writes"].append([tensor, place] if _same(usual, value) else [tensor, place, value])
        values.setdefault(tensor, {})[place] = value
    return short


def _result(read: Sequence[Any], products: Sequence[Any]) -> Any:
    """What a step most often writes: a sum and a product more, a product, a sum of two, or what it read."""
    if len(products) == 1:
        return products[0] if len(read) == 2 else _plus(read[0], products[0]) if len(read) == 3 else None
    if products or not read:
        return None
    return read[0] if len(read) == 1 else _plus(*read) if len(read) == 2 else None


def _same(guess: Any, value: Any) -> bool:
    """Whether both are numbers, and the same; what is not finite is a word, and told."""
    return not isinstance(guess, (str, type(None))) and not isinstance(value, str) and guess == value


def _times(a: Any, b: Any) -> Any:
    return None if isinstance(a, str) or isinstance(b, str) else float(a) * float(b)


def _plus(a: Any, b: Any) -> Any:
    return None if isinstance(a, str) or isinstance(b, str) else float(a) + float(b)
