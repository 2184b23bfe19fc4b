"""Run convolution, tanh and the mean of 2x2 windows as one, images as lanes: plan, take memory, call the loops.

Plain twin: the three kernels one after the other.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.numba import image_lanes
from tinycnn.kernels.numba.correlation import forward_correlation
from tinycnn.kernels.numba.lane_pooling_loops import WINDOW, convolve_and_pool, differentiate
from tinycnn.kernels.numba.threads import limit, team
from tinycnn.kernels.numba.tile import VECTORS, cut, tile_columns
from tinycnn.kernels.numba.workspace import contiguous, empty


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry, keep: bool) -> tuple[Array, Array]:
    """Means of 2x2 windows of tanh(w ⋆ x + b), and where ``keep``, tanh as `backward` takes it.

    (N, C, H, W) -> (N, K, P/2, Q/2) and (blocks of images, groups, channels, P, Q, images).
    """
    g, dtype, width = geometry, x.dtype, tile_columns(x.dtype)
    correlation = forward_correlation(g, limit(), width, WINDOW)
    b = correlation.bands
    pooled = empty((g.N, g.K, g.P // WINDOW, g.Q // WINDOW), dtype)
    with team(b.work * width, b.items) as threads:
        y = empty((b.images if keep else threads, b.groups, b.panels * b.panel_rows, g.P, g.Q, width), dtype)
        convolve_and_pool(
            contiguous(x),
            np.zeros(g.K, dtype) if bias is None else contiguous(bias),
            contiguous(weight).reshape(-1),
            (correlation.weight_strides, correlation.cell),
            correlation.row,
            correlation.record,
            empty((b.groups * b.panels, b.length * b.panel_rows), dtype),
            *image_lanes.patches(correlation, threads, g.W, dtype),
            empty((threads, (b.M * b.band_rows * b.Q // WINDOW**2 + width) * width), dtype),
            y,
            keep,
            pooled,
        )
    return pooled, y


def backward(
    grad: Array, x: Array, weight: Array, y: Array, geometry: ConvGeometry, needs: tuple[bool, ...]
) -> tuple[Array | None, Array | None, Array]:
    """dx and dw, where needed, and db, from the gradient of the means: (N, K, P/2, Q/2) -> shapes of x, weight, bias.

    Threads share blocks of images, each of which is one piece of work.
    """
    g, dtype, width = geometry, y.dtype, tile_columns(y.dtype)
    correlation = forward_correlation(g, 1, width)  # one band an image: `abreast.tanh_pool` lets nothing larger in
    b, (tiles, entry) = correlation.bands, image_lanes.weight_tiles(g.K // g.groups, correlation.bands.length)
    dx = empty(g.input_shape if needs[0] else (0, 0, 0, 0), dtype)
    dw, db = empty(g.weight_shape, dtype), np.empty(g.K, dtype)
    panels, height = cut(g.C // g.groups)
    channels = panels * height * (g.H * g.W + 1) + width if needs[0] else 0
    with team(2 * b.work * width, b.images * b.groups) as threads:
        sums = empty((threads, b.groups, *tiles), dtype)
        # One cell between channels: those that lie a power of two apart would drive each other out of the cache.
        dy = empty((threads, tiles[1] * tiles[2], (g.P if needs[0] else WINDOW) * g.Q + 1, width), dtype)
        differentiate(
            contiguous(grad),
            contiguous(x),
            y,
            contiguous(weight),
            correlation.row,
            (g.rows.dilation, g.columns.dilation, panels, height, tap_offsets(g, dy.shape[2] * width, width)),
            correlation.record,
            needs[1],
            *image_lanes.patches(correlation, threads, g.W, dtype),
            empty((threads, b.M * g.P * g.Q // WINDOW**2 * width), dtype),
            dy,
            empty((threads, sums[0].size * width // VECTORS), dtype),
            sums,
            np.empty((threads, g.K), dtype),
            empty((threads, channels * width), dtype),
            entry,
            dx,
            dw.reshape(g.K, -1),
            db,
        )
    return dx if needs[0] else None, dw if needs[1] else None, db


@lru_cache(maxsize=256)
def tap_offsets(g: ConvGeometry, pitch: int, width: int) -> Array:
    """Where in dy, whose channels are ``pitch`` numbers apart, tap s meets an output of channel k: by (s, k).

    Counted from that which the tap at 0 meets, in numbers: most are negative, and count as unsigned ones that wrap.
    """
    k, s = np.arange(g.K // g.groups), np.arange(g.S)
    return (k * pitch - g.columns.dilation * s[:, None] * width).reshape(-1).astype(np.uint64)
