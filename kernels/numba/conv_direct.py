"""Direct convolution: the tile's rows of b are the image itself, read in place.

Within a patch (see `correlation`), what the tap (c, t) contributes to neighbouring outputs are neighbouring cells. So
no column matrix is built: the tile reads row (c, t) at patch[row + position], along the patch's own rows. Between two
rows of outputs lie as many cells as the patch is wider than the band; what is computed there is no output and is never
written. That waste, (S − 1) / (Q + S − 1) of a band, is direct convolution's price; im2col's is its copying.

backward_weight, and forward where channels fill vectors, broadcast the image's numbers instead, and waste no position:
see `channel_lane_loops`. Of few weights, dw is summed along rows: see `row_lanes`.

Where rows are short and images many, vectors lie across images instead: see `image_lane_loops`, and for what can then
be done in the same go `lane_pooling_loops`.

Plain twin: `tinycnn.kernels.numpy.conv_direct`.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels import abreast, along, spread
from tinycnn.kernels.numba import channel_lanes, image_lanes, lane_pooling, launch, one_window, row_lanes
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.correlation import (
    copy_patch,
    locate,
    share,
    start_with,
    tile_width,
    write_band,
)
from tinycnn.kernels.numba.launch import DEPTH
from tinycnn.kernels.numba.one_window import fills_the_input
from tinycnn.kernels.numba.tile import multiply_tile


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = w ⋆ x + b: (N, C, H, W) -> (N, K, P, Q)."""
    if fills_the_input(geometry):
        return one_window.forward(x, weight, bias, geometry)
    if abreast.forward(geometry):
        return image_lanes.forward(x, weight, bias, geometry, relu=False)
    if spread.forward(geometry):
        return channel_lanes.forward(x, weight, bias, geometry, relu=False)
    return launch.forward(_correlate, x, weight, bias, geometry, relu=False)


def forward_relu(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = max(w ⋆ x + b, 0): (N, C, H, W) -> (N, K, P, Q)."""
    if fills_the_input(geometry):
        return one_window.forward_relu(x, weight, bias, geometry)
    if abreast.forward(geometry):
        return image_lanes.forward(x, weight, bias, geometry, relu=True)
    if spread.forward(geometry):
        return channel_lanes.forward(x, weight, bias, geometry, relu=True)
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
    if along.backward_weight(geometry):
        return row_lanes.backward_weight(grad, x, geometry)
    return channel_lanes.backward_weight(grad, x, geometry)


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
