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

A cell is a number, or, with images ``abreast``, the numbers that so many images have there, side by side: then a band
is of a block of images, and ``row`` counts their numbers (see `image_lane_loops`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels.abreast import CELLS
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.tile import VECTOR_BYTES, VECTORS, cut
from tinycnn.kernels.numba.vectors import copy_row, lanes_of, turn_rows

# How large a band is: of layers of VGG-16, AlexNet and LeNet-5 on two threads with 1 MiB of L2 each, the double and the
# half of both are as fast within 5 % by pass; with half of SUMS, VGG-16 is slower by a tenth where it has 512 channels.
POSITIONS = 1024  # outputs of a band, at most
SUMS = 1 << 17  # numbers that a band keeps in cache, at most
BEYOND = 64  # numbers after the last, which vectors read and tiles ask for: two vectors of float32 hold 32
PACKED = 8  # panels packed together: what lies side by side in the weight is read at once, along A's rows or columns


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

    items: int  # pieces of work: a band of one group of one image, or block of images, each
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
        return self.band_rows * self.width + BEYOND

    @property
    def patch_cells(self) -> int:
        """Of a patch, and what a tile or a vector may read beyond its end."""
        return self.channels * self.channel_cells + BEYOND

    @property
    def channel_cells(self) -> int:
        """Of one channel in a patch."""
        return self.reach_down * self.reach_across * self.height * self.width


BANDS = np.dtype([(name, np.int64) for name in Bands._fields])
"""The same as a record: one argument to a compiled loop instead of many."""


class Correlation(NamedTuple):
    """A correlation, ready to run."""

    bands: Bands
    record: Array  # of the bands
    row: Array  # where in a patch row (c, t) begins; what vectors read beyond the last is the last again
    cell: Array  # kernel cell r·S + s of each tap
    weight_strides: tuple[int, int, int]  # of group, row of A and channel, in numbers


@lru_cache(maxsize=1024)
def forward_correlation(g: ConvGeometry, threads: int, abreast: int = 1, unit: int = 1) -> Correlation:
    """The correlation that is convolution's forward, with so many images side by side, in bands of whole units."""
    K, channels = g.K // g.groups, g.C // g.groups
    strides = (K * channels * g.R * g.S, channels * g.R * g.S, g.R * g.S)
    return _correlation(
        g, K, channels, (_forward_side(g.rows), _forward_side(g.columns)), strides, threads, K, abreast, unit
    )


@lru_cache(maxsize=1024)
def backward_correlations(g: ConvGeometry, threads: int, abreast: int = 1) -> tuple[Correlation, ...]:
    """The correlations, one a lattice of dx, that are convolution's backward_input."""
    K, channels = g.K // g.groups, g.C // g.groups
    strides = (K * channels * g.R * g.S, g.R * g.S, channels * g.R * g.S)
    lattices = [
        (_backward_side(g.rows, down), _backward_side(g.columns, across))
        for down in range(min(g.rows.stride, g.H))
        for across in range(min(g.columns.stride, g.W))
    ]
    met = [sides for sides in lattices if sides[0].taps and sides[1].taps]
    return tuple(_correlation(g, channels, K, sides, strides, threads, channels, abreast) for sides in met)


@lru_cache(maxsize=1024)
def column_gradient(g: ConvGeometry) -> Correlation:
    """The gradient of the column matrix, Wᵀ · dy: a correlation of dy with kernels of one cell, C/G·R·S of them.

    Its bands are the same for any number of threads, and so is the order in which columns are folded.
    """
    K, M = g.K // g.groups, g.C // g.groups * g.R * g.S
    sides = Side(g.P, (0,), (0,), 1, 1, 0), Side(g.Q, (0,), (0,), 1, 1, 0)
    return _correlation(g, M, K, sides, (K * M, 1, M), 1, K)


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


def _band_rows(rows: int, width: int, most: int, images: int, threads: int) -> int:
    """The height of bands that makes the fewest tiles: 7 rows of 16 fill 3.5, which are 4, and 14 rows fill 7."""

    def tiles(height: int) -> int:
        return -(-height * width // (VECTORS * VECTOR_BYTES // np.dtype(np.float32).itemsize))

    def cost(height: int) -> tuple[int, int]:
        whole, rest = divmod(rows, height)
        bands = whole + (rest > 0)
        if images >= threads:
            return whole * tiles(height) + tiles(rest), bands
        return -(-images * bands // threads) * tiles(height), bands

    return min(range(1, most + 1), key=cost)


def _whole_rows(rows: int, most: int, unit: int, blocks: int, threads: int) -> int:
    """The height of bands of images side by side that lets the threads end soonest, in whole units."""
    return min(
        range(unit, max(most, unit) + 1, unit),
        key=lambda height: (-(-blocks * -(-rows // height) // threads) * height, -height),
    )


def row_cells(channels: int, sides: tuple[Side, Side], rows: int, sums: int = 0) -> int:
    """Cells in so many rows of a patch, and of so many sums for each output in them."""
    down, across = sides
    return rows * (channels * down.reach * across.reach * (across.out + across.spread) + sums * across.out)


def _correlation(
    g: ConvGeometry,
    M: int,
    channels: int,
    sides: tuple[Side, Side],
    strides: tuple[int, int, int],
    threads: int,
    held: int,
    abreast: int = 1,
    unit: int = 1,
) -> Correlation:
    """Cut in bands; of each position ``held`` numbers must stay in cache."""
    rows, columns = sides
    blocks = -(-g.N // abreast)
    if abreast > 1:
        across = columns.out
        most = (CELLS - row_cells(channels, sides, rows.spread)) // row_cells(channels, sides, 1, M)
        down = _whole_rows(rows.out, min(most, rows.out), unit, blocks * g.groups, threads)
    else:
        most = max(1, min(POSITIONS, SUMS // held))
        across = -(-columns.out // -(-columns.out // most))  # of equal bands, none longer than most
        most = max(1, min(most // across, rows.out))
        down = _band_rows(rows.out, across + columns.spread, most, g.N * g.groups, threads)
    patch = down + rows.spread, across + columns.spread
    first = min(rows.taps), min(columns.taps)
    grid = -(-rows.out // down), -(-columns.out // across)
    bands = Bands(
        blocks * g.groups * grid[0] * grid[1], *cut(M),
        blocks, g.groups, M, channels, channels * len(rows.taps) * len(columns.taps),
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
    row = np.pad(row * abreast, (0, BEYOND), "edge").astype(np.uint64)
    return Correlation(bands, np.array([bands], BANDS), row, cell.astype(np.int64), strides)


@inlined
def tile_width(array: Any) -> int:
    """Columns of a tile of this array's numbers."""
    return VECTORS * lanes_of(array)


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
    _, channels, H, W = source.shape
    cells, least = source.reshape(-1), source.dtype.type(-np.inf)
    for c in range(b.channels):
        plane = (n * channels + group * b.channels + c) * H
        for down in range(b.reach_down):
            for across in range(b.reach_across):
                left = j * b.reach_across + b.left + across
                begin = min(b.width, max(0, -(left // b.reach_across)))  # first cell not left of the source
                end = max(begin, min(b.width, (W - 1 - left) // b.reach_across + 1))
                lattice = ((c * b.reach_down + down) * b.reach_across + across) * b.height
                for y in range(b.height):
                    h = i * b.reach_down + b.top + down + y * b.reach_down
                    goal = (lattice + y) * b.width
                    if h < 0 or h >= H:
                        clear(patch, goal, goal + b.width)
                        continue
                    clear(patch, goal, goal + begin)
                    start = (plane + h) * W + left
                    if b.reach_across == 1:
                        copy_row(cells, start + begin, patch, goal + begin, end - begin, least)
                    else:
                        for x in range(begin, end):
                            patch[np.uint64(goal + x)] = cells[np.uint64(start + x * b.reach_across)]
                    clear(patch, goal + end, goal + b.width)


@inlined
def clear(numbers: Array, start: int, stop: int) -> None:
    """Put zeros from start to stop."""
    for index in range(start, stop):
        numbers[np.uint64(index)] = 0


@parallel_kernel
def pack_weight(weight: Array, strides: tuple[int, int, int], cell: Array, bands: Array, panels: Array) -> None:
    """Put A in panels, the rows side by side for each column: panels[panel, (c, t) · panel_rows + i]."""
    blocks = (len(panels) + PACKED - 1) // PACKED
    for block in prange(blocks):
        pack_panels(weight, strides, cell, np.int64(block) * PACKED, bands[0], panels)


@inlined
def pack_panels(weight: Array, strides: tuple[int, int, int], cell: Array, first: Any, b: Bands, panels: Array) -> None:
    """Put PACKED of the panels in place, from the first on."""
    for c in range(b.channels):
        for t in range(len(cell)):
            column = (c * len(cell) + t) * b.panel_rows
            for index in range(first, min(first + PACKED, len(panels))):
                group, panel = divmod(index, b.panels)
                row = panel * b.panel_rows
                start = group * strides[0] + row * strides[1] + c * strides[2] + cell[t]
                rows = min(b.panel_rows, b.M - row)
                for i in range(rows):
                    panels[index, np.uint64(column + i)] = weight[np.uint64(start + i * strides[1])]
                for i in range(rows, b.panel_rows):
                    panels[index, np.uint64(column + i)] = 0


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
    _, channels, H, W = target.shape
    found, line, least = sums.reshape(-1), target.reshape(-1), sums.dtype.type(0 if relu else -np.inf)
    for m in range(b.M):
        plane = (n * channels + group * b.M + m) * H
        for y in range(rows):
            begin = m * sums.shape[1] + y * width
            start = (plane + (i + y) * b.step_down + b.origin_down) * W + j * b.step_across + b.origin_across
            if b.step_across == 1:
                copy_row(found, begin, line, start, columns, least)
            else:
                for x in range(columns):
                    line[np.uint64(start + x * b.step_across)] = found[np.uint64(begin + x)]


@inlined
def start_with(bias: Array, group: int, positions: int, b: Bands, sums: Array) -> None:
    """Let the sums of a band begin with the bias."""
    flat, pitch = sums.reshape(-1), sums.shape[1]
    for m in range(b.M):
        start, value = m * pitch, bias[group * b.M + m]
        for position in range(positions):
            flat[np.uint64(start + position)] = value


@inlined
def list_planes(grad: Array, b: Bands) -> Array:
    """Where each channel of a group begins; beyond the last, the last again."""
    planes = np.empty(b.panels * b.panel_rows + lanes_of(grad), np.int64)
    for k in range(len(planes)):
        planes[k] = min(k, b.M - 1) * b.P * b.Q
    return planes


@inlined
def pack_gradient(
    grad: Array, n: int, group: int, i: int, j: int, rows: int, columns: int, b: Bands, planes: Array, lines: Array
) -> None:
    """Put dy of a band in panels of channels, side by side for each position; where none is left, any numbers."""
    cells, lanes, count = grad.reshape(-1), lanes_of(grad), rows * columns
    start = ((n * grad.shape[1] + group * b.M) * b.P + i) * b.Q + j
    if columns == b.Q:  # rows follow each other
        rows, columns = 1, count
    for panel in range(b.panels):
        first = panel * b.panel_rows
        for y in range(rows):
            goal = first * count + y * columns * b.panel_rows
            if columns >= lanes:  # what goes beyond the last column is overwritten by the next row or panel
                turn_rows(cells, start + y * b.Q, planes, first, b.panel_rows, lines, goal, b.panel_rows, columns)
                continue
            for row in range(b.panel_rows):
                begin = start + y * b.Q + planes[first + row]
                for x in range(columns):
                    lines[np.uint64(goal + x * b.panel_rows + row)] = cells[np.uint64(begin + x)]
