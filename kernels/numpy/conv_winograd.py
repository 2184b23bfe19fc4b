"""Convolution in fewer products: Winograd's algorithm over tiles of the output.

The outputs are cut into tiles of m x m, each with the a x a input cells d that it reads, a = m + r − 1; tiles of input
overlap by r − 1. With Aᵀ, G and Bᵀ of `winograd_transform`, and ⊙ for the product entry by entry:

    forward           Y  = Aᵀ [Σ_c (G g Gᵀ) ⊙ (Bᵀ d B)] A                           (Lavin, Gray, equations 8 and 12)
    backward_input    d  = B [Σ_k (G g Gᵀ) ⊙ (A dY Aᵀ)] Bᵀ, added where tiles overlap
    backward_weight   dg = Gᵀ [Σ_tiles (A dY Aᵀ) ⊙ (Bᵀ d B)] G

At each of the a·a points the sum over channels (or over tiles) is a matrix product, (K, C) · (C, tiles): a·a products
of matrices instead of m·m·r·r, a quarter for F(4x4, 3x3). The backward passes are forward's factors transposed, in
reverse order, so that they are its exact adjoints: a backward pass that was a Winograd convolution of its own, with
the rotated kernel, would be right as well, but its rounding would not match forward's.

The price is rounding, since outputs are small differences of larger terms. The float32 error, the largest of a result,
stays below 2e-5 of the result's rms for up to 64 channels summed over, 16 · 64 tiles in backward_weight, and grows with
the root of their number. And since a term of one output enters all outputs of its tile and cancels there, an infinite
or NaN cell makes NaN of all of them. Cells that no output reads, and outputs and kernel cells that meet no cell, take
no part: what they would leave is rounding noise where the result is 0.

Source: Lavin, Gray (2016), Fast Algorithms for Convolutional Neural Networks. The adjoints are the chain rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinycnn.arrays import Array
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels.numpy.winograd_transform import Tiling, refusal, tiling, transform

__all__ = ["backward_input", "backward_weight", "forward", "refusal"]

TILE_BYTES = 16 << 20  # forward of 32 images of 512x14x14 took 229 ms, with 4 MiB 370, with 64 MiB 398

# Tiles that backward_weight sums in one go. The rounding of a sum grows with its length, and Gᵀ magnifies it; sums of
# sums grow by less. Largest error over rms, 5x5, 64 channels, 196 tiles: 0.85e-5 in runs of 32, 1.6e-5 of 64, 3.0e-5
# in one, where im2col has 0.2e-5 (a BLAS for AVX2; that for AVX-512 sums in shorter runs by itself).
RUN = 32


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """Y = Aᵀ [Σ_c (G g Gᵀ) ⊙ (Bᵀ d B)] A, tile by tile: (N, C, H, W) -> (N, K, P, Q)."""
    g, plan = geometry, Plan.of(geometry)
    y = np.zeros_like(x, shape=g.output_shape, dtype=np.result_type(x, weight))
    factors = weight_factors(weight, plan)  # (a·a, G, K/G, C/G)
    for images in plan.batches(y.itemsize):
        products = factors @ input_factors(x[images], plan)  # (a·a, G, K/G, n·T·U)
        y[images, :, plan.rows.outputs, plan.columns.outputs] = outputs(products, plan)
    return y if bias is None else y + bias.reshape(-1, 1, 1)


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """D = B [Σ_k (G g Gᵀ) ⊙ (A dY Aᵀ)] Bᵀ, tiles added where they overlap: (N, K, P, Q) -> (N, C, H, W)."""
    g, plan = geometry, Plan.of(geometry)
    dx = np.zeros_like(grad, shape=g.input_shape, dtype=np.result_type(grad, weight))
    factors = weight_factors(weight, plan).transpose(0, 1, 3, 2)  # (a·a, G, C/G, K/G)
    for images in plan.batches(dx.itemsize):
        products = factors @ gradient_factors(grad[images], plan)  # (a·a, G, C/G, n·T·U)
        dx[images, :, plan.rows.cells, plan.columns.cells] = input_gradient(products, plan)
    return dx


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """Dg = Gᵀ [Σ_tiles (A dY Aᵀ) ⊙ (Bᵀ d B)] G: (N, K, P, Q) -> (K, C/G, R, S)."""
    g, plan = geometry, Plan.of(geometry)
    dtype = np.result_type(grad, x)
    a, r = plan.tiling.a, plan.tiling.r
    total = np.zeros_like(grad, shape=(a * a, g.groups, g.K // g.groups, g.C // g.groups), dtype=dtype)
    for images in plan.batches(total.itemsize):
        left = gradient_factors(grad[images], plan)  # (a·a, G, K/G, n·T·U)
        right = input_factors(x[images], plan).transpose(0, 1, 3, 2)  # (a·a, G, n·T·U, C/G)
        for first in range(0, left.shape[3], RUN):
            total += left[..., first : first + RUN] @ right[..., first : first + RUN, :]
    cells = _both_sides(_matrix("G", plan, total).T, total.reshape(a, a, -1))  # (R, S, K·C/G)
    full = cells.reshape(r, r, g.K, g.C // g.groups).transpose(2, 3, 0, 1)  # (R, S, K, C/G) -> (K, C/G, R, S)
    dw = np.zeros_like(full, order="C")
    dw[:, :, plan.rows.taps, plan.columns.taps] = full[:, :, plan.rows.taps, plan.columns.taps]
    return dw


class Span(NamedTuple):
    """What takes part along one axis: outputs that read a cell, cells that are read, kernel cells that meet one."""

    outputs: slice
    cells: slice
    taps: slice
    lead: int  # rows of padding before the first cell that the first of these outputs reads
    tiles: int

    @classmethod
    def of(cls, axis: Axis, m: int) -> Span:
        """Output i reads the cells from i − lead to i − lead + kernel − 1, of which 0 to size − 1 exist."""
        first = max(0, axis.lead - (axis.kernel - 1))
        end = max(first, min(axis.out, axis.lead + axis.size))
        cells = slice(0, max(0, min(axis.size, end - 1 + axis.kernel - axis.lead)) if end > first else 0)
        taps = slice(max(0, axis.lead - axis.out + 1), min(axis.kernel, axis.lead + axis.size))
        return cls(slice(first, end), cells, taps, axis.lead - first, -(-(end - first) // m))


class Plan(NamedTuple):
    """A geometry cut into T x U tiles."""

    geometry: ConvGeometry
    tiling: Tiling
    rows: Span
    columns: Span

    @classmethod
    def of(cls, geometry: ConvGeometry) -> Plan:
        """The tiling that suits the geometry, laid over its outputs."""
        t = tiling(geometry)
        return cls(geometry, t, Span.of(geometry.rows, t.m), Span.of(geometry.columns, t.m))

    def batches(self, itemsize: int) -> Iterator[slice]:
        """Slices of the batch whose transformed tiles fit TILE_BYTES; single images where none does."""
        g, tiles = self.geometry, self.rows.tiles * self.columns.tiles
        per_image = itemsize * self.tiling.a**2 * (g.C + g.K) * tiles
        step = max(1, TILE_BYTES // max(1, per_image))
        return (slice(n, min(n + step, g.N)) for n in range(0, g.N if tiles else 0, step))


def weight_factors(weight: Array, plan: Plan) -> Array:
    """G g Gᵀ of every kernel: (K, C/G, R, S) -> (a·a, G, K/G, C/G)."""
    K, channels, R, S = weight.shape
    groups, a = plan.geometry.groups, plan.tiling.a
    cells = weight.transpose(2, 3, 0, 1).reshape(R, S, -1)  # (K, C/G, R, S) -> (R, S, K·C/G)
    return _both_sides(_matrix("G", plan, weight), cells).reshape(a * a, groups, K // groups, channels)


def input_factors(x: Array, plan: Plan) -> Array:
    """Bᵀ d B of every tile of the input: (n, C, H, W) -> (a·a, G, C/G, n·T·U)."""
    rows, columns, (m, r), a = plan.rows, plan.columns, plan.tiling, plan.tiling.a
    n, C = x.shape[:2]
    frame = np.zeros_like(x, shape=(n, C, rows.tiles * m + r - 1, columns.tiles * m + r - 1))
    frame[:, :, _moved(rows), _moved(columns)] = x[:, :, rows.cells, columns.cells]
    tiles = sliding_window_view(frame, (a, a), axis=(2, 3))[:, :, ::m, ::m]  # (n, C, T, U, a, a)
    tiles = tiles.transpose(4, 5, 1, 0, 2, 3).reshape(a, a, -1)  # -> (a, a, C, n, T, U) -> (a, a, C·n·T·U)
    groups = plan.geometry.groups
    return _both_sides(_matrix("BT", plan, x), tiles).reshape(a * a, groups, C // groups, -1)


def gradient_factors(grad: Array, plan: Plan) -> Array:
    """A dY Aᵀ of every tile of the output: (n, K, P, Q) -> (a·a, G, K/G, n·T·U)."""
    rows, columns, m, a = plan.rows, plan.columns, plan.tiling.m, plan.tiling.a
    n, K = grad.shape[:2]
    live = grad[:, :, rows.outputs, columns.outputs]
    whole = np.zeros_like(grad, shape=(n, K, rows.tiles * m, columns.tiles * m))
    whole[:, :, : live.shape[2], : live.shape[3]] = live
    tiles = whole.reshape(n, K, rows.tiles, m, columns.tiles, m)  # (n, K, T·m, U·m) -> (n, K, T, m, U, m)
    tiles = tiles.transpose(3, 5, 1, 0, 2, 4).reshape(m, m, -1)  # -> (m, m, K, n, T, U) -> (m, m, K·n·T·U)
    groups = plan.geometry.groups
    return _both_sides(_matrix("AT", plan, grad).T, tiles).reshape(a * a, groups, K // groups, -1)


def outputs(products: Array, plan: Plan) -> Array:
    """Aᵀ M A, tiles laid side by side: (a·a, G, K/G, n·T·U) -> (n, K, outputs that take part)."""
    rows, columns, m, a = plan.rows, plan.columns, plan.tiling.m, plan.tiling.a
    tiles = _both_sides(_matrix("AT", plan, products), products.reshape(a, a, -1))  # (m, m, K·n·T·U)
    tiles = tiles.reshape(m, m, plan.geometry.K, -1, rows.tiles, columns.tiles)  # (m, m, K, n, T, U)
    tiles = tiles.transpose(3, 2, 4, 0, 5, 1)  # (m, m, K, n, T, U) -> (n, K, T, m, U, m)
    whole = tiles.reshape(-1, plan.geometry.K, rows.tiles * m, columns.tiles * m)  # -> (n, K, T·m, U·m)
    return whole[:, :, : _size(rows.outputs), : _size(columns.outputs)]


def input_gradient(products: Array, plan: Plan) -> Array:
    """B M Bᵀ, added where tiles overlap: (a·a, G, C/G, n·T·U) -> (n, C, cells that take part)."""
    rows, columns, (m, r), a = plan.rows, plan.columns, plan.tiling, plan.tiling.a
    tiles = _both_sides(_matrix("BT", plan, products).T, products.reshape(a, a, -1))  # (a, a, C·n·T·U)
    tiles = tiles.reshape(a, a, plan.geometry.C, -1, rows.tiles, columns.tiles)  # (a, a, C, n, T, U)
    height, width = rows.tiles * m, columns.tiles * m
    frame = np.zeros_like(tiles, shape=(*tiles.shape[2:4], height + r - 1, width + r - 1))
    for i, j in np.ndindex(a, a):  # cell (i, j) of all tiles, m apart
        frame[:, :, i : i + height : m, j : j + width : m] += tiles[i, j]
    return frame[:, :, _moved(rows), _moved(columns)].transpose(1, 0, 2, 3)  # (C, n, ...) -> (n, C, ...)


def _both_sides(matrix: Array, tiles: Array) -> Array:
    """matrix · tile · matrixᵀ of all tiles at once, two products of matrices: (i, j, tiles) -> (u, v, tiles)."""
    along_rows = np.tensordot(matrix, tiles, 1)  # (u, i) · (i, j, tiles) -> (u, j, tiles)
    return matrix @ along_rows  # (v, j) · (u, j, tiles) -> (u, v, tiles)


def _matrix(name: str, plan: Plan, like: Array) -> Array:
    """A matrix of the transform in the dtype, and on the device, of an array."""
    m, r = plan.tiling
    return np.asarray(getattr(transform(m, r, like.dtype), name), like=like)


def _moved(span: Span) -> slice:
    """Where the cells that take part lie in a frame that starts at the first window."""
    return slice(span.lead, span.lead + _size(span.cells))


def _size(part: slice) -> int:
    return part.stop - part.start
