"""Activations, entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinycnn.arrays import Array
from tinycnn.functional.activation import LeakyReLU
from tinycnn.inspect.trace.lesson import Calls, Lesson, Phase, View
from tinycnn.inspect.trace.lessons.calls import first, gradients, outputs
from tinycnn.inspect.trace.lessons.convolution_call import ROLES, asked_for
from tinycnn.kernels.loops import activation as loops


def relu(calls: Calls) -> Lesson:
    """Forward, and where asked for backward."""
    return _by_entries("relu", calls, loops.relu_forward, loops.relu_backward, {})


def leaky_relu(calls: Calls) -> Lesson:
    """Forward, and where asked for backward."""
    function = first(calls).function
    assert isinstance(function, LeakyReLU)
    parameters = {"negative_slope": function.negative_slope}
    return _by_entries("leaky_relu", calls, loops.leaky_relu_forward, loops.leaky_relu_backward, parameters)


def tanh(calls: Calls) -> Lesson:
    """Forward, and where asked for backward, from the output."""
    return _by_entries("tanh", calls, loops.tanh_forward, loops.tanh_backward, {}, kept="y")


def sigmoid(calls: Calls) -> Lesson:
    """Forward, and where asked for backward, from the output."""
    return _by_entries("sigmoid", calls, loops.sigmoid_forward, loops.sigmoid_backward, {}, kept="y")


def entries(x: Array) -> tuple[str, ...]:
    """Loop variables of which each setting is one entry, as ``for i in np.ndindex(x.shape)`` has them."""
    return tuple(f"i[{axis}]" for axis in range(x.ndim))


def _by_entries(
    name: str,
    calls: Calls,
    forward: Callable[..., Array],
    backward: Callable[..., Array],
    parameters: Mapping[str, Any],
    kept: str = "x",
) -> Lesson:
    """The lesson of a function of single entries, whose backward pass takes what was kept of the forward pass."""
    call = first(calls)
    (x,) = call.inputs
    there = Phase(
        "forward",
        forward,
        {"x": x, **parameters},
        "y",
        outputs(calls),
        stops=entries(x),
        views=(View("x"), View("y")),
        size=x.size,
    )
    back = Phase(
        "backward",
        backward,
        {"dy": call.grad, **({"x": x} if kept == "x" else {}), **parameters},
        "dx",
        gradients(calls),
        stops=entries(x),
        views=(View("dy"), View(kept), View("dx")),
        size=x.size,
        uses=() if kept == "x" else (kept,),
    )
    return Lesson(name, parameters, {}, ROLES, asked_for(there, back))
