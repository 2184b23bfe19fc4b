"""Winograd's convolution, block of tiles by block of tiles, so that what is transformed is used while it is in cache.

    forward           Y  = Aᵀ [Σ_c (G g Gᵀ) ⊙ (Bᵀ d B)] A
    backward_input    the forward of dY with the kernels turned about, k and c exchanged
    backward_weight   dg = Gᵀ [Σ_tiles (A dY Aᵀ) ⊙ (Bᵀ d B)] G

Of the two factors, those of the tiles and those of the weight, the fewer are made once a call and kept; the others are
made block by block, and used while they are in cache. Where tiles are many, the weight is transformed first, in panels
as `multiply_tile` reads them. Then each thread takes a block of tiles through all three steps by itself: it transforms
the block, multiplies at each of the a·a points, and transforms back, without waiting for another thread. Threads share
the tiles, and, where those are few, the panels of the result's channels. Where the tiles are fewer than the kernels, it
is the other way about: the tiles are transformed first, and threads share the panels of kernels (`winograd_panels`).

In backward_weight it is the sums that are many. A thread takes a part of the tiles, whose sums are added up in the end,
or channels where there are many; where tiles are few, some pairs of channels after others, whose sums over all tiles
stay in its cache. RUN tiles are summed at a time for the rounding's sake. Where an image has one window, itself, a tile
would be made for one output, with more products than the definition has; that is left to BLAS.

Plain twin: `tinycnn.kernels.numpy.conv_winograd`, with the formulas' source, but for backward_input: there it is the
adjoint of forward, whose tiles overlap where they are added to dx. So they could not be shared among threads, dx had to
be cleared before, and each cell was read and written up to four times: VGG-16's second convolution took 40 ms that way,
and 29 as a forward of its own, whose rows are transformed before they are dealt. The transforms are in `transform`, and
leave out what the matrices' zeros would give: so a NaN or infinite cell makes NaN of all outputs that read it, and of
some others of their tiles, where the twin makes NaN of all of these.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels.numba import one_window
from tinycnn.kernels.numba.compile import parallel_kernel
from tinycnn.kernels.numba.one_window import fills_the_input
from tinycnn.kernels.numba.threads import team
from tinycnn.kernels.numba.tile import ROWS, VECTORS, cut, tile_columns
from tinycnn.kernels.numba.winograd_loops import RUN, correlate_share, finish_panel, sum_share
from tinycnn.kernels.numba.winograd_panels import (
    correlate_panels,
    pack_panel,
    sum_panels,
    transform_pairs,
    transform_tiles,
)
from tinycnn.kernels.numba.workspace import contiguous, empty
from tinycnn.kernels.numpy.conv_winograd import Plan
from tinycnn.kernels.numpy.winograd_transform import TILINGS, refusal

__all__ = ["backward_input", "backward_weight", "forward", "forward_relu", "refusal"]

# How large a block is: over layers of VGG-16, AlexNet and LeNet-5 on two threads with 1 MiB of L2 each, half of FACTORS
# is as fast, the double is slower by 1 to 7 %, and so are other LEAST and MOST, by up to 10 %.
FACTORS = 1 << 19  # numbers transformed in a block, as long as it has LEAST tiles
# A thread with fewer than LEAST tiles would read the whole weight for little, so it takes a part of the panels instead:
# 6 to 14 % less time on VGG-16's last layers, of 64 tiles, on two threads (Intel Xeon with 2 MiB of L2 a core).
LEAST, MOST = 64, 256  # tiles of a block
# Parts of the tiles, each of which backward_weight sums up by itself, where the sums are no more than SUMS: a sixth
# less time on VGG-16's second and fourth convolution, on two threads; other numbers of parts were not measured. With
# more sums, those of AlexNet's fifth convolution in four parts, 20 ms in place of 15 (AMD EPYC, Zen 4).
PARTS = 4
SUMS = 1 << 20  # numbers, of all groups; for more, threads share channels, which transforms much of the tiles twice
# What a thread takes at a time where tiles are few: with one panel and more tiles, or with three or four panels, the
# same within 3 % on layers of 13, 14 and 28 rows, and up to 15 % slower where there are more (AMD EPYC, Zen 4).
PANELS = 2  # of kernels, each with LEAST tiles; or in backward_weight
COLUMN_PANELS = 4  # of channels that they are paired with: 8 sums of panels, 0.5 MB
HEIGHT = min(ROWS, tile_columns(np.float64))  # of a panel: a vector of kernels that are transformed holds whole panels
# Numbers between lines that would else lie a multiple of 4 KiB apart, for which a cache has few places; and room for
# what `transform_kernels` writes beyond a line, a number less than a tile has columns.
STAGGER = 32


class Layout(NamedTuple):
    """A plan as numbers. K and C are those of one group; rows come before columns."""

    N: int
    groups: int
    K: int
    C: int
    k_panels: int  # of kernels, in as many rows as a tile has
    k_rows: int
    T: int  # tiles down and across an image
    U: int
    tiling: int
    m: int
    r: int
    a: int
    top: int  # padding before the first tile's input
    left: int
    rows: int  # cells of the input that are read
    columns: int
    first_p: int  # outputs that read a cell
    end_p: int
    first_q: int
    end_q: int
    first_r: int  # kernel cells that meet one
    end_r: int
    first_s: int
    end_s: int

    @property
    def tiles(self) -> int:
        """Of all images."""
        return self.N * self.T * self.U


LAYOUT = np.dtype([(name, np.int64) for name in Layout._fields])


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """Y = Aᵀ [Σ_c (G g Gᵀ) ⊙ (Bᵀ d B)] A: (N, C, H, W) -> (N, K, P, Q)."""
    if fills_the_input(geometry):
        return one_window.forward(x, weight, bias, geometry)
    return _correlate(x, weight, bias, geometry, relu=False)


def forward_relu(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """max(Y + b, 0): (N, C, H, W) -> (N, K, P, Q)."""
    if fills_the_input(geometry):
        return one_window.forward_relu(x, weight, bias, geometry)
    return _correlate(x, weight, bias, geometry, relu=True)


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """Dx[h, w] = Σ w[r, s] · dY where output and input meet: (N, K, P, Q) -> (N, C, H, W)."""
    if fills_the_input(geometry):
        return one_window.backward_input(grad, weight, geometry)
    return _correlate(grad, weight, None, turned_about(geometry), relu=False, turned=True)


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """Dg = Gᵀ [Σ_tiles (A dY Aᵀ) ⊙ (Bᵀ d B)] G: (N, K, P, Q) -> (K, C/G, R, S)."""
    if fills_the_input(geometry):
        return one_window.backward_weight(grad, x, geometry)
    layout, width = layout_of(geometry), tile_columns(x.dtype)
    dw = empty(geometry.weight_shape, x.dtype)
    # Factors by sums, in millions of numbers: 2.4 by 9.4, 16.3 ms -> 9.1; 7.2 by 9.4, 35.1 -> 26.1; 5.9 by 3.5, 15.8 ->
    # 13.0; but of each of two groups 3.5 by 1.3, 9.8 -> 11.9; and 14.5 by 2.4, 26.8 -> 31.6 (as `_correlate`).
    if layout.tiles * (layout.K + layout.C) <= 2 * layout.K * layout.C:
        _sum_by_panel(contiguous(grad), contiguous(x), layout, geometry.multiply_adds, dw)
        return dw
    points, lanes, panels, column_panels = layout.a**2, width // VECTORS, layout.k_panels, -(-layout.C // width)
    size = points * panels * column_panels * layout.k_rows * width
    # However many threads there are: one to four give the same bits.
    parts = PARTS if layout.groups * size <= SUMS else 1
    with team(geometry.multiply_adds, parts * layout.groups * panels * column_panels) as threads:
        across = min(column_panels, -(-threads // (parts * layout.groups)))
        down = min(panels, -(-threads // (parts * layout.groups * across)))
        share = -(-panels // down), -(-column_panels // across)
        block = _block(layout, layout.K // down + layout.C // across, -(-layout.tiles // parts), max(RUN, width))
        sums = empty((parts, layout.groups, points, size // points + STAGGER), x.dtype)
        record = np.array([layout], LAYOUT)
        sum_products(
            contiguous(grad),
            contiguous(x),
            record,
            down,
            across,
            empty((threads, points, share[0], block + lanes, layout.k_rows), x.dtype),  # what turning writes beyond
            empty((threads, points, share[1], block + 1, width), x.dtype),  # one more, for lines to lie staggered
            empty((threads, max(layout.k_rows, width) * points * width), x.dtype),
            sums,
        )
        sum_parts(sums, record, dw)
    return dw


def layout_of(geometry: ConvGeometry) -> Layout:
    """The numbers of a geometry's plan."""
    g, plan = geometry, Plan.of(geometry)
    K, C = g.K // g.groups, g.C // g.groups
    rows, columns, t = plan.rows, plan.columns, plan.tiling
    return Layout(
        g.N, g.groups, K, C, *cut(K, HEIGHT), rows.tiles, columns.tiles,
        TILINGS.index(t), t.m, t.r, t.a, rows.lead, columns.lead, rows.cells.stop, columns.cells.stop,
        rows.outputs.start, rows.outputs.stop, columns.outputs.start, columns.outputs.stop,
        rows.taps.start, rows.taps.stop, columns.taps.start, columns.taps.stop,
    )  # fmt: skip


def turned_about(geometry: ConvGeometry) -> ConvGeometry:
    """The convolution whose forward, with the kernels turned about, is backward_input of this one."""
    g = geometry
    rows, columns = (
        Axis(axis.out, axis.kernel, lead=axis.kernel - 1 - axis.lead, trail=axis.size - axis.out + axis.lead)
        for axis in (g.rows, g.columns)
    )
    return ConvGeometry(rows, columns, g.N, g.K, g.C, g.groups)


def _correlate(
    source: Array, weight: Array, bias: Array | None, geometry: ConvGeometry, relu: bool, turned: bool = False
) -> Array:
    """Forward; with ``turned`` of a weight whose kernels are to be turned about, and its k and c exchanged."""
    layout, dtype = layout_of(geometry), source.dtype
    target = empty(geometry.output_shape, dtype)
    bias = np.zeros(geometry.K, dtype) if bias is None else contiguous(bias)
    if (layout.end_p - layout.first_p, layout.end_q - layout.first_q) != (geometry.P, geometry.Q):
        start = bias.reshape(-1, 1, 1)  # outputs that read no cell
        target[...] = np.maximum(start, 0) if relu else start
    if not layout.tiles:
        return target
    work = layout.tiles * layout.m**2 * layout.r**2 * layout.K * layout.C * layout.groups
    # 12.8 ms -> 9.0 with 64 tiles and 512 kernels, 28.8 -> 24.4 with 196, 12.9 -> 11.0 with 256 and 384; the same with
    # 256 and 192, and 24.0 -> 27.9 with 784 and 256 (VGG-16's and AlexNet's layers, two threads, AMD EPYC, Zen 4).
    if layout.tiles <= layout.K:
        _correlate_by_panel(contiguous(source), contiguous(weight), bias, layout, work, relu, turned, target)
        return target
    width, points, panels, panel_rows = tile_columns(dtype), layout.a**2, layout.k_panels, layout.k_rows
    with team(work, 1 << 30) as threads:
        block = _block(layout, layout.C + layout.K, -(-layout.tiles // threads), width)
        bounds = _ranges(layout, threads, width // VECTORS)
        chunks = min(panels, -(-threads // ((len(bounds) - 1) * layout.groups)))
        record = np.array([layout], LAYOUT)
        factors = empty((points, layout.groups, panels, layout.C * panel_rows + STAGGER), dtype)
        pack(contiguous(weight), record, turned, factors)
        correlate(
            contiguous(source), factors, bias, relu, record, bounds, chunks,
            empty((threads, points, block // width, layout.C * width + STAGGER), dtype),
            empty((threads, points, -(-panels // chunks) * panel_rows, block), dtype),
            target,
        )  # fmt: skip
    return target


def _correlate_by_panel(
    source: Array, weight: Array, bias: Array, layout: Layout, work: int, relu: bool, turned: bool, target: Array
) -> None:
    """The same where tiles are few."""
    width, dtype, points, record = tile_columns(source.dtype), source.dtype, layout.a**2, np.array([layout], LAYOUT)
    tile_panels = -(-layout.tiles // width)
    together = min(tile_panels, LEAST // width)
    with team(work, layout.groups * layout.k_panels) as threads:
        tiles = empty((points, layout.groups, tile_panels, layout.C * width + STAGGER), dtype)
        transform(source, record, threads, tiles)
        correlate_by_panel(
            weight, tiles, bias, relu, turned, record,
            empty((threads, points, PANELS, layout.C * layout.k_rows + STAGGER), dtype),
            empty((threads, points, PANELS * layout.k_rows * together * width + STAGGER), dtype),
            together, target,
        )  # fmt: skip


def _sum_by_panel(grad: Array, source: Array, layout: Layout, work: int, dw: Array) -> None:
    """All of dw where tiles are few."""
    width, dtype, points, record = tile_columns(dw.dtype), dw.dtype, layout.a**2, np.array([layout], LAYOUT)
    column_panels, rows = -(-layout.C // width), layout.k_rows
    tiles, columns = -(-layout.tiles // width) * width, min(COLUMN_PANELS, column_panels)
    with team(work, layout.groups * layout.k_panels * -(-column_panels // columns)) as threads:
        lefts = empty((points, layout.groups * layout.k_panels, tiles + width // VECTORS, rows), dtype)
        rights = empty((points, layout.groups * column_panels, tiles + 1, width), dtype)
        transform_both(grad, source, record, lefts, rights, empty((threads, max(rows, width) * points * width), dtype))
        sums = empty((threads, points, PANELS * columns * rows * width + STAGGER), dtype)
        sum_by_panel(lefts, rights, record, PANELS, columns, sums, dw)


def _ranges(layout: Layout, threads: int, lanes: int) -> Array:
    """Cut all tiles into as many equal ranges, of whole vectors, as threads share a group, or as have LEAST tiles.

    Returns the first tile of each range, and of the one after the last.
    """
    parts = threads // math.gcd(threads, layout.groups)
    vectors = -(-layout.tiles // lanes)
    parts = max(1, min(parts, layout.tiles // LEAST))
    return np.minimum(np.arange(parts + 1) * vectors // parts * lanes, layout.tiles)


def _block(layout: Layout, channels: int, most: int, width: int) -> int:
    """Tiles of a block: whole panels, and no more than there are."""
    wanted = min(MOST, max(LEAST, FACTORS // (layout.a**2 * channels)))
    return -(-max(1, min(wanted, most)) // width) * width


@parallel_kernel
def pack(weight, layouts, turned, factors):
    """G g Gᵀ of every kernel, in panels of k, or of c where the weight is turned."""
    for index in prange(factors.shape[1] * factors.shape[2]):
        pack_panel(weight, layouts, turned, factors, np.int64(index))


@parallel_kernel
def transform(source, layouts, threads, tiles):
    """Bᵀ d B of all tiles."""
    for thread in prange(threads):
        transform_tiles(source, layouts, tiles, np.int64(thread), threads)


@parallel_kernel
def correlate_by_panel(weight, tiles, bias, relu, turned, layouts, factors, products, together, target):
    """All panels of kernels, shared among the threads."""
    for thread in prange(len(factors)):
        correlate_panels(
            weight, tiles, bias, relu, turned, layouts, factors, products, together, target, np.int64(thread)
        )


@parallel_kernel
def correlate(source, factors, bias, relu, layouts, bounds, chunks, blocks, products, target):
    """All blocks of tiles, shared among the threads."""
    for thread in prange(len(blocks)):
        correlate_share(
            source, factors, bias, relu, layouts, bounds, chunks, blocks, products, target, np.int64(thread)
        )


@parallel_kernel
def transform_both(grad, source, layouts, lefts, rights, made):
    """A dY Aᵀ and Bᵀ d B of all tiles."""
    for thread in prange(len(made)):
        transform_pairs(grad, source, layouts, lefts, rights, made, np.int64(thread), len(made))


@parallel_kernel
def sum_by_panel(lefts, rights, layouts, panels, columns, sums, dw):
    """All of dw, panels of kernels shared among the threads."""
    for thread in prange(len(sums)):
        sum_panels(lefts, rights, layouts, panels, columns, sums, dw, np.int64(thread))


@parallel_kernel
def sum_products(grad, source, layouts, down, across, lefts, rights, made, sums):
    """The sums over each part of all tiles, the parts and the pairs of channels shared among the threads."""
    for thread in prange(len(lefts)):
        sum_share(grad, source, layouts, down, across, lefts, rights, made, sums, np.int64(thread))


@parallel_kernel
def sum_parts(sums, layouts, dw):
    """All of dw from the sums of the parts, by panels of kernels."""
    for index in prange(sums.shape[1] * layouts[0].k_panels):
        finish_panel(sums, layouts, dw, np.int64(index))
