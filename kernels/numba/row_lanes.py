"""Rows of outputs as lanes, for dw of few weights: what a vector multiplies lies in dy and x as it is needed.

    dw[k, (c, t)]  =  Σ_position dy[k, position] · patch[row[(c, t)] + position]

is a scalar product of a row of dy and the same row of x, moved by the tap. Where rows of outputs are whole vectors,
both are read in place: dy is not turned, as it is for vectors of channels (`channel_lane_loops`), where a layer of few
weights does little with each number that was. Each sum is a vector of partial sums, so there must be few.

Plain twin: `tinycnn.kernels.numpy.conv_direct`.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.numba.caches import prefetch
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.correlation import copy_patch, forward_correlation, locate, share
from tinycnn.kernels.numba.image_lane_loops import add_up_lanes
from tinycnn.kernels.numba.image_lanes import weight_tiles
from tinycnn.kernels.numba.lane_tile import multiply_lanes
from tinycnn.kernels.numba.launch import add_up
from tinycnn.kernels.numba.threads import limit, team
from tinycnn.kernels.numba.tile import VECTORS, tile_columns
from tinycnn.kernels.numba.vectors import copy_row, lanes_of
from tinycnn.kernels.numba.workspace import contiguous, empty


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dw[k, c, r, s] = Σ dy · x where output and input meet: (N, K, P, Q) -> (K, C/G, R, S)."""
    correlation = forward_correlation(geometry, limit())
    b, dtype, lanes = correlation.bands, x.dtype, tile_columns(x.dtype) // VECTORS
    dw, (tiles, entry) = empty(geometry.weight_shape, dtype), weight_tiles(b.M, b.length)
    with team(b.work, b.items) as threads:
        sums = empty((threads, b.groups, *tiles), dtype)
        accumulate_rows(
            contiguous(grad),
            contiguous(x),
            correlation.row,
            correlation.record,
            empty((threads, b.patch_cells), dtype),
            empty((threads, tiles[2] * b.band_rows * b.Q), dtype),
            empty((threads, sums[0].size * lanes), dtype),
            sums,
        )
        add_up(sums, entry, b.groups, b.M, dw.reshape(geometry.K, -1))
    return dw


@parallel_kernel
def accumulate_rows(grad, source, row, bands, patches, all_lines, all_vectors, all_sums):
    """Sum all bands' products into dw, each thread its own."""
    for thread in prange(len(patches)):
        _accumulate_share(grad, source, row, bands, patches, all_lines, all_vectors, all_sums, np.int64(thread))


@inlined
def _accumulate_share(grad, source, row, bands, patches, all_lines, all_vectors, all_sums, thread):
    _, _, column_panels, panels, rows, columns = all_sums.shape
    b, patch, lines, sums, flat = bands[0], patches[thread], all_lines[thread], all_vectors[thread], grad.reshape(-1)
    lanes, plane = lanes_of(patch), b.P * b.Q
    place = np.empty(b.band_rows * b.Q // lanes, np.int64)
    sums[:] = 0
    for item in share(b.items, thread, len(patches)):
        n, group, i, j, height, _ = locate(item, b)
        copy_patch(source, n, group, i, j, b, patch)
        steps = list_vectors(height, b, lanes, place)
        for p in range(panels):
            start = ((n * b.groups + group) * b.M + p * rows) * plane + i * b.Q
            is_whole = (p + 1) * rows <= b.M
            if not is_whole:
                repeat_last(flat, start, plane, b.M - p * rows, rows, height * b.Q, lines)
            for column in range(column_panels):
                goal = ((group * column_panels + column) * panels + p) * rows * columns * lanes
                taps = column * columns
                for k in share(rows, column, column_panels):  # of the next panel
                    prefetch(flat, start + (rows + k) * plane, height * b.Q, False)
                if is_whole:
                    multiply_lanes(flat, start, plane, patch, row, taps, place, steps, sums, goal, rows)
                else:
                    multiply_lanes(lines, 0, height * b.Q, patch, row, taps, place, steps, sums, goal, rows)
    add_up_lanes(sums, all_sums[thread])


@inlined
def list_vectors(height, b, lanes, place):
    """Where in the patch each vector of so many rows of outputs begins, and how many there are."""
    steps = 0
    for y in range(height):
        for x in range(0, b.Q, lanes):
            place[steps] = y * b.width + x
            steps += 1
    return steps


@inlined
def repeat_last(flat, start, plane, channels, rows, count, lines):
    """Copy so many numbers of each channel; beyond the last, the last again: sums that nobody reads."""
    for row in range(rows):
        copy_row(flat, start + min(row, channels - 1) * plane, lines, row * count, count, flat.dtype.type(-np.inf))
