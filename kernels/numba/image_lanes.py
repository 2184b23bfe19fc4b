"""Run a convolution's passes with images as lanes: plan, take memory, call `image_lane_loops`.

Plain twin: `tinycnn.kernels.numpy.conv_direct`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.numba.correlation import Correlation, backward_correlations, covers, forward_correlation
from tinycnn.kernels.numba.image_lane_loops import accumulate_lanes, correlate_lanes, strip_rows
from tinycnn.kernels.numba.lane_tile import columns_beside, cut_lanes
from tinycnn.kernels.numba.launch import add_up, pack
from tinycnn.kernels.numba.threads import limit, team
from tinycnn.kernels.numba.tile import tile_columns
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
    dw = empty(geometry.weight_shape, dtype)
    panels, rows = cut_lanes(b.M, b.length)
    columns = columns_beside(rows)
    entry = np.full(-(-b.length // columns) * columns, -1)
    entry[: b.length] = np.arange(b.length)  # (c, r, s) are the columns' own order
    with team(b.work * width, b.items) as threads:
        sums = empty((threads, b.groups, len(entry) // columns, panels, rows, columns), dtype)
        accumulate_lanes(
            contiguous(grad),
            contiguous(x),
            correlation.row,
            correlation.record,
            *_patches(correlation, threads, geometry.W, dtype),
            empty((threads, panels * rows * b.band_rows * b.band_columns * width), dtype),
            sums,
        )
        add_up(sums, entry, b.groups, b.M, dw.reshape(geometry.K, -1))
    return dw


def _run(correlation: Correlation, source: Array, weight: Array, bias: Array | None, relu: bool, target: Array) -> None:
    b, dtype, width = correlation.bands, source.dtype, tile_columns(source.dtype)
    outputs = strip_rows(b.Q, width) * b.Q + width
    with team(b.work * width, b.items) as threads:
        correlate_lanes(
            contiguous(source),
            np.zeros(b.groups * b.M, dtype) if bias is None else contiguous(bias),
            relu,
            correlation.row,
            correlation.record,
            pack(weight, correlation),
            *_patches(correlation, threads, source.shape[3], dtype),
            empty((threads, outputs * b.panels * b.panel_rows * width), dtype),
            target,
        )


def _patches(correlation: Correlation, threads: int, W: int, dtype: Any) -> tuple[Array, Array]:
    """For each thread a patch, and the lines of one channel from which it is made."""
    b, width = correlation.bands, tile_columns(dtype)
    patch, lines = b.channels * b.channel_cells, b.height * b.reach_down * W
    return empty((threads, patch * width), dtype), empty((threads, lines * width), dtype)
