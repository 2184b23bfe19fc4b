"""Blocked im2col: a few columns of the matrix are built in cache, multiplied at once, and built over.

Written out whole, the column matrix is R·S times the input, and moving it costs more than multiplying it. Here a panel
of it, DEPTH rows by as many columns as a tile has, is copied out of the band's patch (see `correlation`) into 16 KiB
that stay in L1; then every panel of the weight is multiplied with it. So the matrix is never in memory, and no product
is wasted: unlike direct convolution, which reads the image in place, a panel holds outputs alone. The price is the
copying, one number for each 2·K operations; it pays where rows of outputs are short or K is large.

backward_input gathers as forward does, instead of folding columns back (col2im): each lattice of dx is a correlation.
backward_weight multiplies dy with the turned column matrix, a panel of columns (c, r, s) at a time.

Plain twin: `tinycnn.kernels.numpy.conv_im2col`. Source: Chellapilla, Puri, Simard (2006); the blocking is that of
Goto, van de Geijn (2008), Anatomy of High-Performance Matrix Multiplication, with the packing replaced by im2col.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.numba import launch
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.correlation import (
    copy_patch,
    forward_correlation,
    list_positions,
    locate,
    pack_gradient,
    share,
    tile_width,
    write_band,
)
from tinycnn.kernels.numba.launch import DEPTH
from tinycnn.kernels.numba.linear import linear_backward_input, linear_backward_weight, linear_forward
from tinycnn.kernels.numba.threads import limit
from tinycnn.kernels.numba.tile import copy_columns, multiply_tile, tile_columns


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = w ⋆ x + b: (N, C, H, W) -> (N, K, P, Q)."""
    if fills_the_input(geometry):
        y = linear_forward(_rows(x), _rows(weight), bias)
        return y.reshape(geometry.output_shape)
    return launch.forward(_correlate, x, weight, bias, geometry, relu=False)


def forward_relu(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = max(w ⋆ x + b, 0): (N, C, H, W) -> (N, K, P, Q)."""
    if fills_the_input(geometry):
        y = forward(x, weight, bias, geometry)
        return np.maximum(y, 0, out=y)
    return launch.forward(_correlate, x, weight, bias, geometry, relu=True)


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx[h, w] = Σ w[r, s] · dy where output and input meet: (N, K, P, Q) -> (N, C, H, W)."""
    if fills_the_input(geometry):
        return linear_backward_input(_rows(grad), _rows(weight)).reshape(geometry.input_shape)
    return launch.backward_input(_correlate, grad, weight, geometry)


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dw[k, c, r, s] = Σ dy · x where output and input meet: (N, K, P, Q) -> (K, C/G, R, S)."""
    if fills_the_input(geometry):
        return linear_backward_weight(_rows(grad), _rows(x)).reshape(geometry.weight_shape)
    correlation = forward_correlation(geometry, limit())
    b, width = correlation.bands, tile_columns(x.dtype)
    entry = np.full(-(-b.length // width) * width, -1)
    entry[: b.length] = np.arange(b.length)  # (c, r, s) are the columns' own order
    scratch = b.band_rows * b.band_columns * width
    return launch.backward_weight(_accumulate, grad, x, geometry, correlation, entry, scratch)


def fills_the_input(geometry: ConvGeometry) -> bool:
    """Whether an image has one window, itself: then images are the columns, and the layer is a fully connected one."""
    g = geometry
    return (g.H, g.W, g.groups, g.padding, g.dilation) == (g.R, g.S, 1, (0, 0, 0, 0), (1, 1))


def _rows(array: Array) -> Array:
    """(n, …) -> (n, rest)."""
    return array.reshape(len(array), math.prod(array.shape[1:]))


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
    position = np.empty(b.band_rows * b.band_columns + width, np.uint64)
    packed_row = np.arange(DEPTH) * width
    for item in share(b.items, thread, len(patches)):
        n, group, i, j, rows, columns = locate(item, b)
        copy_patch(source, n, group, i, j, b, patch)
        list_positions(rows, columns, b.width, position)
        for m in range(b.M):
            sums[m, : rows * columns] = bias[group * b.M + m]
        for start in range(0, b.length, DEPTH):
            depth = min(DEPTH, b.length - start)
            for first in range(0, rows * columns, width):
                unfold(patch, row[start : start + depth], position[first : first + width], packed)
                for p in range(b.panels):
                    panel = (group * b.panels + p) * panels.shape[1] + start * b.panel_rows
                    tile = p * b.panel_rows * pitch + first
                    multiply_tile(panels, panel, packed, 0, packed_row, 0, depth, flat, tile, pitch, b.panel_rows)
        write_band(sums, columns, n, group, i, j, rows, columns, relu, b, target)


@inlined
def unfold(patch: Array, row: Array, position: Array, packed: Array) -> None:
    """Build a panel of the column matrix: packed[l, j] = patch[row[l] + position[j]]."""
    width = tile_width(patch)
    if position[width - 1] == position[0] + np.uint64(width - 1):  # neighbours all
        for index in range(len(row)):
            copy_columns(patch, np.int64(row[index] + position[0]), packed, index * width)
        return
    for index in range(len(row)):
        for column in range(width):  # unsigned, since Numba looks at each signed index for being below 0
            packed[np.uint64(index * width + column)] = patch[row[index] + position[column]]


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
    sums = all_sums[thread].reshape(-1)
    sums[:] = 0
    for item in share(b.items, thread, len(patches)):
        n, group, i, j, rows, columns = locate(item, b)
        copy_patch(source, n, group, i, j, b, patch)
        pack_gradient(grad, n, group, i, j, rows, columns, b, lines)
        step = max(1, DEPTH // columns)  # rows of outputs whose packed columns stay in L1
        for panel in range(column_panels):
            for y in range(0, rows, step):
                part = min(step, rows - y)
                unfold_turned(patch, row, panel * width, y, part, columns, b, packed)
                for p in range(b.panels):
                    line = (p * rows + y) * columns * b.panel_rows
                    out = ((group * column_panels + panel) * b.panels + p) * tile
                    depth = part * columns
                    multiply_tile(lines, line, packed, 0, packed_row, 0, depth, sums, out, width, b.panel_rows)


@inlined
def unfold_turned(
    patch: Array, row: Array, first: int, top: int, rows: int, columns: int, b: Any, packed: Array
) -> None:
    """Build a panel of the turned column matrix: packed[position, column] = patch[row[first + column] + position]."""
    width = tile_width(patch)
    for column in range(width):
        begin = np.int64(row[min(first + column, b.length - 1)])  # columns beyond the last are left out by add_up
        for y in range(rows):
            start = begin + (top + y) * b.width
            line = patch[start : start + columns]
            for x in range(columns):
                packed[np.uint64((y * columns + x) * width + column)] = line[x]
