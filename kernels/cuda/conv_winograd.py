"""Winograd's convolution: transforms by kernels of our own, products of matrices by cuBLAS, all of them in one call.

Never in TF32, whatever is allowed: the transforms would magnify its rounding tenfold. backward_weight sums over tiles,
RUN of them in one go for the rounding's sake, as its twin does: a run is a product of matrices of its own, and the runs
are added up. The batch is taken as many images at a time as fit TILE_BYTES.

Plain twin: `tinycnn.kernels.numpy.conv_winograd`, with the formulas' source.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.cuda.launch import Size, contiguous, empty, for_cells, for_entries, launch
from tinycnn.kernels.cuda.product import matmul
from tinycnn.kernels.numpy.conv_winograd import RUN, Plan
from tinycnn.kernels.numpy.winograd_transform import TILINGS, refusal, transform

__all__ = ["backward_input", "backward_weight", "forward", "forward_relu", "refusal"]

TILE_BYTES = 256 << 20  # not tuned

TILES = np.dtype(
    [
        (name, np.int32)
        for name in (
            *("tiling", "groups", "K", "C", "H", "W", "P", "Q", "R", "S", "T", "U", "top", "left", "rows", "columns"),
            *("first_p", "end_p", "first_q", "end_q", "first_r", "end_r", "first_s", "end_s"),
        )
    ]
)
"""`Tiles` of conv_winograd.cu."""


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """Y = Aᵀ [Σ_c (G g Gᵀ) ⊙ (Bᵀ d B)] A: (N, C, H, W) -> (N, K, P, Q)."""
    return _forward(x, weight, bias, geometry, relu=False)


def forward_relu(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """max(Y + b, 0): (N, C, H, W) -> (N, K, P, Q)."""
    return _forward(x, weight, bias, geometry, relu=True)


def _forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry, relu: bool) -> Array:
    g, plan, x = geometry, Plan.of(geometry), contiguous(x)
    constants = _constants(plan.geometry, x.dtype.char)
    y = empty(g.output_shape, x)
    bias = None if bias is None else contiguous(bias)
    if (plan.rows.outputs, plan.columns.outputs) != (slice(0, g.P), slice(0, g.Q)):  # the others read no cell
        start = 0 if bias is None else bias.reshape(-1, 1, 1)
        y[...] = np.maximum(start, 0) if relu else start
    factors = _weight_factors(weight, plan, swapped=False)
    for images in _batches(plan, x.itemsize):
        count = images.stop - images.start
        products = _products(factors, _factors("winograd_input", x[images], g.C, plan), plan)
        grid, block = _for_tiles(g.K * count, plan)
        launch("conv_winograd", "winograd_output", x, grid, block, products, bias, y[images], count, relu, *constants)
    return y


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """D = B [Σ_k (G g Gᵀ) ⊙ (A dY Aᵀ)] Bᵀ, tiles added where they overlap: (N, K, P, Q) -> (N, C, H, W)."""
    g, plan, grad = geometry, Plan.of(geometry), contiguous(grad)
    constants = _constants(plan.geometry, grad.dtype.char)
    dx = empty(g.input_shape, grad)
    if not plan.rows.tiles * plan.columns.tiles:
        dx.fill(0)
    factors = _weight_factors(weight, plan, swapped=True)
    for images in _batches(plan, grad.itemsize):
        count = images.stop - images.start
        products = _products(factors, _factors("winograd_gradient", grad[images], g.K, plan), plan)
        grid, block = _for_tiles(g.C * count, plan)
        launch("conv_winograd", "winograd_input_tiles", grad, grid, block, products, count, *constants)
        grid, block = for_cells(g.C * count, g.H * g.W)
        sizes = count, plan.tiling.m, plan.tiling.a
        launch("conv_winograd", "winograd_add_tiles", grad, grid, block, products, dx[images], *sizes, constants[1])
    return dx


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """Dg = Gᵀ [Σ_tiles (A dY Aᵀ) ⊙ (Bᵀ d B)] G: (N, K, P, Q) -> (K, C/G, R, S)."""
    g, plan, grad, x = geometry, Plan.of(geometry), contiguous(grad), contiguous(x)
    dw = empty(g.weight_shape, grad)
    total = empty((plan.tiling.a**2 * g.groups, g.K // g.groups, g.C // g.groups), grad)
    total.fill(0)
    for images in _batches(plan, grad.itemsize, runs=True):
        left = _factors("winograd_gradient", grad[images], g.K, plan, RUN)  # (a·a·G·runs, K/G, RUN)
        right = _factors("winograd_input", x[images], g.C, plan, RUN)  # (a·a·G·runs, C/G, RUN)
        runs = matmul(left, right.transpose(0, 2, 1), tf32=False)  # (a·a·G·runs, K/G, C/G)
        total += runs.reshape(len(total), -1, *total.shape[1:]).sum(axis=1)
    grid, block = for_entries(total.size // plan.tiling.a**2)
    constants = _constants(plan.geometry, grad.dtype.char)
    launch("conv_winograd", "winograd_weight_gradient", grad, grid, block, total, dw, *constants)
    return dw


def _weight_factors(weight: Array, plan: Plan, swapped: bool) -> Array:
    """G g Gᵀ of every kernel: (K, C/G, R, S) -> (a·a·G, K/G, C/G), or with K and C ``swapped``."""
    g = plan.geometry
    K, C = g.K // g.groups, g.C // g.groups
    factors = empty((plan.tiling.a**2 * g.groups, *((C, K) if swapped else (K, C))), weight)
    grid, block = for_entries(g.K * C)
    constants = _constants(plan.geometry, weight.dtype.char)
    launch("conv_winograd", "winograd_weight", weight, grid, block, contiguous(weight), factors, swapped, *constants)
    return factors


def _factors(kernel: str, images: Array, channels: int, plan: Plan, run: int = 0) -> Array:
    """Transformed tiles of a few images: (n, C, …) -> (a·a·G·runs, C/G, run); all tiles are one run by default."""
    groups, tiles = plan.geometry.groups, len(images) * plan.rows.tiles * plan.columns.tiles
    run = run or tiles
    runs = -(-tiles // run)
    factors = empty((plan.tiling.a**2 * groups * runs, channels // groups, run), images)
    if tiles % run:
        factors.fill(0)  # the last run is not full
    grid, block = _for_tiles(channels * len(images), plan)
    constants = _constants(plan.geometry, images.dtype.char)
    launch("conv_winograd", kernel, images, grid, block, images, factors, len(images), run, runs, *constants)
    return factors


def _products(weights: Array, tiles: Array, plan: Plan) -> Array:
    """At each point, in each group, the sum over channels: (a·a·G, K/G, C/G), (a·a·G, C/G, t) -> (a·a·G, K/G, t)."""
    return contiguous(matmul(weights, tiles, tf32=False))


def _for_tiles(planes: int, plan: Plan) -> tuple[Size, Size]:
    return for_cells(planes, plan.rows.tiles * plan.columns.tiles)


def _batches(plan: Plan, itemsize: int, runs: bool = False) -> Iterator[slice]:
    """Slices of the batch whose transformed tiles, and products of ``runs``, fit TILE_BYTES; an image at least."""
    g, tiles = plan.geometry, plan.rows.tiles * plan.columns.tiles
    numbers = tiles * (g.C + g.K) + (-(-tiles // RUN) * g.K * g.C // g.groups if runs else 0)
    step = max(1, TILE_BYTES // max(1, itemsize * plan.tiling.a**2 * numbers))
    return (slice(n, min(n + step, g.N)) for n in range(0, g.N if tiles else 0, step))


@lru_cache(maxsize=1024)
def _constants(geometry: ConvGeometry, kind: str) -> tuple[Array, Array]:
    """`Transform` and `Tiles` of conv_winograd.cu."""
    plan = Plan.of(geometry)
    g, rows, columns, t = plan.geometry, plan.rows, plan.columns, plan.tiling
    numbers: tuple[Any, ...] = (
        *(TILINGS.index(t), g.groups, g.K, g.C, g.H, g.W, g.P, g.Q, g.R, g.S, rows.tiles, columns.tiles),
        *(rows.lead, columns.lead, rows.cells.stop, columns.cells.stop),
        *(rows.outputs.start, rows.outputs.stop, columns.outputs.start, columns.outputs.stop),
        *(rows.taps.start, rows.taps.stop, columns.taps.start, columns.taps.stop),
    )
    made = transform(t.m, t.r, np.dtype(kind))
    matrices = np.zeros(1, [("AT", kind, 24), ("G", kind, 30), ("BT", kind, 36)])
    for name in ("AT", "G", "BT"):
        matrix = getattr(made, name).reshape(-1)
        matrices[name][0, : len(matrix)] = matrix
    return matrices, np.array([numbers], TILES)
