"""Transposed convolution: each input cell adds a kernel to the output."""

from __future__ import annotations

from tinycnn.inspect.trace.lesson import Calls, Lesson, Phase, View
from tinycnn.inspect.trace.lessons.convolution_call import ROLES, ConvolutionCall, asked_for, outputs
from tinycnn.kernels.loops import convolution, transposed


def conv_transpose2d(calls: Calls) -> Lesson:
    """Forward, and where asked for backward.

    The padding among the parameters has the extra rows and columns of ``output_padding`` taken off at the bottom and
    the right.
    """
    call = ConvolutionCall(calls)
    g = call.geometry
    top, bottom, left, right = (max(0, pad) for pad in g.padding)

    def cut(tensor: str) -> View:
        return View(tensor, padding=(top, bottom, left, right))

    cells = g.N * g.C * g.H * g.W  # of the output: the geometry is that of the convolution which this one transposes
    forward = Phase(
        "forward",
        transposed.forward,
        {"x": call.x, "weight": call.weight, "bias": call.bias, "geometry": g},
        "y",
        call.outputs,
        stops=("n", "c", "h", "w"),
        views=(View("x"), View("weight"), *call.bias_views("bias"), cut("y")),
        size=g.multiply_adds + cells,
    )
    backward_input = Phase(
        "backward_input",
        transposed.backward_input,
        {"dy": call.dy, "weight": call.weight, "geometry": g},
        "dx",
        call.gradients(0),
        stops=("n", "c", "h", "w"),
        views=(cut("dy"), View("weight"), View("dx")),
        size=g.multiply_adds,
    )
    backward_weight = Phase(
        "backward_weight",
        transposed.backward_weight,
        {"dy": call.dy, "x": call.x, "geometry": g},
        "dw",
        call.gradients(1),
        stops=("c", "k", "r", "s"),
        views=(View("x"), cut("dy"), View("dw")),
        size=g.multiply_adds,
    )
    backward_bias = Phase(
        "backward_bias",
        convolution.backward_bias,
        {"dy": call.dy},
        "db",
        call.gradients(2),
        stops=("k",),
        views=(View("dy"), outputs("dy"), *call.bias_views("db")),
        size=cells,
    )
    weight = "ckrs" if g.groups == 1 else "clrs"
    axes = {**dict.fromkeys(["x", "dx"], "nchw"), **dict.fromkeys(["y", "dy"], "nkpq")}
    axes |= {**dict.fromkeys(["weight", "dw"], weight), **dict.fromkeys(["bias", "db"], "k")}
    phases = asked_for(forward, backward_input, backward_weight, backward_bias)
    return Lesson("conv_transpose2d", call.parameters, axes, ROLES, phases)
