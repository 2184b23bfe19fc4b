"""trace: run a function, and record each step of the operations that it is made of, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from tinycnn.backend import available_backends, use_backend
from tinycnn.function import Function
from tinycnn.inspect.trace.graph import Opened, made_graph
from tinycnn.inspect.trace.lessons import LESSONS
from tinycnn.inspect.trace.record import TooLargeError, Trace, made_record, run_lesson
from tinycnn.inspect.trace.recorder import LIMIT
from tinycnn.inspect.trace.run import run
from tinycnn.nn import Module
from tinycnn.random import default_generator

__all__ = ["TooLargeError", "Trace", "trace"]


def trace(fn: Callable[..., Any], *arrays: Any, backward: bool = True, upstream: Any = None) -> Trace:
    """Run ``fn`` on arrays and record each step of its operations, in plain loops over single entries.

    Each operation runs once by each backend of the CPU, and once by its definition in `tinycnn.kernels.loops` on arrays
    that record; the results must agree. Where several operations are joined, the walk back through their graph is
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
        When ``fn`` does not return a Tensor, or an upstream gradient has another shape.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> tc.trace(tc.functional.relu, np.array([1.0, -2.0]))
    Trace of relu: 4 steps
    """
    if isinstance(fn, Module):
        fn = deepcopy(fn).astype(np.float64)
    state = default_generator.seed, default_generator.calls
    runs = {}
    for name in sorted(set(available_backends()) - {"cupy"}, reverse=True):  # numpy first
        default_generator.seed, default_generator.calls = state
        with use_backend(name):
            runs[name] = run(fn, arrays, backward, upstream)
    first = next(iter(runs.values()))
    operations: list[dict[str, Any]] = []
    lessons: dict[Function, Opened] = {}
    left = LIMIT
    for function, *node in zip(first.calls, *(each.calls.values() for each in runs.values()), strict=True):
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
