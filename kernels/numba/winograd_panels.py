"""The loops of `conv_winograd` where tiles are few: panel of kernels by panel, so that no weight's factors are kept.

The factors of many kernels are more than those of few tiles: of 512 x 512 kernels 38 MB, which would be written to
memory, and read again, for the products with 5 MB of 64 tiles. So here all tiles are transformed first, once, for all
threads. Then a thread takes one panel of kernels after another through all that is left, and what it makes on the way
stays in its own cache.
"""

from __future__ import annotations

import numpy as np

from tinycnn.kernels.numba.compile import inlined
from tinycnn.kernels.numba.correlation import clear, share, tile_width
from tinycnn.kernels.numba.launch import DEPTH
from tinycnn.kernels.numba.tile import multiply_tile
from tinycnn.kernels.numba.transform import weight_factors
from tinycnn.kernels.numba.vectors import lanes_of, turn_rows
from tinycnn.kernels.numba.winograd_loops import (
    RUN,
    gradient_scratch,
    list_begins,
    list_runs,
    scratch,
    side_by_side,
    transform_gradient,
    transform_input,
    write_kernels,
    write_tiles,
)


@inlined
def pack_panel(weight, layouts, turned, factors, index):
    """Transform the kernels of one panel, where all factors of the weight are kept."""
    p, (group, panel) = layouts[0], divmod(index, factors.shape[2])
    cells, between = kernel_scratch(p, weight)
    flat, start = factors.reshape(-1), index * factors.shape[3]
    transform_kernels(weight, p, turned, group, panel, 0, p.C, cells, between, flat, start, factors[0].size)


@inlined
def kernel_scratch(p, weight):
    """Memory for `transform_kernels`: the cells of a vector's kernels, and what lies between its two steps."""
    width = tile_width(weight)
    return np.zeros(max(p.r * p.r, lanes_of(weight)) * width, weight.dtype), np.empty(p.a * p.r * width, weight.dtype)


@inlined
def transform_kernels(weight, p, turned, group, panel, first, count, cells, between, out, out_start, line):
    """G g Gᵀ of a panel's kernels for so many channels, to as many lines as there are points, as `multiply_tile` reads.

    A vector holds the kernels of several channels, as they lie in the lines; the last ones may write nearly two vectors
    beyond.
    """
    width, rows, size, flat = tile_width(weight), p.k_rows, p.r * p.r, weight.reshape(-1)
    reach = max(size, lanes_of(weight))  # `turn` moves whole vectors: what is beyond a kernel's cells goes beyond them
    begin = np.empty(width, np.int64)
    if turned:
        top, pitch = (reach - 1) * width, -width
        across, along = size, p.K * size
        origin = (group * p.C + first) * along + panel * rows * size
    else:
        top, pitch = 0, width
        across, along = p.C * size, size
        origin = (group * p.K + panel * rows) * across + first * size
    bottom = (reach - size) * width if turned else 0
    together, listed = width // rows, 0
    for done in range(0, count, together):
        channels = min(together, count - done)
        if channels != listed:
            listed = channels
            for lane in range(width):
                channel, row = divmod(min(lane, channels * rows - 1), rows)
                begin[lane] = channel * along + min(row, p.K - panel * rows - 1) * across
        start = origin + done * along
        if start + begin[channels * rows - 1] + reach <= len(flat):
            turn_rows(flat, start, begin, 0, channels * rows, cells, top, pitch, reach)
        else:
            for lane in range(width):
                for cell in range(size):
                    cells[np.uint64(top + cell * pitch + lane)] = flat[np.uint64(start + begin[lane] + cell)]
        weight_factors(p.tiling, cells, bottom, p.r * width, width, between, out, out_start + done * rows, line)


@inlined
def transform_tiles(source, layouts, factors, thread, threads):
    """Bᵀ d B of all tiles: a share of the channels of a vector's tiles."""
    p, width = layouts[0], tile_width(source)
    tiles, channels, panels = p.N * p.T * p.U, p.groups * p.C, factors.shape[2]
    rows_made, cells = scratch(p, source)
    runs, found, listed = np.empty((width, 5), np.int64), 0, -1
    flat, line = factors.reshape(-1), factors[0].size
    for item in share(panels * channels, thread, threads):
        t, channel = divmod(item, channels)
        if t != listed:
            found, listed = list_runs(t * width, min(width, tiles - t * width), p, lanes_of(source), runs), t
        group, c = divmod(channel, p.C)
        start = (group * panels + t) * factors.shape[3] + c * width
        transform_input(source, channel, runs, found, p, rows_made, cells, flat, start, line)


@inlined
def correlate_panels(
    weight, tile_factors, bias, relu, turned, layouts, all_factors, all_products, together, target, thread
):
    """A share of the panels of kernels from the weight to the target, some at a time, each for all tiles."""
    p, factors, products = layouts[0], all_factors[thread], all_products[thread]
    width, lanes, rows, tile_panels = tile_width(weight), lanes_of(weight), p.k_rows, tile_factors.shape[2]
    kernels, kernels_between = kernel_scratch(p, weight)
    between = np.empty(p.a * p.a * width, weight.dtype)
    cells = np.empty(p.m * p.m * width + lanes, weight.dtype)  # `weave` reads whole vectors, from any lane on
    woven, row = np.empty(p.m * lanes, weight.dtype), np.arange(DEPTH) * width
    tiles = p.N * p.T * p.U
    runs, found = np.empty((tile_panels, width, 5), np.int64), np.empty(tile_panels, np.int64)
    for t in range(tile_panels):
        found[t] = list_runs(t * width, min(width, tiles - t * width), p, lanes, runs[t])
    flat_factors, flat, pitch = factors.reshape(-1), products.reshape(-1), together * width
    own = share(p.groups * p.k_panels, thread, len(all_factors))
    first = own.start
    while first < own.stop:
        group, panel = divmod(first, p.k_panels)
        panels = min(len(factors[0]), own.stop - first, p.k_panels - panel)
        for i in range(panels):
            start = i * factors.shape[2]
            transform_kernels(
                weight, p, turned, group, panel + i, 0, p.C, kernels, kernels_between,
                flat_factors, start, factors[0].size,
            )  # fmt: skip
        for first_t in range(0, tile_panels, together):
            many = min(together, tile_panels - first_t)
            multiply_panels(factors, panels, tile_factors, group, first_t, many, tiles, p, row, products, pitch)
            for i in range(min(panels * rows, p.K - panel * rows)):
                channel = group * p.K + panel * rows + i
                for t in range(many):
                    write_tiles(
                        flat, i * pitch + t * width, products.shape[1], channel, runs[first_t + t], found[first_t + t],
                        p, bias[channel], relu, between, cells, woven, target,
                    )  # fmt: skip
        first += panels


@inlined
def multiply_panels(factors, panels, tile_factors, group, first_t, many, tiles, p, row, products, pitch):
    """At each point, the product of some panels' factors and some tiles'."""
    width, rows, tile_panels = tile_width(products), p.k_rows, tile_factors.shape[2]
    flat_factors, flat_tiles, flat = factors.reshape(-1), tile_factors.reshape(-1), products.reshape(-1)
    for point in range(len(factors)):
        start, begin = point * factors[0].size, point * products.shape[1]
        clear(flat, begin, begin + panels * rows * pitch)  # of this point, to be in the cache
        for first in range(0, p.C, DEPTH):
            for t in range(first_t, first_t + many):
                b = ((point * p.groups + group) * tile_panels + t) * tile_factors.shape[3] + first * width
                for i in range(panels):
                    out = begin + i * rows * pitch + (t - first_t) * width
                    multiply_tile(
                        flat_factors, start + i * factors.shape[2] + first * rows, flat_tiles, b, row, 0,
                        min(DEPTH, p.C - first), flat, out, pitch, rows, tiles - t * width,
                    )  # fmt: skip


@inlined
def transform_pairs(grad, source, layouts, lefts, rights, made, thread, threads):
    """A dY Aᵀ and Bᵀ d B of all tiles: every so many-th panel of channels."""
    p, width, lanes = layouts[0], tile_width(source), lanes_of(source)
    points, tiles, column_panels = p.a * p.a, p.N * p.T * p.U, rights.shape[1] // p.groups
    own_made = made[thread]
    rows_made, cells = scratch(p, source)
    begin = np.empty(width + p.k_rows + lanes, np.int64)
    runs = np.empty((width, 5), np.int64)
    for item in range(thread, p.groups * (p.k_panels + column_panels), threads):
        group, panel = divmod(item, p.k_panels + column_panels)
        is_left = panel < p.k_panels
        if is_left:
            side, place, first = lefts, group * p.k_panels + panel, panel * p.k_rows
            channels = min(p.k_rows, p.K - first)
        else:
            panel -= p.k_panels
            side, place, first = rights, group * column_panels + panel, panel * width
            channels = min(width, p.C - first)
        list_begins(channels, points * width, begin)
        for t in range((tiles + width - 1) // width):
            found = list_runs(t * width, min(width, tiles - t * width), p, lanes, runs)
            for i in range(channels):
                start = i * points * width
                if is_left:
                    transform_gradient(
                        grad, group * p.K + first + i, runs, found, p, rows_made, cells, own_made, start, width
                    )
                else:
                    transform_input(
                        source, group * p.C + first + i, runs, found, p, rows_made, cells, own_made, start, width
                    )
            side_by_side(own_made, begin, channels, side, place, t, points)


@inlined
def sum_panels(lefts, rights, layouts, panels_together, columns_together, all_sums, dw, thread):
    """A share of dw, from the factors on: some panels of kernels at a time, with some panels of channels."""
    p, sums = layouts[0], all_sums[thread]
    width, rows, column_panels = tile_width(dw), p.k_rows, rights.shape[1] // p.groups
    row, memory, flat = np.arange(RUN) * width, gradient_scratch(p, dw), sums.reshape(-1)
    column_parts = (column_panels + columns_together - 1) // columns_together
    own = share(p.groups * column_parts * p.k_panels, thread, len(all_sums))
    item = own.start
    while item < own.stop:
        part, panel = divmod(item, p.k_panels)
        group, column = part // column_parts, part % column_parts * columns_together
        panels = min(panels_together, own.stop - item, p.k_panels - panel)
        columns = min(columns_together, column_panels - column)
        multiply_pairs(lefts, rights, group, panel, panels, column, columns, p, row, sums)
        for i in range(min(panels * rows, p.K - panel * rows)):
            for j in range(columns):
                start = ((i // rows * columns + j) * rows + i % rows) * width
                k, c = group * p.K + panel * rows + i, (column + j) * width
                write_kernels(flat, start, sums.shape[1], k, c, p, memory, dw)
        item += panels


@inlined
def multiply_pairs(lefts, rights, group, panel, panels, column, columns, p, row, sums):
    """At each point the sums over all tiles, RUN at a time, of some panels of kernels with some of channels."""
    width, rows, tiles, column_panels = rights.shape[3], lefts.shape[3], p.N * p.T * p.U, rights.shape[1] // p.groups
    flat_left, flat_right, flat = lefts.reshape(-1), rights.reshape(-1), sums.reshape(-1)
    for point in range(len(lefts)):
        begin = point * sums.shape[1]
        clear(flat, begin, begin + panels * columns * rows * width)
        for j in range(columns):
            b = ((point * p.groups + group) * column_panels + column + j) * rights.shape[2] * width
            for i in range(panels):
                a = ((point * p.groups + group) * p.k_panels + panel + i) * lefts.shape[2] * rows
                out = begin + (i * columns + j) * rows * width
                for start in range(0, tiles, RUN):
                    multiply_tile(
                        flat_left, a + start * rows, flat_right, b + start * width, row, 0,
                        min(RUN, tiles - start), flat, out, width, rows, p.C - (column + j) * width,
                    )  # fmt: skip
