"""Run a convolution's passes with output channels as lanes: plan, take memory, call `channel_lane_loops`.

Plain twin: `tinycnn.kernels.numpy.conv_direct`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.numba.channel_lane_loops import DEPTH, STRIP, accumulate_channels, add_channels, correlate_channels
from tinycnn.kernels.numba.correlation import BANDS, Correlation, forward_correlation
from tinycnn.kernels.numba.launch import pack
from tinycnn.kernels.numba.threads import limit, team
from tinycnn.kernels.numba.tile import tile_columns
from tinycnn.kernels.numba.workspace import contiguous, empty


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry, relu: bool) -> Array:
    """y = w ⋆ x + b, then max(y, 0) with ``relu``: (N, C, H, W) -> (N, K, P, Q)."""
    correlation = correlation_in_lanes(geometry, limit(), tile_columns(x.dtype))
    b, dtype = correlation.bands, x.dtype
    y = empty(geometry.output_shape, dtype)
    with team(b.work, b.items) as threads:
        correlate_channels(
            contiguous(x),
            np.zeros(geometry.K, dtype) if bias is None else contiguous(bias),
            relu,
            correlation.row,
            correlation.record,
            geometry.stride,
            pack(weight, correlation),
            empty((threads, b.patch_cells), dtype),
            empty((threads, STRIP * b.panel_rows), dtype),
            y,
        )
    return y


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dw[k, c, r, s] = Σ dy · x where output and input meet: (N, K, P, Q) -> (K, C/G, R, S)."""
    correlation = correlation_in_lanes(geometry, limit(), tile_columns(x.dtype))
    b, dtype = correlation.bands, x.dtype
    dw = empty(geometry.weight_shape, dtype)
    with team(b.work, b.items) as threads:
        sums = empty((threads, b.groups, b.length, b.panels * b.panel_rows), dtype)
        accumulate_channels(
            contiguous(grad),
            contiguous(x),
            correlation.row,
            correlation.record,
            geometry.stride,
            empty((threads, b.patch_cells), dtype),
            empty((threads, (DEPTH + 1) * b.panel_rows), dtype),
            sums,
        )
    with team(sums.size, geometry.K):  # what is few is added sooner than another thread is woken
        add_channels(sums, b.M, dw.reshape(geometry.K, -1))
    return dw


@lru_cache(maxsize=1024)
def correlation_in_lanes(g: ConvGeometry, threads: int, width: int) -> Correlation:
    """The correlation that is convolution's forward, for `channel_lane_loops`.

    The weight is in panels of as many rows as a tile has columns. Whatever the stride, a patch has its cells as the
    image has them.
    """
    correlation = forward_correlation(g, threads)
    b = correlation.bands
    height, patch_width = (
        (outputs - 1) * axis.stride + axis.extent
        for outputs, axis in ((b.band_rows, g.rows), (b.band_columns, g.columns))
    )
    bands = b._replace(
        panels=-(-b.M // width), panel_rows=width, height=height, width=patch_width, reach_down=1, reach_across=1
    )
    tap = np.add.outer(np.arange(g.R) * g.rows.dilation * patch_width, np.arange(g.S) * g.columns.dilation).reshape(-1)
    row = np.add.outer(np.arange(b.channels) * height * patch_width, tap).reshape(-1).astype(np.int64)
    return correlation._replace(bands=bands, record=np.array([bands], BANDS), row=row)
