"""A function run once, forward and back, under watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinycnn.arrays import Array, to_numpy
from tinycnn.function import Function
from tinycnn.hooks import Call as Watched
from tinycnn.hooks import watch
from tinycnn.inspect.trace.lesson import Call
from tinycnn.nn import Module
from tinycnn.tensor import Tensor


@dataclass(frozen=True)
class Run:
    """What was seen.

    Attributes
    ----------
    calls
        All calls of Functions, in the order of the forward pass, by the node that the graph knows. Backward has freed
        that node; the Function in the call is a copy from before.
    given
        The arguments as the function saw them.
    output
        What it returned.
    upstream
        Gradient of the output that backward began with; None where there was no backward pass.
    order
        The nodes in the order in which backward ran them.
    gradients
        What backward added to each leaf.
    """

    calls: Mapping[Function, Call]
    given: tuple[Any, ...]
    output: Tensor
    upstream: Array | None
    order: tuple[Function, ...]
    gradients: Mapping[Tensor, Array]


def run(fn: Callable[..., Any], arrays: tuple[Any, ...], backward: bool = True, upstream: Any = None) -> Run:
    """Run ``fn`` on arrays and, where asked for, walk back; afterwards, each tensor has the ``.grad`` that it had.

    Raises
    ------
    TypeError
        When ``fn`` does not return a Tensor.
    ValueError
        When ``fn`` itself walks back, or the upstream gradient has another shape than the result.
    """
    calls: dict[Function, Call] = {}
    order: list[Function] = []

    def keep(seen: Watched) -> None:
        if seen.phase == "forward":
            calls[seen.function] = forward_call(seen)
        else:
            order.append(seen.function)
            calls[seen.function] = replace(calls[seen.function], grad=seen.inputs[0], gradients=seen.outputs)

    given = tuple(_argument(array, backward) for array in arrays)
    with watch(keep):
        output = fn(*given)
        if not isinstance(output, Tensor):
            raise TypeError(f"trace: the function returned {type(output).__name__}, not a Tensor")
        if order:
            raise ValueError("trace: the function calls backward itself: leave it out, and return what it began at")
        for function, call in calls.items():  # backward frees them
            calls[function] = replace(call, function=copy(function))
        if not (backward and output.requires_grad):
            return Run(calls, given, output, None, (), {})
        begin = _upstream(output.shape) if upstream is None else np.asarray(upstream, np.float64)
        gradients = _gradients_alone(calls, lambda: output.backward(begin))
    return Run(calls, given, output, begin.astype(output.dtype, copy=False), tuple(order), gradients)


def in_double(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Of a Module a copy in float64, which may be run without changing it; other functions as they are."""
    if not isinstance(fn, Module):
        return fn
    copied: Module = deepcopy(fn).astype(np.float64)
    return copied


def _gradients_alone(calls: Mapping[Function, Call], walk_back: Callable[[], None]) -> dict[Tensor, Array]:
    """What a walk back adds to each leaf, which keeps the gradient that it had."""
    inputs = {tensor for call in calls.values() for tensor in call.function.inputs}
    before = {tensor: tensor.grad for tensor in inputs if tensor.creator is None and tensor.requires_grad}
    try:
        for tensor in before:
            tensor.grad = None
        walk_back()
        return {tensor: tensor.grad for tensor in before if tensor.grad is not None}
    finally:
        for tensor, grad in before.items():
            tensor.grad = grad


def forward_call(seen: Watched) -> Call:
    """What a watcher saw of a forward pass."""
    (output,) = seen.outputs
    assert output is not None
    return Call(seen.function, tuple(array for array in seen.inputs if array is not None), output)


def _argument(array: Any, requires_grad: bool) -> Any:
    array = np.asarray(to_numpy(array.data) if isinstance(array, Tensor) else array)
    return Tensor(array.astype(np.float64), requires_grad=requires_grad) if array.dtype.kind == "f" else array


def _upstream(shape: tuple[int, ...]) -> Array:
    """Numbers that are easy to read and differ from their neighbours: never all ones, which would hide mistakes."""
    size = int(np.prod(shape))
    if size == 1:
        return np.ones(shape)
    return (((np.arange(size) * 5) % 7 - 3.0) / 2).reshape(shape)
