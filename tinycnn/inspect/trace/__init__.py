"""trace: run a function, and record each step of the operations that it is made of, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.backend import available_backends, use_backend
from tinycnn.function import Function
from tinycnn.hooks import Call as Watched
from tinycnn.hooks import watch
from tinycnn.inspect.trace.lesson import Call
from tinycnn.inspect.trace.lessons import LESSONS
from tinycnn.inspect.trace.record import TooLargeError, Trace, made_record, run_lesson
from tinycnn.inspect.trace.recorder import LIMIT
from tinycnn.random import default_generator
from tinycnn.tensor import Tensor

__all__ = ["TooLargeError", "Trace", "trace"]


def trace(fn: Callable[..., Any], *arrays: Any, backward: bool = True, upstream: Any = None) -> Trace:
    """Run ``fn`` on arrays and record each step of its operations, in plain loops over single entries.

    Each operation runs once by each backend of the CPU, and once by its definition in `tinycnn.kernels.loops` on arrays
    that record; the results must agree.

    Parameters
    ----------
    fn
        From as many Tensors as there are arrays to one Tensor.
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
    Trace of relu: 2 steps
    """
    state = default_generator.seed, default_generator.calls
    runs = {}
    for name in sorted(set(available_backends()) - {"cupy"}, reverse=True):  # numpy first
        default_generator.seed, default_generator.calls = state
        with use_backend(name):
            runs[name] = _run(fn, arrays, backward, upstream)
    nodes = list(zip(*runs.values(), strict=True))
    operations, left = [], LIMIT
    for node in nodes:
        make = LESSONS.get(type(node[0].function))
        if make is not None:
            operations.append(run_lesson(make(dict(zip(runs, node, strict=True))), left))
            left -= sum(len(phase["steps"]) for phase in operations[-1]["phases"])
    if not operations:
        names = ", ".join(type(node[0].function).__name__ for node in nodes)
        raise ValueError(f"nothing here can be stepped through: {names or 'no operation was called'}")
    return Trace(made_record(", ".join(operation["operation"] for operation in operations), operations))


def _run(fn: Callable[..., Any], arrays: tuple[Any, ...], backward: bool, upstream: Any) -> list[Call]:
    """All calls of Functions, in the order of the forward pass."""
    calls: dict[Function, Call] = {}

    def keep(seen: Watched) -> None:
        if seen.phase == "forward":
            calls[seen.function] = Call(seen.function, tuple(a for a in seen.inputs if a is not None), _one(seen))
        else:
            grad = seen.inputs[0]
            calls[seen.function] = replace(calls[seen.function], grad=grad, gradients=seen.outputs)

    given = [_argument(array, backward) for array in arrays]
    with watch(keep):
        output = fn(*given)
        if not isinstance(output, Tensor):
            raise TypeError(f"trace: the function returned {type(output).__name__}, not a Tensor")
        for function, call in calls.items():  # backward frees them
            calls[function] = replace(call, function=copy(function))
        if backward and output.requires_grad:
            output.backward(_upstream(output.shape) if upstream is None else np.asarray(upstream, np.float64))
    return list(calls.values())


def _one(seen: Watched) -> Array:
    (output,) = seen.outputs
    assert output is not None
    return output


def _argument(array: Any, requires_grad: bool) -> Any:
    array = np.asarray(array.data if isinstance(array, Tensor) else array)
    return Tensor(array.astype(np.float64), requires_grad=requires_grad) if array.dtype.kind == "f" else array


def _upstream(shape: tuple[int, ...]) -> Array:
    """Numbers that are easy to read and differ from their neighbours: never all ones, which would hide mistakes."""
    size = int(np.prod(shape))
    if size == 1:
        return np.ones(shape)
    return (((np.arange(size) * 5) % 7 - 3.0) / 2).reshape(shape)
