"""Run a convolution's passes with images as lanes: plan, take memory, call `image_lane_loops`.

Plain twin: `tinycnn.kernels.numpy.conv_direct`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.numba.correlation import Correlation, backward_correlations, covers, forward_correlation
from tinycnn.kernels.numba.image_lane_loops import accumulate_lanes, correlate_lanes
from tinycnn.kernels.numba.lane_tile import columns_beside, cut_lanes
from tinycnn.kernels.numba.launch import add_up, pack
from tinycnn.kernels.numba.threads import limit, team
from tinycnn.kernels.numba.tile import VECTORS, tile_columns
from tinycnn.kernels.numba.workspace import contiguous, empty, zeros


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry, relu: bool) -> Array:
    """y = w ⋆ x + b, then max(y, 0) with ``relu``: (N, C, H, W) -> (N, K, P, Q)."""
    y = empty(geometry.output_shape, x.dtype)
    _run(forward_correlation(geometry, limit(), tile_columns(x.dtype)), x, weight, bias, relu, y)
    return y


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx[h, w] = Σ w[r, s] · dy where output and input meet: (N, K, P, Q) -> (N, C, H, W)."""
    lattices = backward_correlations(geometry, limit(), tile_columns(grad.dtype))
    dx = (empty if covers(lattices, geometry) else zeros)(geometry.input_shape, grad.dtype)
    for lattice in lattices:
        _run(lattice, grad, weight, None, False, dx)
    return dx


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dw[k, c, r, s] = Σ dy · x where output and input meet: (N, K, P, Q) -> (K, C/G, R, S)."""
    correlation = forward_correlation(geometry, limit(), tile_columns(x.dtype))
    b, dtype, width = correlation.bands, x.dtype, tile_columns(x.dtype)
    dw, (tiles, entry) = empty(geometry.weight_shape, dtype), weight_tiles(b.M, b.length)
    _, panels, rows, _ = tiles
    with team(b.work * width, b.items) as threads:
        sums = empty((threads, b.groups, *tiles), dtype)
        accumulate_lanes(
            contiguous(grad),
            contiguous(x),
            correlation.row,
            correlation.record,
            *patches(correlation, threads, geometry.W, dtype),
            empty((threads, panels * rows * b.band_rows * b.band_columns * width), dtype),
            empty((threads, sums[0].size * width // VECTORS), dtype),
            sums,
        )
        add_up(sums, entry, b.groups, b.M, dw.reshape(geometry.K, -1))
    return dw


@lru_cache(maxsize=256)
def weight_tiles(rows: int, columns: int) -> tuple[tuple[int, int, int, int], Array]:
    """Cut dw of a group in tiles, (panels of columns, panels of rows, rows, columns), and say each column's entry."""
    panels, height = cut_lanes(rows, columns)
    length = columns_beside(height)
    entry = np.full(-(-columns // length) * length, -1)
    entry[:columns] = np.arange(columns)  # (c, r, s) are the columns' own order
    return (len(entry) // length, panels, height, length), entry


def _run(correlation: Correlation, source: Array, weight: Array, bias: Array | None, relu: bool, target: Array) -> None:
    b, dtype, width = correlation.bands, source.dtype, tile_columns(source.dtype)
    strip = max(1, width // b.Q)  # rows of outputs, so few that their sums stay in the nearest cache
    cells = b.panels * b.panel_rows * (strip * b.Q + 1) + width
    with team(b.work * width, b.items) as threads:
        correlate_lanes(
            contiguous(source),
            np.zeros(b.groups * b.M, dtype) if bias is None else contiguous(bias),
            relu,
            correlation.row,
            correlation.record,
            pack(weight, correlation),
            strip,
            *patches(correlation, threads, source.shape[3], dtype),
            empty((threads, cells * width), dtype),
            target,
        )


def patches(correlation: Correlation, threads: int, W: int, dtype: Any) -> tuple[Array, Array]:
    """For each thread a patch, and the lines of one channel from which it is made."""
    b, width = correlation.bands, tile_columns(dtype)
    patch, lines = b.channels * b.channel_cells, b.height * b.reach_down * W
    return empty((threads, patch * width), dtype), empty((threads, lines * width), dtype)
