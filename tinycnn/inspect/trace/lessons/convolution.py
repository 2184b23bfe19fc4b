"""Convolution."""

from __future__ import annotations

from typing import Any

from tinycnn.functional.convolution import Convolution
from tinycnn.geometry import ConvGeometry
from tinycnn.inspect.trace.lesson import Calls, Lesson, Phase, View
from tinycnn.kernels.loops import convolution as loops
from tinycnn.kernels.numpy.conv_im2col import im2col


def conv2d(calls: Calls) -> Lesson:
    """Direct, as the seven loops have it; the columns of im2col stand beside it."""
    call = next(iter(calls.values()))
    assert isinstance(call.function, Convolution)
    x, weight, *bias = call.inputs
    g = call.function.geometry
    forward = Phase(
        "forward",
        loops.forward,
        {"x": x, "weight": weight, "bias": bias[0] if bias else None, "geometry": g},
        "y",
        {name: each.output for name, each in calls.items()},
        stops=("n", "k", "p", "q"),
        views=(
            View("x", padding=g.padding),
            View("weight"),
            View("y"),
            View("weight", rows=("k",), columns=("c", "r", "s")),
            View("column", rows=("c", "r", "s"), columns=("n", "p", "q")),
            View("y", rows=("k",), columns=("n", "p", "q")),
        ),
        size=g.multiply_adds,
    )
    axes = {"x": "nihw", "weight": "kcrs", "bias": "k", "y": "nkpq", "column": "crsnpq"}
    roles = {"x": "input", "weight": "parameter", "bias": "parameter", "y": "output", "column": "scratch"}
    return Lesson("conv2d", parameters(g), axes, roles, (forward,), {"column": im2col(x, g)})


def parameters(g: ConvGeometry) -> dict[str, Any]:
    """As the call has them."""
    return {
        "stride": list(g.stride),
        "padding": list(g.padding),
        "dilation": list(g.dilation),
        "groups": g.groups,
    }
