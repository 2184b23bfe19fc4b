"""What convolution's forward and its backward_input have in common: both are a correlation.

    target[n, m, i·step + origin] = b[m] + Σ_{c, t} A[m, (c, t)] · source[n, c, i·reach + tap[t]]

(rows only; columns go alike), with zeros outside the source. For forward the source is x, reach the stride, and tap r
lies at r·dilation − pad. For backward_input the source is dy, and dx falls into stride x stride interleaved lattices:
on the lattice of one origin only some kernel cells meet an output, always the same, and there dx is a correlation of
stride 1. No product with an inserted zero is ever made.

The work is cut into bands of output rows of one image and group. What a band reads of the source is copied into a patch
with its zeros around it; where reach is above 1, with the cells of equal remainder side by side, so that for each tap
the cells that neighbouring outputs read are neighbours too:

    cell of output (i, j) and (c, t)  =  patch[row[(c, t)] + position],      position = i · width + j
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.tile import VECTOR_BYTES, VECTORS, cut

POSITIONS = 1024  # output positions of a band, at most; not tuned yet
SUMS = 1 << 16  # numbers of the result that a band computes, at most: 256 KiB in float32, half of a small L2


class Side(NamedTuple):
    """One spatial axis of a correlation."""

    out: int
    taps: tuple[int, ...]  # where the source is read for output 0
    kernel: tuple[int, ...]  # by which kernel cell
    reach: int
    step: int
    origin: int

    @property
    def spread(self) -> int:
        """Cells of equal remainder that the outputs of a band read, beyond one each."""
        return (max(self.taps) - min(self.taps)) // self.reach


class Bands(NamedTuple):
    """How a correlation is cut into bands; all numbers, in the order of rows, then columns."""

    items: int  # pieces of work: a band of one group of one image each
    panels: int  # of A, of one group
    panel_rows: int
    images: int
    groups: int
    M: int  # rows of A, of one group
    channels: int  # of the source, of one group
    length: int  # channels times taps
    P: int
    Q: int
    band_rows: int
    band_columns: int
    grid_rows: int
    grid_columns: int
    height: int  # cells of equal remainder
    width: int
    top: int  # cell of the source in a patch's corner, for the band at output 0
    left: int
    reach_down: int
    reach_across: int
    step_down: int
    step_across: int
    origin_down: int
    origin_across: int

    @property
    def work(self) -> int:
        """Multiply-adds of all of it."""
        return self.images * self.groups * self.M * self.P * self.Q * self.length

    @property
    def positions(self) -> int:
        """Of a band, counted with the cells between its rows, up to a whole number of tiles."""
        return self.band_rows * self.width + 64

    @property
    def patch_cells(self) -> int:
        """Of a patch, and what a tile may read beyond its end."""
        return self.channels * self.reach_down * self.reach_across * self.height * self.width + 64


BANDS = np.dtype([(name, np.int64) for name in Bands._fields])
"""The same as a record: one argument to a compiled loop instead of many."""


class Correlation(NamedTuple):
    """A correlation, ready to run."""

    bands: Bands
    record: Array  # of the bands
    row: Array  # where in a patch row (c, t) begins
    cell: Array  # kernel cell r·S + s of each tap
    weight_strides: tuple[int, int, int]  # of group, row of A and channel, in numbers


@lru_cache(maxsize=1024)
def forward_correlation(g: ConvGeometry, threads: int) -> Correlation:
    """The correlation that is convolution's forward."""
    K, channels = g.K // g.groups, g.C // g.groups
    strides = (K * channels * g.R * g.S, channels * g.R * g.S, g.R * g.S)
    return _correlation(g, K, channels, (_forward_side(g.rows), _forward_side(g.columns)), strides, threads)


@lru_cache(maxsize=1024)
def backward_correlations(g: ConvGeometry, threads: int) -> tuple[Correlation, ...]:
    """The correlations, one a lattice of dx, that are convolution's backward_input."""
    K, channels = g.K // g.groups, g.C // g.groups
    strides = (K * channels * g.R * g.S, g.R * g.S, channels * g.R * g.S)
    lattices = [
        (_backward_side(g.rows, down), _backward_side(g.columns, across))
        for down in range(min(g.rows.stride, g.H))
        for across in range(min(g.columns.stride, g.W))
    ]
    met = [sides for sides in lattices if sides[0].taps and sides[1].taps]
    return tuple(_correlation(g, channels, K, sides, strides, threads) for sides in met)


def covers(correlations: tuple[Correlation, ...], g: ConvGeometry) -> bool:
    """Whether the lattices are all that dx has: where the stride is longer than the kernel, some meet no output."""
    return sum(c.bands.P * c.bands.Q for c in correlations) == g.H * g.W


def _forward_side(axis: Axis) -> Side:
    """Output i reads x at i·stride + r·dilation − lead."""
    kernel = tuple(range(axis.kernel))
    return Side(axis.out, tuple(r * axis.dilation - axis.lead for r in kernel), kernel, axis.stride, 1, 0)


def _backward_side(axis: Axis, origin: int) -> Side:
    """Input i·stride + origin was read by output i + (origin + lead − r·dilation) / stride, for each r that divides."""
    shifts = {r: origin + axis.lead - r * axis.dilation for r in range(axis.kernel)}
    met = {r: shift // axis.stride for r, shift in shifts.items() if shift % axis.stride == 0}
    out = len(range(origin, axis.size, axis.stride))
    return Side(out, tuple(met.values()), tuple(met), 1, axis.stride, origin)


def _correlation(
    g: ConvGeometry, M: int, channels: int, sides: tuple[Side, Side], strides: tuple[int, int, int], threads: int
) -> Correlation:
    rows, columns = sides
    most = max(1, min(POSITIONS, SUMS // M))
    across = -(-columns.out // -(-columns.out // most))  # of equal bands, none longer than most
    share = -(-g.N * g.groups * rows.out // threads)  # rows of output for each thread
    down = max(1, min(most // across, rows.out, share))
    down = -(-rows.out // -(-rows.out // down))
    patch = down + rows.spread, across + columns.spread
    first = min(rows.taps), min(columns.taps)
    grid = -(-rows.out // down), -(-columns.out // across)
    bands = Bands(
        g.N * g.groups * grid[0] * grid[1], *cut(M),
        g.N, g.groups, M, channels, channels * len(rows.taps) * len(columns.taps),
        rows.out, columns.out, down, across, *grid, *patch, *first,
        rows.reach, columns.reach, rows.step, columns.step, rows.origin, columns.origin,
    )  # fmt: skip
    below, right = (np.array(side.taps) - min(side.taps) for side in sides)
    lattice = (below % rows.reach * columns.reach)[:, None] + right % columns.reach
    corner = (below // rows.reach * patch[1])[:, None] + right // columns.reach
    area = patch[0] * patch[1]
    tap = (lattice * area + corner).reshape(-1)
    row = np.add.outer(np.arange(channels) * rows.reach * columns.reach * area, tap).reshape(-1)
    cell = np.add.outer(np.array(rows.kernel) * g.S, columns.kernel).reshape(-1)
    return Correlation(bands, np.array([bands], BANDS), row.astype(np.uint64), cell.astype(np.int64), strides)


@inlined
def tile_width(array: Any) -> int:
    """Columns of a tile of this array's numbers."""
    return VECTORS * VECTOR_BYTES // array.itemsize


@inlined
def share(items: int, thread: int, threads: int) -> range:
    """The items of one thread of so many."""
    return range(thread * items // threads, (thread + 1) * items // threads)


@inlined
def locate(item: int, b: Bands) -> tuple[int, int, int, int, int, int]:
    """Image, group, first output row and column, and rows and columns of a band."""
    n, rest = divmod(item, b.groups * b.grid_rows * b.grid_columns)
    group, rest = divmod(rest, b.grid_rows * b.grid_columns)
    down, across = divmod(rest, b.grid_columns)
    i, j = down * b.band_rows, across * b.band_columns
    return n, group, i, j, min(b.band_rows, b.P - i), min(b.band_columns, b.Q - j)


@inlined
def copy_patch(source: Array, n: int, group: int, i: int, j: int, b: Bands, patch: Array) -> None:
    """Copy what the band at output (i, j) reads, zeros around it, cells of equal remainder side by side."""
    H, W = source.shape[2:]
    for c in range(b.channels):
        for down in range(b.reach_down):
            for across in range(b.reach_across):
                left = j * b.reach_across + b.left + across
                begin = min(b.width, max(0, -(left // b.reach_across)))  # first cell not left of the source
                end = max(begin, min(b.width, (W - 1 - left) // b.reach_across + 1))
                lattice = ((c * b.reach_down + down) * b.reach_across + across) * b.height
                for y in range(b.height):
                    h = i * b.reach_down + b.top + down + y * b.reach_down
                    line = patch[(lattice + y) * b.width : (lattice + y + 1) * b.width]
                    if h < 0 or h >= H:
                        line[:] = 0
                        continue
                    line[:begin] = 0
                    cells = source[n, group * b.channels + c, h]
                    if b.reach_across == 1:
                        for x in range(begin, end):
                            line[x] = cells[left + x]
                    else:
                        for x in range(begin, end):
                            line[x] = cells[left + x * b.reach_across]
                    line[end:] = 0


@parallel_kernel
def pack_weight(weight: Array, strides: tuple[int, int, int], cell: Array, bands: Array, panels: Array) -> None:
    """Put A in panels, the rows side by side for each column: panels[panel, (c, t) · panel_rows + i]."""
    for index in prange(len(panels)):
        _pack_panel(weight, strides, cell, np.int64(index), bands[0], panels)


@inlined
def _pack_panel(weight: Array, strides: tuple[int, int, int], cell: Array, index: Any, b: Bands, panels: Array) -> None:
    group, first = index // b.panels, index % b.panels * b.panel_rows
    taps = len(cell)
    for i in range(b.panel_rows):
        start = group * strides[0] + (first + i) * strides[1]
        for c in range(b.channels):
            for t in range(taps):
                value = weight[start + c * strides[2] + cell[t]] if first + i < b.M else 0
                panels[index, (c * taps + t) * b.panel_rows + i] = value


@inlined
def write_band(
    sums: Array,
    width: int,
    n: int,
    group: int,
    i: int,
    j: int,
    rows: int,
    columns: int,
    relu: bool,
    b: Bands,
    target: Array,
) -> None:
    """Put the sums of a band, whose rows lie ``width`` apart, where they belong in the target."""
    for m in range(b.M):
        for y in range(rows):
            line = target[n, group * b.M + m, (i + y) * b.step_down + b.origin_down]
            start = j * b.step_across + b.origin_across
            found = sums[m, y * width : y * width + columns]
            if b.step_across == 1 and relu:
                for x in range(columns):
                    line[start + x] = 0 if found[x] <= 0 else found[x]
            elif b.step_across == 1:
                for x in range(columns):
                    line[start + x] = found[x]
            else:
                for x in range(columns):
                    line[start + x * b.step_across] = found[x]


@inlined
def list_positions(rows: int, columns: int, width: int, position: Array) -> None:
    """Where in a patch, whose rows lie ``width`` apart, the outputs of a band begin to read; 0 beyond the last."""
    for y in range(rows):
        for x in range(columns):
            position[y * columns + x] = y * width + x
    position[rows * columns :] = 0


@inlined
def pack_gradient(
    grad: Array, n: int, group: int, i: int, j: int, rows: int, columns: int, b: Bands, lines: Array
) -> None:
    """Put dy of a band in panels of channels, side by side for each position; zeros where no channel is left."""
    for k in range(b.panels * b.panel_rows):
        panel, row = divmod(k, b.panel_rows)
        start = panel * rows * columns * b.panel_rows + row
        for y in range(rows):
            if k < b.M:
                line = grad[n, group * b.M + k, i + y, j : j + columns]
                for x in range(columns):
                    lines[np.uint64(start + (y * columns + x) * b.panel_rows)] = line[x]
            else:
                for x in range(columns):
                    lines[np.uint64(start + (y * columns + x) * b.panel_rows)] = 0


@parallel_kernel
def add_up(sums: Array, entry: Array, groups: int, M: int, dw: Array) -> None:
    """Add what the threads have summed, in their order, and put each entry in its place."""
    for index in prange(groups * sums.shape[2]):
        _add_up_panel(sums, entry, np.int64(index), M, dw)


@inlined
def _add_up_panel(sums: Array, entry: Array, index: Any, M: int, dw: Array) -> None:
    threads, _, column_panels, panels, panel_rows, width = sums.shape
    group, columns = divmod(index, column_panels)
    for k in range(M):
        panel, row = divmod(k, panel_rows)
        for column in range(width):
            place = entry[columns * width + column]
            if place >= 0:
                total = sums[0, group, columns, panel, row, column]
                for thread in range(1, threads):
                    total += sums[thread, group, columns, panel, row, column]
                dw[group * M + k, place] = total
