"""The loops of `conv_winograd`: what one thread does, serially.

Tiles are the lanes of vectors, as many as a tile of a product has columns. Neighbours in a row of an image
are a run: their cells are dealt to the lanes, and woven back from them, by whole vectors (see `vectors`). Lanes beyond
the last tile hold what was there before, and nobody reads what becomes of it.
"""

from __future__ import annotations

import numpy as np

from tinycnn.kernels.numba.caches import prefetch
from tinycnn.kernels.numba.compile import inlined
from tinycnn.kernels.numba.correlation import clear, share, tile_width
from tinycnn.kernels.numba.launch import DEPTH
from tinycnn.kernels.numba.tile import multiply_tile
from tinycnn.kernels.numba.transform import (
    gradient_across,
    gradient_dealt,
    gradient_down,
    input_across,
    input_dealt,
    input_down,
    outputs,
    weight_gradient,
)
from tinycnn.kernels.numba.vectors import add_row, copy_row, lanes_of, turn_rows, weave

RUN = 32  # tiles that backward_weight sums in one go: the twin's, where the rounding is measured


@inlined
def list_runs(first, count, p, lanes, runs):
    """Cut tiles into runs, a vector long at most: the first lane, image, output row and column, and how many tiles."""
    lane, found = 0, 0
    while lane < count:
        n, rest = divmod(first + lane, p.T * p.U)
        down, across = divmod(rest, p.U)
        length = min(count - lane, p.U - across, lanes)
        runs[found, 0], runs[found, 1], runs[found, 2], runs[found, 3] = lane, n, down * p.m, across * p.m
        runs[found, 4] = length
        found, lane = found + 1, lane + length
    return found


@inlined
def weave_run(m, source, start, pitch, out, more):
    """`weave` with the constants of each tiling."""
    if m == 2:
        weave(2, 2, source, start, pitch, out, 0, more)
    else:
        weave(4, 4, source, start, pitch, out, 0, more)


@inlined
def scratch(p, like):
    """Rows of an image as transformed, and tiles' cells in lanes, with the pitch of each: for what follows."""
    lanes, width = lanes_of(like), tile_width(like)
    rows, cells = (p.m + 2) * lanes, width + lanes  # `deal` reads and writes a vector beyond the last that counts
    return (np.zeros(p.a * rows + lanes, like.dtype), rows), (np.zeros(p.a * p.a * cells, like.dtype), cells)


@inlined
def transform_input(x, channel, runs, found, p, rows, cells, out, start, line):
    """Bᵀ d B of each tile, to as many lines as there are points; cells that no output reads count as zeros."""
    _, channels, H, W = x.shape
    flat, (cells, pitch), (rows, rows_pitch) = x.reshape(-1), cells, rows
    for run in range(found):
        lane, n, h, w, length = runs[run, 0], runs[run, 1], runs[run, 2] - p.top, runs[run, 3] - p.left, runs[run, 4]
        begin, columns = ((n * channels + channel) * H + h) * W + w, (length - 1) * p.m + p.a
        for i in range(p.a):
            prefetch(flat, begin + (i + H) * W, columns, False)
        input_down(p.tiling, flat, begin, W, -h, p.rows - h, -w, p.columns - w, columns, rows, rows_pitch)
        input_dealt(p.tiling, rows, rows_pitch, cells, lane, pitch)
    input_across(p.tiling, cells, pitch, out, start, line)


@inlined
def transform_gradient(grad, k, runs, found, p, rows, cells, out, start, line):
    """A dY Aᵀ of each tile; outputs that read no cell count as zeros."""
    _, K, P, Q = grad.shape
    flat, (cells, pitch), (rows, rows_pitch) = grad.reshape(-1), cells, rows
    for run in range(found):
        lane, n, i, j, length = runs[run, 0], runs[run, 1], runs[run, 2], runs[run, 3], runs[run, 4]
        begin = ((n * K + k) * P + p.first_p + i) * Q + p.first_q + j
        for row in range(p.m):
            prefetch(flat, begin + (row + P) * Q, length * p.m, False)
        gradient_down(
            p.tiling, flat, begin, Q, 0, p.end_p - p.first_p - i, 0, p.end_q - p.first_q - j, length * p.m,
            rows, rows_pitch,
        )  # fmt: skip
        gradient_dealt(p.tiling, rows, rows_pitch, cells, lane, pitch)
    gradient_across(p.tiling, cells, pitch, out, start, line)


@inlined
def correlate_share(source, factors, bias, relu, layouts, bounds, chunks, blocks, all_products, target, thread):
    """Blocks of tiles from the source to the target, each for a share of the result's channels."""
    p, block, products = layouts[0], blocks[thread], all_products[thread]
    width, lanes, rows = tile_width(source), lanes_of(source), p.k_rows
    panels = factors.shape[2]
    rows_made, cells = scratch(p, source)
    between = np.empty(p.a * p.a * width, source.dtype)
    woven = np.empty(p.m * lanes, source.dtype)
    row = np.arange(DEPTH) * width
    runs, found = np.empty((block.shape[1], width, 5), np.int64), np.empty(block.shape[1], np.int64)
    flat, line = block.reshape(-1), block.shape[1] * block.shape[2]
    ranges = len(bounds) - 1
    for item in share(ranges * p.groups * chunks, thread, len(blocks)):
        part, rest = divmod(item, ranges * p.groups)
        group, index = divmod(rest, ranges)
        own = range(part * panels // chunks, (part + 1) * panels // chunks)
        for first in range(bounds[index], bounds[index + 1], products.shape[2]):
            count = min(products.shape[2], bounds[index + 1] - first)
            tile_panels = (count + width - 1) // width
            for t in range(tile_panels):
                found[t] = list_runs(first + t * width, min(width, count - t * width), p, lanes, runs[t])
                for c in range(p.C):
                    start = t * block.shape[2] + c * width
                    transform_input(source, group * p.C + c, runs[t], found[t], p, rows_made, cells, flat, start, line)
            multiply_points(factors, block, group, own, count, p.C, rows, row, products)
            for panel in own:
                for i in range(min(rows, p.K - panel * rows)):
                    made, channel = (panel - own.start) * rows + i, group * p.K + panel * rows + i
                    for t in range(tile_panels):
                        write_tiles(
                            products.reshape(-1), made * products.shape[2] + t * width, products[0].size, channel,
                            runs[t], found[t], p, bias[channel], relu, between, cells[0], woven, target,
                        )  # fmt: skip


@inlined
def multiply_points(factors, block, group, own, count, depth, rows, row, products):
    """At each point, the product of the weight's panels and the block's."""
    width, pitch = tile_width(products), products.shape[2]
    flat, flat_factors, flat_block = products.reshape(-1), factors.reshape(-1), block.reshape(-1)
    for point in range(len(block)):
        clear(flat, point * products[0].size, (point + 1) * products[0].size)  # of this point, to be in the cache
        for start in range(0, depth, DEPTH):
            for t in range((count + width - 1) // width):
                b = (point * block.shape[1] + t) * block.shape[2] + start * width
                for panel in own:
                    a = ((point * factors.shape[1] + group) * factors.shape[2] + panel) * factors.shape[3]
                    out = (point * products.shape[1] + (panel - own.start) * rows) * pitch + t * width
                    multiply_tile(
                        flat_factors, a + start * rows, flat_block, b, row, 0,
                        min(DEPTH, depth - start), flat, out, pitch, rows, count - t * width,
                    )  # fmt: skip


@inlined
def write_tiles(products, start, line, k, runs, found, p, bias, relu, between, cells, woven, y):
    """Transform the products of one channel back, and write the outputs that exist."""
    width = tile_width(products)
    _, K, P, Q = y.shape
    flat, least = y.reshape(-1), woven.dtype.type(0 if relu else -np.inf)
    outputs(p.tiling, products, start, p.a * line, line, between, cells, 0, width)
    for run in range(found):
        lane, n, length = runs[run, 0], runs[run, 1], runs[run, 4]
        top, left = p.first_p + runs[run, 2], p.first_q + runs[run, 3]
        for i in range(min(p.m, p.end_p - top)):
            weave_run(p.m, cells, i * p.m * width + lane, width, woven, bias)
            goal = ((n * K + k) * P + top + i) * Q + left
            prefetch(flat, goal + P * Q, length * p.m, True)
            copy_row(woven, 0, flat, goal, min(length * p.m, p.end_q - left), least)


@inlined
def sum_share(grad, source, layouts, down, across, lefts, rights, all_made, sums, thread):
    """Sum over parts of the tiles for a share of the pairs of channels."""
    p, left, right, made = layouts[0], lefts[thread], rights[thread], all_made[thread]
    width, lanes, points = tile_width(source), lanes_of(source), p.a * p.a
    block, rows = left.shape[2] - lanes, p.k_rows
    parts, column_panels = sums.shape[0], (p.C + width - 1) // width
    rows_made, cells = scratch(p, source)
    row, begin = np.arange(RUN) * width, np.empty(width + rows + lanes, np.int64)
    runs, found = np.empty((block // width, width, 5), np.int64), np.empty(block // width, np.int64)
    tiles = p.N * p.T * p.U
    blocks = (tiles + block - 1) // block
    for item in share(parts * p.groups * down * across, thread, len(lefts)):
        part, rest = divmod(item, p.groups * down * across)
        group, rest = divmod(rest, down * across)
        kernels, column_part = divmod(rest, across)
        own = range(kernels * p.k_panels // down, (kernels + 1) * p.k_panels // down)
        own_columns = range(column_part * column_panels // across, (column_part + 1) * column_panels // across)
        begun, end = part * blocks // parts * block, (part + 1) * blocks // parts * block
        for first in range(begun, max(end, begun + 1), block):  # a part without tiles has sums too: zeros
            count = min(block, tiles - first, end - first)
            tile_panels = (count + width - 1) // width
            for t in range(tile_panels):
                found[t] = list_runs(first + t * width, min(width, count - t * width), p, lanes, runs[t])
            for panel in own:
                channels = min(rows, p.K - panel * rows)
                list_begins(channels, points * width, begin)
                for t in range(tile_panels):
                    for i in range(channels):
                        k = group * p.K + panel * rows + i
                        start = i * points * width
                        transform_gradient(grad, k, runs[t], found[t], p, rows_made, cells, made, start, width)
                    side_by_side(made, begin, channels, left, panel - own.start, t, points)
            for panel in own_columns:
                channels = min(width, p.C - panel * width)
                list_begins(channels, points * width, begin)
                for t in range(tile_panels):
                    for i in range(channels):
                        c, start = group * p.C + panel * width + i, i * points * width
                        transform_input(source, c, runs[t], found[t], p, rows_made, cells, made, start, width)
                    side_by_side(made, begin, channels, right, panel - own_columns.start, t, points)
            multiply_runs(left, right, count, own, own_columns, p.C, row, sums[part, group], first == begun)


@inlined
def finish_panel(sums, layouts, dw, index):
    """Add the parts, and transform back, for one panel of kernels."""
    p, width = layouts[0], tile_width(dw)
    group, panel = divmod(index, p.k_panels)
    scratch = gradient_scratch(p, dw)
    flat, line, column_panels = sums.reshape(-1), sums.shape[3], (p.C + width - 1) // width
    for i in range(min(p.k_rows, p.K - panel * p.k_rows)):
        for column in range(column_panels):
            start = group * sums[0, 0].size + ((panel * column_panels + column) * p.k_rows + i) * width
            for part in range(1, len(sums)):
                for point in range(p.a * p.a):
                    at = start + point * line
                    add_row(flat, at + part * sums[0].size, flat, at, width)
            write_kernels(flat, start, line, group * p.K + panel * p.k_rows + i, column * width, p, scratch, dw)


@inlined
def gradient_scratch(p, dw):
    """Memory for `write_kernels`."""
    width, size, dtype = tile_width(dw), p.r * p.r, dw.dtype
    begin = np.empty(size + lanes_of(dw), np.int64)
    list_begins(size, width, begin)
    return np.empty(p.r * p.a * width, dtype), np.empty(size * width, dtype), np.empty((size + 1) * width, dtype), begin


@inlined
def write_kernels(sums, start, line, k, c, p, scratch, dw):
    """Transform sums of one k and a vector's channels back, and write the kernels; cells that meet nothing are 0."""
    (between, cells, turned, begin), width, size = scratch, tile_width(dw), p.r * p.r
    channels = min(width, p.C - c)
    weight_gradient(p.tiling, sums, start, p.a * line, line, between, cells, 0, width)
    for cell in range(size):
        y, x = divmod(cell, p.r)
        if not (p.first_r <= y < p.end_r and p.first_s <= x < p.end_s):
            clear(cells, cell * width, (cell + 1) * width)
    turn_rows(cells, 0, begin, 0, size, turned, 0, size, width)
    copy_row(turned, 0, dw.reshape(-1), (k * p.C + c) * size, channels * size, dw.dtype.type(-np.inf))


@inlined
def list_begins(channels, apart, begin):
    """Where the factors of each channel begin; beyond the last, the last again: sums that nobody reads."""
    for i in range(len(begin)):
        begin[i] = min(i, channels - 1) * apart


@inlined
def side_by_side(made, begin, channels, factors, panel, t, points):
    """Put the channels' factors side by side for each tile: factors[point, panel, tile, channel]."""
    flat, width, rows = factors.reshape(-1), tile_width(made), factors.shape[3]
    for point in range(points):
        goal = ((point * factors.shape[1] + panel) * factors.shape[2] + t * width) * rows
        turn_rows(made, point * width, begin, 0, channels, flat, goal, rows, width)


@inlined
def multiply_runs(left, right, count, own, own_columns, channels, row, total, anew):
    """At each point add the products of the block's tiles, RUN at a time, to the sums, or begin them anew."""
    width, block, rows = right.shape[3], left.shape[2], left.shape[3]
    flat_left, flat_right, flat = left.reshape(-1), right.reshape(-1), total.reshape(-1)
    column_panels = (channels + width - 1) // width
    for point in range(len(left)):
        for column in own_columns:
            b = (point * right.shape[1] + column - own_columns.start) * right.shape[2] * width
            for panel in own:
                a = (point * left.shape[1] + panel - own.start) * block * rows
                out = point * total.shape[1] + (panel * column_panels + column) * rows * width
                if anew:
                    clear(flat, out, out + rows * width)
                for start in range(0, count, RUN):
                    multiply_tile(
                        flat_left, a + start * rows, flat_right, b + start * width, row, 0,
                        min(RUN, count - start), flat, out, width, rows, channels - column * width,
                    )  # fmt: skip
