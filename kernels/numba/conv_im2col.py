"""Blocked im2col: a few columns of the matrix are built in cache, multiplied at once, and built over.

Written out whole, the column matrix is R·S times the input, and moving it costs more than multiplying it. Here a panel
of it, DEPTH rows by as many columns as a tile has, is copied out of the band's patch (see `correlation`) into 16 KiB
(32 with AVX-512) that stay in the nearest cache; then every panel of the weight is multiplied with it. So the matrix is
never in memory, and no product is wasted: unlike direct convolution along rows, which reads the image in place, a panel
holds outputs alone. The price is the copying, one number for each 2·K operations.

backward_input multiplies by the turned weight, which gives the gradient of the columns, a panel of rows (c, r, s) at a
time, and folds each row back while it is in cache (col2im): it is added where the windows have cell (c, r, s).
backward_weight multiplies dy with the turned column matrix, a panel of columns (c, r, s) at a time.

Plain twin: `tinycnn.kernels.numpy.conv_im2col`. Source: Chellapilla, Puri, Simard (2006); the blocking is that of
Goto, van de Geijn (2008), Anatomy of High-Performance Matrix Multiplication, with the packing replaced by im2col.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.numba import launch, one_window
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.correlation import (
    clear,
    column_gradient,
    copy_patch,
    forward_correlation,
    list_planes,
    locate,
    pack_gradient,
    share,
    start_with,
    tile_width,
    write_band,
)
from tinycnn.kernels.numba.launch import DEPTH
from tinycnn.kernels.numba.one_window import fills_the_input
from tinycnn.kernels.numba.threads import limit, team
from tinycnn.kernels.numba.tile import multiply_tile, tile_columns
from tinycnn.kernels.numba.vectors import add_row, copy_vector, lanes_of, turn
from tinycnn.kernels.numba.workspace import contiguous, empty, zeros


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = w ⋆ x + b: (N, C, H, W) -> (N, K, P, Q)."""
    if fills_the_input(geometry):
        return one_window.forward(x, weight, bias, geometry)
    return launch.forward(_correlate, x, weight, bias, geometry, relu=False)


def forward_relu(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = max(w ⋆ x + b, 0): (N, C, H, W) -> (N, K, P, Q)."""
    if fills_the_input(geometry):
        return one_window.forward_relu(x, weight, bias, geometry)
    return launch.forward(_correlate, x, weight, bias, geometry, relu=True)


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx = col2im(Wᵀ · dy): (N, K, P, Q) -> (N, C, H, W)."""
    if fills_the_input(geometry):
        return one_window.backward_input(grad, weight, geometry)
    g, columns = geometry, column_gradient(geometry)
    b, dtype = columns.bands, grad.dtype
    dx = zeros(g.input_shape, dtype)
    pieces = min(g.H, -(-limit() // max(1, g.N * g.groups)))  # of the rows of an image
    with team(b.work, g.N * g.groups * pieces) as threads:
        _fold(
            contiguous(grad),
            columns.row,
            columns.record,
            launch.pack(weight, columns),
            (g.R, g.S, *g.stride, *g.dilation, g.rows.lead, g.columns.lead),
            pieces,
            empty((threads, b.patch_cells), dtype),
            empty((threads, b.panel_rows, b.positions), dtype),
            dx,
        )
    return dx


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dw[k, c, r, s] = Σ dy · x where output and input meet: (N, K, P, Q) -> (K, C/G, R, S)."""
    if fills_the_input(geometry):
        return one_window.backward_weight(grad, x, geometry)
    correlation = forward_correlation(geometry, limit())
    b, width = correlation.bands, tile_columns(x.dtype)
    entry = np.full(-(-b.length // width) * width, -1)
    entry[: b.length] = np.arange(b.length)  # (c, r, s) are the columns' own order
    scratch = (b.band_rows * b.band_columns + width) * width
    return launch.backward_weight(_accumulate, grad, x, geometry, correlation, entry, scratch)


@parallel_kernel
def _correlate(source, bias, relu, row, bands, panels, patches, all_columns, all_sums, target):
    for thread in prange(len(patches)):
        _correlate_share(
            source, bias, relu, row, bands, panels, patches, all_columns, all_sums, target, np.int64(thread)
        )


@inlined
def _correlate_share(source, bias, relu, row, bands, panels, patches, all_columns, all_sums, target, thread):
    b, patch, sums, packed = bands[0], patches[thread], all_sums[thread], all_columns[thread]
    flat, pitch, width = sums.reshape(-1), sums.shape[1], tile_width(patch)
    place, goal = np.empty(width, np.int64), np.empty(width, np.int64)
    packed_row = np.arange(DEPTH) * width
    for item in share(b.items, thread, len(patches)):
        n, group, i, j, rows, columns = locate(item, b)
        copy_patch(source, n, group, i, j, b, patch)
        start_with(bias, group, rows * columns, b, sums)
        for start in range(0, b.length, DEPTH):
            depth = min(DEPTH, b.length - start)
            for first in range(0, rows * columns, width):
                pieces = list_pieces(first, rows, columns, b, lanes_of(patch), place, goal)
                unfold(patch, row, start, depth, place, goal, pieces, packed)
                for p in range(b.panels):
                    panel = (group * b.panels + p) * panels.shape[1] + start * b.panel_rows
                    tile = p * b.panel_rows * pitch + first
                    multiply_tile(
                        panels, panel, packed, 0, packed_row, 0, depth, flat, tile, pitch, b.panel_rows,
                        rows * columns - first,
                    )  # fmt: skip
        write_band(sums, columns, n, group, i, j, rows, columns, relu, b, target)


@inlined
def list_pieces(first: int, rows: int, columns: int, b: Any, lanes: int, place: Array, goal: Array) -> int:
    """Cut the outputs of a tile into pieces of one row, a vector long at most: where each begins in patch and tile."""
    width, count, column = len(place), 0, 0
    y, x = divmod(first, columns)
    while column < width and y < rows:
        place[count], goal[count] = y * b.width + x, column
        piece = min(columns - x, lanes)
        count, column, x = count + 1, column + piece, x + piece
        if x == columns:
            y, x = y + 1, 0
    return count


@inlined
def unfold(
    patch: Array, row: Array, start: int, depth: int, place: Array, goal: Array, pieces: int, packed: Array
) -> None:
    """Build a panel of the column matrix: packed[l, j] = patch[row[start + l] + position of output j].

    A piece is copied as a whole vector; what that is too long, the next piece or the next row overwrites.
    """
    width = len(place)
    for index in range(depth):
        begin = np.int64(row[start + index])
        for piece in range(pieces):
            copy_vector(patch, begin + place[piece], packed, index * width + goal[piece])


@parallel_kernel
def _fold(source, row, bands, panels, numbers, pieces, patches, all_sums, dx):
    for thread in prange(len(patches)):
        _fold_share(source, row, bands, panels, numbers, pieces, patches, all_sums, dx, np.int64(thread))


@inlined
def _fold_share(source, row, bands, panels, numbers, pieces, patches, all_sums, dx, thread):
    b, patch, sums = bands[0], patches[thread], all_sums[thread]
    R, _, stride, _, dilation, _, lead, _ = numbers
    flat, pitch, H = sums.reshape(-1), sums.shape[1], dx.shape[2]
    for item in share(b.images * b.groups * pieces, thread, len(patches)):
        image, piece = divmod(item, pieces)
        n, group = divmod(image, b.groups)
        top, bottom = piece * H // pieces, (piece + 1) * H // pieces  # rows of dx, which no other thread adds to
        first = max(0, -((dilation * (R - 1) - lead - top) // stride))  # output that meets them
        end = min(b.P, (bottom - 1 + lead) // stride + 1)
        for band in range(first // b.band_rows, (end + b.band_rows - 1) // b.band_rows):
            i = max(first, band * b.band_rows)
            rows = min(end, (band + 1) * b.band_rows) - i
            for j in range(0, b.Q, b.band_columns):
                columns = min(b.band_columns, b.Q - j)
                copy_patch(source, n, group, i, j, b, patch)
                positions = (rows - 1) * b.width + columns
                for p in range(b.panels):
                    clear(flat, 0, len(flat))
                    for start in range(0, b.length, DEPTH):
                        panel = (group * b.panels + p) * panels.shape[1] + start * b.panel_rows
                        depth = min(DEPTH, b.length - start)
                        for at in range(0, positions, tile_width(patch)):
                            multiply_tile(
                                panels, panel, patch, at, row, start, depth, flat, at, pitch, b.panel_rows,
                                positions - at,
                            )  # fmt: skip
                    for m in range(p * b.panel_rows, min((p + 1) * b.panel_rows, b.M)):
                        begin = (m - p * b.panel_rows) * pitch
                        fold_row(flat, begin, m, n, group, i, j, rows, columns, top, bottom, b, numbers, dx)


@inlined
def fold_row(flat, begin, m, n, group, i, j, rows, columns, top, bottom, b, numbers, dx):
    """Add row m = (c, r, s) of the columns' gradient where a band's windows have that cell, in some rows of dx."""
    R, S, down, across, dilation_down, dilation_across, lead_down, lead_across = numbers
    c, cell = divmod(m, R * S)
    r, s = divmod(cell, S)
    _, C, H, W = dx.shape
    cells = dx.reshape(-1)
    plane = (n * C + group * (C // b.groups) + c) * H
    left = j * across + s * dilation_across - lead_across  # where the first output meets dx
    x0, x1 = max(0, -(left // across)), min(columns, (W - 1 - left) // across + 1)
    for y in range(rows):
        h = (i + y) * down + r * dilation_down - lead_down
        if top <= h < bottom and x0 < x1:
            start, goal = begin + y * b.width + x0, (plane + h) * W + left + x0 * across
            if across == 1:
                add_row(flat, start, cells, goal, x1 - x0)
            else:
                for x in range(x1 - x0):
                    cells[np.uint64(goal + x * across)] += flat[np.uint64(start + x)]


@parallel_kernel
def _accumulate(grad, source, row, taps, bands, patches, all_lines, all_columns, all_sums):
    for thread in prange(len(patches)):
        _accumulate_share(grad, source, row, taps, bands, patches, all_lines, all_columns, all_sums, np.int64(thread))


@inlined
def _accumulate_share(grad, source, row, taps, bands, patches, all_lines, all_columns, all_sums, thread):
    column_panels = all_sums.shape[2]
    b, patch, lines, packed = bands[0], patches[thread], all_lines[thread], all_columns[thread]
    width = tile_width(patch)
    tile = b.panel_rows * width
    packed_row = np.arange(b.band_rows * b.band_columns) * width
    planes = list_planes(grad, b)
    sums = all_sums[thread].reshape(-1)
    sums[:] = 0
    for item in share(b.items, thread, len(patches)):
        n, group, i, j, rows, columns = locate(item, b)
        copy_patch(source, n, group, i, j, b, patch)
        pack_gradient(grad, n, group, i, j, rows, columns, b, planes, lines)
        step = max(1, DEPTH // columns)  # rows of outputs whose packed columns stay in L1
        for panel in range(column_panels):
            for y in range(0, rows, step):
                part = min(step, rows - y)
                unfold_turned(patch, row, panel * width, y, part, columns, b, packed)
                for p in range(b.panels):
                    line = (p * rows + y) * columns * b.panel_rows
                    out = ((group * column_panels + panel) * b.panels + p) * tile
                    depth = part * columns
                    multiply_tile(
                        lines, line, packed, 0, packed_row, 0, depth, sums, out, width, b.panel_rows,
                        b.length - panel * width,
                    )  # fmt: skip


@inlined
def unfold_turned(
    patch: Array, row: Array, first: int, top: int, rows: int, columns: int, b: Any, packed: Array
) -> None:
    """Build a panel of the turned column matrix: packed[position, column] = patch[row[first + column] + position]."""
    width, lanes = tile_width(patch), lanes_of(patch)
    for y in range(rows):  # of a row shorter than a vector, what goes beyond is overwritten by the next row
        for column in range(0, min(width, b.length - first), lanes):
            start, goal = (top + y) * b.width, y * columns * width + column
            turn(patch, start, row, first + column, packed, goal, width, max(columns, lanes))
