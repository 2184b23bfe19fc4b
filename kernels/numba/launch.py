"""Run a convolution's passes with the compiled loops of an algorithm: plan, take memory, call.

An algorithm brings two compiled functions, `correlate` and `accumulate`; all that they need is made ready here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.correlation import (
    Correlation,
    backward_correlations,
    covers,
    forward_correlation,
    pack_weight,
)
from tinycnn.kernels.numba.threads import limit, team
from tinycnn.kernels.numba.tile import tile_columns
from tinycnn.kernels.numba.workspace import contiguous, empty, zeros

DEPTH = 256  # rows of b that a tile sums over at once; 64 and 128 are no faster on AlexNet and VGG-16
Compiled = Callable[..., None]


def forward(
    correlate: Compiled, x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry, relu: bool
) -> Array:
    """y = w ⋆ x + b, then max(y, 0) with ``relu``: (N, C, H, W) -> (N, K, P, Q)."""
    y = empty(geometry.output_shape, x.dtype)
    _run(correlate, forward_correlation(geometry, limit()), x, weight, bias, relu, y)
    return y


def backward_input(correlate: Compiled, grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx[h, w] = Σ w[r, s] · dy where output and input meet: (N, K, P, Q) -> (N, C, H, W)."""
    lattices = backward_correlations(geometry, limit())
    dx = (empty if covers(lattices, geometry) else zeros)(geometry.input_shape, grad.dtype)
    for lattice in lattices:
        _run(correlate, lattice, grad, weight, None, False, dx)
    return dx


def _run(
    correlate: Compiled,
    correlation: Correlation,
    source: Array,
    weight: Array,
    bias: Array | None,
    relu: bool,
    target: Array,
) -> None:
    b, dtype = correlation.bands, source.dtype
    with team(b.work, b.items) as threads:
        correlate(
            contiguous(source),
            np.zeros(b.groups * b.M, dtype) if bias is None else contiguous(bias),
            relu,
            correlation.row,
            correlation.record,
            pack(weight, correlation),
            empty((threads, b.patch_cells), dtype),
            empty((threads, (DEPTH + 1) * tile_columns(dtype)), dtype),
            empty((threads, b.panels * b.panel_rows, b.positions), dtype),
            target,
        )


def pack(weight: Array, correlation: Correlation) -> Array:
    """The weight as a correlation's matrix, in panels as `multiply_tile` takes them."""
    b = correlation.bands
    panels = empty((b.groups * b.panels, b.length * b.panel_rows), weight.dtype)
    flat = contiguous(weight).reshape(-1)
    with team(panels.size, len(panels)):  # a small weight is packed sooner than another thread is woken
        pack_weight(flat, correlation.weight_strides, correlation.cell, correlation.record, panels)
    return panels


def backward_weight(
    accumulate: Compiled,
    grad: Array,
    x: Array,
    geometry: ConvGeometry,
    correlation: Correlation,
    entry: Array,
    scratch: int,
) -> Array:
    """dw[k, c, r, s] = Σ dy · x where output and input meet: (N, K, P, Q) -> (K, C/G, R, S).

    ``entry`` says which (c, r, s) each column of the algorithm's sums is, or -1 where it is none; ``scratch`` is how
    many numbers a thread needs beside the patch.
    """
    b, dtype = correlation.bands, x.dtype
    width = tile_columns(dtype)
    dw = empty(geometry.weight_shape, dtype)
    with team(b.work, b.items) as threads:
        sums = empty((threads, b.groups, len(entry) // width, b.panels, b.panel_rows, width), dtype)
        accumulate(
            contiguous(grad),
            contiguous(x),
            correlation.row,
            len(correlation.cell),
            correlation.record,
            empty((threads, b.patch_cells), dtype),
            empty((threads, b.panels * b.panel_rows * b.band_rows * b.band_columns + width), dtype),
            empty((threads, scratch), dtype),
            sums,
        )
        add_up(sums, entry, b.groups, b.M, dw.reshape(geometry.K, -1))
    return dw


def add_up(sums: Array, entry: Array, groups: int, M: int, dw: Array) -> None:
    """Add what the threads have summed, in their order, and put each entry in its place."""
    with team(sums.size, groups * sums.shape[2]):  # what is few is added sooner than another thread is woken
        _add_up(sums, entry, groups, M, dw)


@parallel_kernel
def _add_up(sums: Array, entry: Array, groups: int, M: int, dw: Array) -> None:
    for index in prange(groups * sums.shape[2]):
        add_up_panel(sums, entry, np.int64(index), M, dw)


@inlined
def add_up_panel(sums: Array, entry: Array, index: Any, M: int, dw: Array) -> None:
    """Add what the threads have summed for one panel of columns of one group."""
    threads, _, column_panels, panels, panel_rows, width = sums.shape
    group, columns = divmod(index, column_panels)
    for k in range(M):
        panel, row = divmod(k, panel_rows)
        for column in range(width):
            place = entry[columns * width + column]
            if place >= 0:
                total = sums[0, group, columns, panel, row, column]
                for thread in range(1, threads):
                    total += sums[thread, group, columns, panel, row, column]
                dw[group * M + k, place] = total
