"""Activations, entry by entry."""

from __future__ import annotations

from tinycnn.inspect.trace.lesson import Calls, Lesson, Phase, View
from tinycnn.kernels.loops import activation as loops


def relu(calls: Calls) -> Lesson:
    """Forward."""
    call = next(iter(calls.values()))
    (x,) = call.inputs
    forward = Phase(
        "forward",
        loops.relu_forward,
        {"x": x},
        "y",
        {name: each.output for name, each in calls.items()},
        stops=("i",),
        views=(View("x"), View("y")),
        size=x.size,
    )
    return Lesson("relu", {}, {}, {"x": "input", "y": "output"}, (forward,))
