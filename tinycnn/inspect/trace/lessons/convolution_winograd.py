"""Winograd's convolution, on one tile."""

from __future__ import annotations

import numpy as np

from tinycnn.geometry import Axis
from tinycnn.inspect.trace.lesson import Lesson, Phase, View
from tinycnn.inspect.trace.lessons.convolution_call import ROLES, ConvolutionCall
from tinycnn.kernels.loops import winograd as loops
from tinycnn.kernels.numpy.conv_winograd import Plan, Span, input_factors, weight_factors
from tinycnn.kernels.numpy.winograd_transform import transform


def lesson(call: ConvolutionCall) -> Lesson:
    """Forward, for a tile of the first image, one that reaches over no edge where there is one.

    Raises
    ------
    ValueError
        For a batch of no images.
    """
    if not call.geometry.N:
        raise ValueError("conv2d by winograd: a batch of 0 images has no tile to step through; give at least one image")
    g, plan = call.geometry, Plan.of(call.geometry)
    (m, r), a = plan.tiling, plan.tiling.a
    matrices = transform(m, r, call.x.dtype)
    down, across = _first_whole(g.rows, plan.rows, m), _first_whole(g.columns, plan.columns, m)
    p, q = plan.rows.outputs.start + down * m, plan.columns.outputs.start + across * m
    tile = loops.Tile(0, p - g.rows.lead, q - g.columns.lead, min(m, g.P - p), min(m, g.Q - q))
    factors = weight_factors(call.weight, plan).reshape(a, a, g.K, -1).transpose(2, 3, 0, 1)  # (K, C/G, a, a)
    tiles = input_factors(call.x[:1], plan).reshape(a, a, g.C, plan.rows.tiles, plan.columns.tiles)
    cells = tiles[..., down, across].transpose(2, 0, 1)  # (C, a, a)
    by_group = factors.reshape(g.groups, g.K // g.groups, -1, a, a), cells.reshape(g.groups, -1, a, a)
    products = np.einsum("gkcij,gcij->gkij", *by_group).reshape(g.K, a, a)
    transform_weight = Phase(
        "transform_weight",
        loops.transform_weight,
        {"weight": call.weight, "G": matrices.G},
        "u",
        {"numpy": factors},
        stops=("k", "c", "i"),
        views=(View("weight"), View("G"), View("Gg"), View("u")),
        size=g.K * g.C // g.groups * (a * r * r + a * a * r),
    )
    transform_input = Phase(
        "transform_input",
        loops.transform_input,
        {"x": call.x, "BT": matrices.BT, "tile": tile},
        "v",
        {"numpy": cells},
        stops=("c", "i"),
        views=(call.planes("x"), View("BT"), View("BTd"), View("v")),
        size=2 * g.C * a**3,
    )
    product = Phase(
        "product",
        loops.product,
        {"groups": g.groups},
        "m",
        {"numpy": products},
        stops=("k", "i", "j"),
        views=(View("u"), View("v"), View("m")),
        size=g.K * g.C // g.groups * a * a,
        uses=("u", "v"),
    )
    transform_output = Phase(
        "transform_output",
        loops.transform_output,
        {"AT": matrices.AT, "bias": call.bias, "tile": tile},
        "y",
        {name: y[0, :, p : p + tile.P, q : q + tile.Q] for name, y in call.outputs.items()},
        stops=("k", "p"),
        views=(View("m"), View("AT"), View("ATm"), *call.bias_views("bias"), View("y")),
        size=g.K * (tile.P * a * a + tile.P * tile.Q * (a + 1)),
        uses=("m",),
    )
    axes = {**call.axes, "u": f"k{call.inner}ij", "v": "cij", "m": "kij", "y": "kpq"}
    axes |= {"Gg": f"k{call.inner}is", "BTd": "cif", "ATm": "kpj"}
    axes |= dict.fromkeys(["G", "BT", "AT"], "ab")  # each stands on both sides, with other loops
    parameters = {**call.parameters, "tile": [m, m], "tile_start": [p, q]}
    phases = (transform_weight, transform_input, product, transform_output)
    return Lesson("conv2d_winograd", parameters, axes, ROLES, phases)


def _first_whole(axis: Axis, span: Span, m: int) -> int:
    """The first tile whose cells and outputs all lie inside, or else the first."""
    for tile in range(span.tiles):
        start = span.outputs.start + tile * m
        if 0 <= start - axis.lead <= axis.size - (m + axis.kernel - 1) and start + m <= axis.out:
            return tile
    return 0
