"""Direct convolution: the seven loops; the columns of im2col stand beside them."""

from __future__ import annotations

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.trace.lesson import Lesson, Phase, View
from tinycnn.inspect.trace.lessons.convolution_call import ROLES, ConvolutionCall, asked_for, columns, outputs
from tinycnn.kernels.loops import convolution as loops
from tinycnn.kernels.numpy.conv_im2col import im2col


def lesson(call: ConvolutionCall) -> Lesson:
    """Window by window, forward and where asked for backward."""
    g, planes = call.geometry, call.planes
    forward = Phase(
        "forward",
        loops.forward,
        {"x": call.x, "weight": call.weight, "bias": call.bias, "geometry": g},
        "y",
        call.outputs,
        stops=("n", "k", "p", "q"),
        views=(
            *(planes("x"), planes("weight"), *call.bias_views("bias"), planes("y")),
            *(call.kernels("weight"), columns("column"), outputs("y")),
        ),
        size=g.multiply_adds + g.N * g.K * g.P * g.Q,
    )
    backward_input = Phase(
        "backward_input",
        loops.backward_input,
        {"dy": call.dy, "weight": call.weight, "geometry": g},
        "dx",
        call.gradients(0),
        stops=("n", "k", "p", "q"),
        views=(
            *(planes("dy"), planes("weight"), planes("dx")),
            *(View("weight", rows=(call.inner, "r", "s"), columns=("k",)), outputs("dy"), columns("dcolumn")),
        ),
        size=g.multiply_adds,
    )
    backward_weight = Phase(
        "backward_weight",
        loops.backward_weight,
        {"dy": call.dy, "x": call.x, "geometry": g},
        "dw",
        call.gradients(1),
        stops=("k", "c", "r", "s"),
        views=(
            *(planes("x"), planes("dy"), planes("dw")),
            *(outputs("dy"), columns("column"), call.kernels("dw")),
        ),
        size=g.multiply_adds,
    )
    phases = asked_for(forward, backward_input, backward_weight, backward_bias(call))
    companions = {"column": im2col(call.x, g)}
    if backward_input in phases:
        companions["dcolumn"] = column_gradient(call)
    return Lesson("conv2d", call.parameters, call.axes, ROLES, phases, companions)


def backward_bias(call: ConvolutionCall) -> Phase:
    """The same for each algorithm."""
    return Phase(
        "backward_bias",
        loops.backward_bias,
        {"dy": call.dy},
        "db",
        call.gradients(2),
        stops=("k",),
        views=(call.planes("dy"), outputs("dy"), *call.bias_views("db")),
        size=call.geometry.N * call.geometry.K * call.geometry.P * call.geometry.Q,
    )


def column_gradient(call: ConvolutionCall) -> Array:
    """Wᵀ · dy in NumPy: (C, R, S, N, P, Q)."""
    g = call.geometry
    assert call.dy is not None
    weight = call.weight.reshape(g.groups, g.K // g.groups, g.C // g.groups, g.R, g.S)
    dy = call.dy.reshape(g.N, g.groups, g.K // g.groups, g.P, g.Q)
    dcolumn = np.einsum("gkcrs,ngkpq->gcrsnpq", weight, dy)
    return dcolumn.reshape(g.C, g.R, g.S, g.N, g.P, g.Q)  # (G, C/G, …) -> (C, …)
