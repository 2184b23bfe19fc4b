"""trace: run a function, and record each step of the operations that it is made of, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.backend import available_backends, use_backend
from tinycnn.function import Function
from tinycnn.inspect.trace.graph import Opened, made_graph
from tinycnn.inspect.trace.lesson import Call
from tinycnn.inspect.trace.lessons import LESSONS
from tinycnn.inspect.trace.record import TOLERANCE, TooLargeError, Trace, made_record, run_lesson
from tinycnn.inspect.trace.recorder import LIMIT
from tinycnn.inspect.trace.run import Run, in_double, run
from tinycnn.random import default_generator

__all__ = ["TooLargeError", "Trace", "trace"]


def trace(fn: Callable[..., Any], *arrays: Any, backward: bool = True, upstream: Any = None) -> Trace:
    """Run ``fn`` on arrays and record each step of its operations, in plain loops over single entries.

    ``fn`` runs once by each backend of the CPU, from the same random numbers of the engine, whose generator then is as
    it was. Each operation runs once more by its definition in `tinycnn.kernels.loops`, on arrays that record; the
    results must agree. Where several operations are joined, the walk back through their graph is
    recorded too, also through those that have no loops to step through.

    Parameters
    ----------
    fn
        From as many Tensors as there are arrays to one Tensor; of a Module, a copy in float64 runs.
    arrays
        Floating ones become Tensors of float64; others are handed on as they are.
    backward
        Also walk back.
    upstream
        Gradient of the result, of its shape; by default 1 for a single number, else small numbers of either sign.

    Returns
    -------
    Trace
        To be looked at in a notebook, written with ``to_html``, ``to_json``, ``to_svg`` or ``to_png``.

    Raises
    ------
    TooLargeError
        When more steps are taken than a page can show.
    TypeError, ValueError
        When ``fn`` does not return a Tensor or does not do the same each time it runs, when there is no operation in it
        that can be stepped through, or when an upstream gradient has another shape.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> tc.trace(tc.functional.relu, np.array([1.0, -2.0]))
    Trace of relu: 4 steps
    """
    fn = in_double(fn)
    runs = _runs(fn, arrays, backward, upstream)
    first = next(iter(runs.values()))
    operations: list[dict[str, Any]] = []
    lessons: dict[Function, Opened] = {}
    left = LIMIT
    for function, *node in zip(first.calls, *(each.calls.values() for each in runs.values()), strict=True):
        _require_same(type(function).__name__, node)
        make = LESSONS.get(type(function))
        if make is not None:
            operations.append(run_lesson(make(dict(zip(runs, node, strict=True))), left))
            lessons[function] = Opened(len(operations) - 1, operations[-1]["operation"])
            left -= sum(len(phase["steps"]) for phase in operations[-1]["phases"])
    graph = made_graph(first, fn, lessons)
    names = [type(function).__name__ for function in first.calls]
    if not operations and graph is None:
        raise ValueError(f"nothing here can be stepped through: {', '.join(names) or 'no operation was called'}")
    title = ", ".join([operation["operation"] for operation in operations] or names)
    return Trace(made_record(title, operations, graph))


def _runs(fn: Callable[..., Any], arrays: tuple[Any, ...], backward: bool, upstream: Any) -> dict[str, Run]:
    """A run by each backend of the CPU, NumPy's first, each from the same state of the random generator."""
    state = default_generator.seed, default_generator.calls
    runs: dict[str, Run] = {}
    for name in sorted(set(available_backends()) - {"cupy"}, reverse=True):
        try:
            with use_backend(name):
                runs[name] = run(fn, arrays, backward, upstream)
        finally:
            default_generator.seed, default_generator.calls = state
    called = [[type(function).__name__ for function in each.calls] for each in runs.values()]
    if any(each != called[0] for each in called):
        listed = " and then ".join(", ".join(each) or "nothing" for each in called)
        raise ValueError(f"trace: the function called {listed}, and must call the same each time it runs")
    return runs


def _require_same(operation: str, calls: Sequence[Call]) -> None:
    """Refuse a function that drew other numbers in its second run, before a backend is blamed for it."""
    for inputs in zip(*(call.inputs for call in calls), strict=True):
        if not all(_are_alike(each, inputs[0]) for each in inputs):
            raise ValueError(
                f"trace: {operation} got other numbers when the function ran again, and it must do the same each time: "
                "draw random numbers before, and pass them as arguments"
            )


def _are_alike(one: Array, other: Array) -> bool:
    """Whether they are the same but for rounding."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    largest = float(np.max(np.abs(other), initial=1.0, where=np.isfinite(other)))
    return np.allclose(one, other, rtol=0.0, atol=TOLERANCE.get(str(one.dtype), 0.0) * largest, equal_nan=True)
