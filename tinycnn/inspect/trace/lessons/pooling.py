"""Pooling, window by window."""

from __future__ import annotations

from typing import Any

from tinycnn.functional.pooling import AvgPool2d, MaxPool2d
from tinycnn.geometry import PoolGeometry
from tinycnn.inspect.trace.lesson import Calls, Lesson, Phase, View
from tinycnn.inspect.trace.lessons.calls import first, gradients, outputs
from tinycnn.inspect.trace.lessons.convolution_call import ROLES, asked_for
from tinycnn.kernels.loops import pooling as loops

WINDOW = ("n", "c", "p", "q")

AXES = {
    **dict.fromkeys(["x", "dx"], "nchw"),
    **dict.fromkeys(["y", "dy", "winner"], "ncpq"),
    "count": "pq",
}


def max_pool2d(calls: Calls) -> Lesson:
    """The search for the maximum, and where asked for the way back to the winner."""
    call = first(calls)
    assert isinstance(call.function, MaxPool2d)
    g, (x,), windows = call.function.geometry, call.inputs, call.output.size
    forward = Phase(
        "forward",
        loops.max_pool2d_forward,
        {"x": x, "geometry": g},
        "y",
        outputs(calls),
        stops=WINDOW,
        views=(View("x", padding=g.padding), View("y"), View("winner")),
        size=windows * (2 + 3 * g.R * g.S),
    )
    backward = Phase(
        "backward",
        loops.max_pool2d_backward,
        {"dy": call.grad, "geometry": g},
        "dx",
        gradients(calls),
        stops=WINDOW,
        views=(View("dy"), View("winner"), View("dx", padding=g.padding)),
        size=2 * windows,
        uses=("winner",),
    )
    return Lesson("max_pool2d", _parameters(g), AXES, ROLES, asked_for(forward, backward))


def avg_pool2d(calls: Calls) -> Lesson:
    """The mean of each window, and where asked for the shares that go back."""
    call = first(calls)
    function = call.function
    assert isinstance(function, AvgPool2d)
    g, (x,), windows = function.geometry, call.inputs, call.output.size
    count = g.count(function.include_pad)
    forward = Phase(
        "forward",
        loops.avg_pool2d_forward,
        {"x": x, "count": count, "geometry": g},
        "y",
        outputs(calls),
        stops=WINDOW,
        views=(View("x", padding=g.padding), View("count"), View("y")),
        size=windows * (1 + g.R * g.S),
    )
    backward = Phase(
        "backward",
        loops.avg_pool2d_backward,
        {"dy": call.grad, "count": count, "geometry": g},
        "dx",
        gradients(calls),
        stops=WINDOW,
        views=(View("dy"), View("count"), View("dx", padding=g.padding)),
        size=windows * g.R * g.S,
    )
    parameters = {**_parameters(g), "count_include_pad": function.include_pad}
    return Lesson("avg_pool2d", parameters, AXES, ROLES, asked_for(forward, backward))


def _parameters(g: PoolGeometry) -> dict[str, Any]:
    """As JSON has them."""
    return {
        "kernel_size": [g.R, g.S],
        "stride": list(g.stride),
        "padding": list(g.padding),
        "ceil_mode": g.rows.ceil_mode,
    }
