"""Direct convolution: the tile's rows of b are the image itself, read in place.

Within a patch (see `correlation`), what the tap (c, t) contributes to neighbouring outputs are neighbouring cells. So
no column matrix is built: the tile reads row (c, t) at patch[row + position], along the patch's own rows. Between two
rows of outputs lie as many cells as the patch is wider than the band; what is computed there is no output and is never
written. That waste, (S − 1) / (Q + S − 1) of a band, is direct convolution's price; im2col's is its copying.

backward_weight sums over positions, dW[k, c, t] = Σ dy[k, position] · patch[position + tap, c]. There the patch is
turned so that channels are neighbours, and a tile is a panel of kernels by a few channels of one tap.

Where rows are short and images many, vectors lie across images instead: see `image_lane_loops`, and for what can then
be done in the same go `lane_pooling_loops`.

Plain twin: `tinycnn.kernels.numpy.conv_direct`.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels import abreast
from tinycnn.kernels.numba import image_lanes, lane_pooling, launch, one_window
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.correlation import (
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
from tinycnn.kernels.numba.threads import limit
from tinycnn.kernels.numba.tile import multiply_tile, tile_columns
from tinycnn.kernels.numba.vectors import lanes_of, turn


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = w ⋆ x + b: (N, C, H, W) -> (N, K, P, Q)."""
    if fills_the_input(geometry):
        return one_window.forward(x, weight, bias, geometry)
    if abreast.forward(geometry):
        return image_lanes.forward(x, weight, bias, geometry, relu=False)
    return launch.forward(_correlate, x, weight, bias, geometry, relu=False)


def forward_relu(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = max(w ⋆ x + b, 0): (N, C, H, W) -> (N, K, P, Q)."""
    if fills_the_input(geometry):
        return one_window.forward_relu(x, weight, bias, geometry)
    if abreast.forward(geometry):
        return image_lanes.forward(x, weight, bias, geometry, relu=True)
    return launch.forward(_correlate, x, weight, bias, geometry, relu=True)


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx[h, w] = Σ w[r, s] · dy where output and input meet: (N, K, P, Q) -> (N, C, H, W)."""
    if fills_the_input(geometry):
        return one_window.backward_input(grad, weight, geometry)
    if abreast.backward_input(geometry):
        return image_lanes.backward_input(grad, weight, geometry)
    return launch.backward_input(_correlate, grad, weight, geometry)


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dw[k, c, r, s] = Σ dy · x where output and input meet: (N, K, P, Q) -> (K, C/G, R, S)."""
    if fills_the_input(geometry):
        return one_window.backward_weight(grad, x, geometry)
    if abreast.backward_weight(geometry):
        return image_lanes.backward_weight(grad, x, geometry)
    correlation = forward_correlation(geometry, limit())
    width = tile_columns(x.dtype)
    channels = -(-correlation.bands.channels // width) * width
    c = np.arange(channels)
    entry = correlation.cell[:, None] + c * (geometry.R * geometry.S)  # (taps, channels)
    entry[:, correlation.bands.channels :] = -1
    scratch = (correlation.bands.channel_cells + width) * channels
    return launch.backward_weight(_accumulate, grad, x, geometry, correlation, entry.reshape(-1), scratch)


fuses_tanh_pool = abreast.tanh_pool
forward_tanh_pool, backward_tanh_pool = lane_pooling.forward, lane_pooling.backward


@parallel_kernel
def _correlate(source, bias, relu, row, bands, panels, patches, unused, all_sums, target):
    for thread in prange(len(patches)):
        _correlate_share(source, bias, relu, row, bands, panels, patches, unused, all_sums, target, np.int64(thread))


@inlined
def _correlate_share(source, bias, relu, row, bands, panels, patches, unused, all_sums, target, thread):
    b, patch, sums = bands[0], patches[thread], all_sums[thread]
    flat, pitch = sums.reshape(-1), sums.shape[1]
    for item in share(b.items, thread, len(patches)):
        n, group, i, j, rows, columns = locate(item, b)
        copy_patch(source, n, group, i, j, b, patch)
        positions = (rows - 1) * b.width + columns
        start_with(bias, group, positions, b, sums)
        for start in range(0, b.length, DEPTH):
            depth = min(DEPTH, b.length - start)
            for position in range(0, positions, tile_width(patch)):
                for p in range(b.panels):
                    panel = (group * b.panels + p) * panels.shape[1] + start * b.panel_rows
                    tile = p * b.panel_rows * pitch + position
                    multiply_tile(
                        panels, panel, patch, position, row, start, depth, flat, tile, pitch, b.panel_rows,
                        positions - position,
                    )  # fmt: skip
        write_band(sums, b.width, n, group, i, j, rows, columns, relu, b, target)


@parallel_kernel
def _accumulate(grad, source, row, taps, bands, patches, all_lines, turned_patches, all_sums):
    for thread in prange(len(patches)):
        _accumulate_share(
            grad, source, row, taps, bands, patches, all_lines, turned_patches, all_sums, np.int64(thread)
        )


@inlined
def _accumulate_share(grad, source, row, taps, bands, patches, all_lines, turned_patches, all_sums, thread):
    width, column_panels = tile_width(patches), all_sums.shape[2]
    channel_panels = column_panels // taps
    channels = channel_panels * width
    b, patch, lines, turned = bands[0], patches[thread], all_lines[thread], turned_patches[thread]
    position = np.empty(b.band_rows * b.band_columns, np.int64)
    planes = list_planes(grad, b)
    cells, lanes = b.reach_down * b.reach_across * b.height * b.width, lanes_of(patch)
    channel = np.empty(channels, np.int64)
    for c in range(channels):
        channel[c] = min(c, b.channels - 1) * cells  # those beyond the last are left out by add_up
    sums = all_sums[thread].reshape(-1)
    sums[:] = 0
    for item in share(b.items, thread, len(patches)):
        n, group, i, j, rows, columns = locate(item, b)
        copy_patch(source, n, group, i, j, b, patch)
        pack_gradient(grad, n, group, i, j, rows, columns, b, planes, lines)
        for y in range(rows):
            for x in range(columns):
                position[y * columns + x] = (y * b.width + x) * channels
        for c in range(0, channels, lanes):
            turn(patch, 0, channel, c, turned, c, channels, max(cells, lanes))
        depth = rows * columns
        for panel in range(column_panels):
            begin = np.int64(row[panel // channel_panels]) * channels + panel % channel_panels * width
            left = b.channels - panel % channel_panels * width
            for p in range(b.panels):
                out = ((group * column_panels + panel) * b.panels + p) * b.panel_rows * width
                line = p * depth * b.panel_rows
                multiply_tile(lines, line, turned, begin, position, 0, depth, sums, out, width, b.panel_rows, left)
