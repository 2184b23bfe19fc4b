"""Convolution as a product of matrices: unfolding, the product, and the three steps back."""

from __future__ import annotations

from tinycnn.inspect.trace.lesson import Lesson, Phase, View
from tinycnn.inspect.trace.lessons.convolution_call import ROLES, ConvolutionCall, asked_for, columns, outputs
from tinycnn.inspect.trace.lessons.convolution_direct import backward_bias, column_gradient
from tinycnn.kernels.loops import im2col as loops
from tinycnn.kernels.numpy.conv_im2col import im2col


def lesson(call: ConvolutionCall) -> Lesson:
    """Each matrix is what the step before it made."""
    g, kernels = call.geometry, call.kernels
    entries = g.C * g.R * g.S * g.N * g.P * g.Q
    gradients = call.gradients(0)
    unfold = Phase(
        "im2col",
        loops.im2col,
        {"x": call.x, "geometry": g},
        "column",
        {"numpy": im2col(call.x, g)},
        stops=("n", "p", "q"),
        views=(call.planes("x"), columns("column")),
        size=entries,
    )
    gemm = Phase(
        "gemm",
        loops.gemm,
        {"weight": call.weight, "bias": call.bias, "geometry": g},
        "y",
        call.outputs,
        stops=("k", "n", "p", "q"),
        views=(kernels("weight"), columns("column"), *call.bias_views("bias"), outputs("y"), call.planes("y")),
        size=g.multiply_adds + g.N * g.K * g.P * g.Q,
        uses=("column",),
    )
    backward_weight = Phase(
        "backward_weight_gemm",
        loops.backward_weight_gemm,
        {"dy": call.dy, "geometry": g},
        "dw",
        call.gradients(1),
        stops=("k", "c", "r", "s"),
        views=(outputs("dy"), columns("column"), kernels("dw")),
        size=g.multiply_adds,
        uses=("column",),
    )
    backward_column = Phase(
        "backward_column_gemm",
        loops.backward_column_gemm,
        {"dy": call.dy, "weight": call.weight, "geometry": g},
        "dcolumn",
        {"numpy": column_gradient(call)} if gradients else {},
        stops=("c", "r", "s", "n", "p", "q"),
        views=(View("weight", rows=(call.inner, "r", "s"), columns=("k",)), outputs("dy"), columns("dcolumn")),
        size=g.multiply_adds,
    )
    fold = Phase(
        "col2im",
        loops.col2im,
        {"geometry": g},
        "dx",
        gradients,
        stops=("n", "p", "q"),
        views=(columns("dcolumn"), call.planes("dx")),
        size=entries,
        uses=("dcolumn",),
    )
    phases = asked_for(unfold, gemm, backward_weight, backward_column, fold, backward_bias(call))
    return Lesson("conv2d_im2col", call.parameters, call.axes, ROLES, phases)
