"""Dropout, entry by entry."""

from __future__ import annotations

from tinycnn.functional.dropout import Dropout
from tinycnn.inspect.trace.lesson import Calls, Lesson, Phase, View
from tinycnn.inspect.trace.lessons.activation import entries
from tinycnn.inspect.trace.lessons.calls import first, gradients, outputs
from tinycnn.inspect.trace.lessons.convolution_call import ROLES, asked_for
from tinycnn.kernels.loops import dropout as loops


def dropout(calls: Calls) -> Lesson:
    """Forward, and where asked for backward, with the mask that was drawn."""
    call = first(calls)
    function = call.function
    assert isinstance(function, Dropout)
    (x,) = call.inputs
    forward = Phase(
        "forward",
        loops.forward,
        {"x": x, "mask": function.mask, "p": function.p},
        "y",
        outputs(calls),
        stops=entries(x),
        views=(View("x"), View("mask"), View("y")),
        size=x.size,
    )
    backward = Phase(
        "backward",
        loops.backward,
        {"dy": call.grad, "mask": function.mask, "p": function.p},
        "dx",
        gradients(calls),
        stops=entries(x),
        views=(View("dy"), View("mask"), View("dx")),
        size=x.size,
    )
    return Lesson("dropout", {"p": function.p}, {}, ROLES, asked_for(forward, backward))
