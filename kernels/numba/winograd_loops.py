"""The loops of `conv_winograd`: what one thread does, serially."""

from __future__ import annotations

import numpy as np

from tinycnn.kernels.numba.compile import inlined
from tinycnn.kernels.numba.correlation import share, tile_width
from tinycnn.kernels.numba.launch import DEPTH
from tinycnn.kernels.numba.tile import multiply_tile
from tinycnn.kernels.numba.transform import (
    input_factors,
    input_gradient,
    output_factors,
    outputs,
    weight_factors,
    weight_gradient,
)

RUN = 32  # tiles that backward_weight sums in one go: the twin's, where the rounding is measured


@inlined
def pack_row(weight, layouts, backward, factors, k):
    """Transform the kernels of output channel k, one for each input channel, a tile's columns of channels at a time."""
    p = layouts[0]
    width = tile_width(weight)
    cells = np.empty(p.r * p.r * width, weight.dtype)
    between = np.empty(p.a * p.r * width, weight.dtype)
    made = np.empty(p.a * p.a * width, weight.dtype)
    group, row = k // p.K, k % p.K
    for first in range(0, p.C, width):
        count = min(width, p.C - first)
        cells[:] = 0
        for lane in range(count):
            for i in range(p.r):
                for j in range(p.r):
                    cells[(i * p.r + j) * width + lane] = weight[k, first + lane, i, j]
        weight_factors(p.tiling, cells, 0, p.r * width, width, between, made, 0, width)
        for point in range(p.a * p.a):
            panels = factors[point, group]
            for lane in range(count):
                value, c = made[point * width + lane], first + lane
                if backward:
                    panels[c // p.c_rows, row * p.c_rows + c % p.c_rows] = value
                else:
                    panels[row // p.k_rows, c * p.k_rows + row % p.k_rows] = value


@inlined
def locate_tiles(first, count, p, spots):
    """Image, and the first output row and column of each tile, counted from the first output that takes part."""
    for index in range(count):
        n, rest = divmod(first + index, p.T * p.U)
        down, across = divmod(rest, p.U)
        spots[index, 0], spots[index, 1], spots[index, 2] = n, down * p.m, across * p.m


@inlined
def gather(plane, top, left, first_row, end_row, first_column, end_column, size, cells, lane, width):
    """Copy size x size cells of a plane to one lane, zeros outside the given rows and columns."""
    for i in range(size):
        h = top + i
        start = i * size * width + lane
        if first_row <= h < end_row:
            line = plane[h]
            if first_column <= left and left + size <= end_column:
                for j in range(size):
                    cells[start + j * width] = line[left + j]
            else:
                for j in range(size):
                    w = left + j
                    cells[start + j * width] = line[w] if first_column <= w < end_column else 0
        else:
            for j in range(size):
                cells[start + j * width] = 0


@inlined
def gather_input(x, n, channel, p_row, q_column, p, cells, lane, width):
    """The a x a input cells of the tile at this output."""
    gather(x[n, channel], p_row - p.top, q_column - p.left, 0, p.rows, 0, p.columns, p.a, cells, lane, width)


@inlined
def gather_gradient(grad, n, channel, p_row, q_column, p, cells, lane, width):
    """The m x m output cells of the tile at this output."""
    top, left = p.first_p + p_row, p.first_q + q_column
    gather(grad[n, channel], top, left, p.first_p, p.end_p, p.first_q, p.end_q, p.m, cells, lane, width)


@inlined
def correlate_share(
    source, factors, bias, relu, layouts, bounds, chunks, backward, blocks, all_products, target, thread
):
    """Blocks of tiles from the source to the target, each for a share of the result's channels."""
    p, block, products = layouts[0], blocks[thread], all_products[thread]
    width, size = tile_width(source), p.m if backward else p.a
    depth, outer, rows = (p.K, p.C, p.c_rows) if backward else (p.C, p.K, p.k_rows)
    panels = factors.shape[2]
    cells = np.empty(p.a * p.a * width, source.dtype)
    between = np.empty(p.a * p.a * width, source.dtype)
    row = np.arange(DEPTH) * width
    spots = np.empty((products.shape[2], 3), np.int64)
    ranges = len(bounds) - 1
    for item in share(ranges * p.groups * chunks, thread, len(blocks)):
        part, rest = divmod(item, ranges * p.groups)
        group, index = divmod(rest, ranges)
        own = range(part * panels // chunks, (part + 1) * panels // chunks)
        for first in range(bounds[index], bounds[index + 1], products.shape[2]):
            count = min(products.shape[2], bounds[index + 1] - first)
            tile_panels = (count + width - 1) // width
            locate_tiles(first, count, p, spots)
            flat, line = block.reshape(-1), block.shape[1] * block.shape[2]
            for t in range(tile_panels):
                for c in range(depth):
                    for lane in range(width):
                        if t * width + lane >= count:
                            for cell in range(size * size):
                                cells[cell * width + lane] = 0
                            continue
                        n, p_row, q_column = spots[t * width + lane]
                        if backward:
                            gather_gradient(source, n, group * depth + c, p_row, q_column, p, cells, lane, width)
                        else:
                            gather_input(source, n, group * depth + c, p_row, q_column, p, cells, lane, width)
                    start = t * block.shape[2] + c * width
                    if backward:
                        output_factors(p.tiling, cells, 0, size * width, width, between, flat, start, line)
                    else:
                        input_factors(p.tiling, cells, 0, size * width, width, between, flat, start, line)
            multiply_points(factors, block, group, own, tile_panels, depth, rows, row, products)
            for panel in own:
                for i in range(min(rows, outer - panel * rows)):
                    channel = (panel - own.start) * rows + i
                    if backward:
                        c = group * p.C + panel * rows + i
                        add_tiles(products, channel, c, count, spots, p, between, cells, target)
                    else:
                        k = group * p.K + panel * rows + i
                        write_tiles(products, channel, k, count, spots, p, bias[k], relu, between, cells, target)


@inlined
def multiply_points(factors, block, group, own, tile_panels, depth, rows, row, products):
    """At each point, the product of the weight's panels and the block's."""
    width = block.shape[2] // depth
    pitch = products.shape[2]
    flat, flat_factors, flat_block = products.reshape(-1), factors.reshape(-1), block.reshape(-1)
    for point in range(len(block)):
        products[point] = 0
        for start in range(0, depth, DEPTH):
            for t in range(tile_panels):
                b = (point * block.shape[1] + t) * block.shape[2] + start * width
                for panel in own:
                    a = ((point * factors.shape[1] + group) * factors.shape[2] + panel) * factors.shape[3]
                    out = (point * products.shape[1] + (panel - own.start) * rows) * pitch + t * width
                    multiply_tile(
                        flat_factors,
                        a + start * rows,
                        flat_block,
                        b,
                        row,
                        0,
                        min(DEPTH, depth - start),
                        flat,
                        out,
                        pitch,
                        rows,
                    )


@inlined
def write_tiles(products, channel, k, count, spots, p, bias, relu, between, cells, y):
    """Transform the products of one channel back, and write the outputs that exist."""
    width = tile_width(products)
    flat, line = products.reshape(-1), products.shape[1] * products.shape[2]
    for begin in range(0, count, width):
        start = channel * products.shape[2] + begin
        outputs(p.tiling, flat, start, p.a * line, line, between, cells, 0, width)
        for lane in range(min(width, count - begin)):
            n, p_row, q_column = spots[begin + lane]
            plane, top, left = y[n, k], p.first_p + p_row, p.first_q + q_column
            for i in range(min(p.m, p.end_p - top)):
                for j in range(min(p.m, p.end_q - left)):
                    value = cells[(i * p.m + j) * width + lane] + bias
                    plane[top + i, left + j] = 0 if relu and value <= 0 else value


@inlined
def add_tiles(products, channel, c, count, spots, p, between, cells, dx):
    """Transform the products of one channel back, and add them to the input cells that exist."""
    width = tile_width(products)
    flat, line = products.reshape(-1), products.shape[1] * products.shape[2]
    for begin in range(0, count, width):
        start = channel * products.shape[2] + begin
        input_gradient(p.tiling, flat, start, p.a * line, line, between, cells, 0, width)
        for lane in range(min(width, count - begin)):
            n, p_row, q_column = spots[begin + lane]
            plane, top, left = dx[n, c], p_row - p.top, q_column - p.left
            for i in range(max(0, -top), min(p.a, p.rows - top)):
                for j in range(max(0, -left), min(p.a, p.columns - left)):
                    plane[top + i, left + j] += cells[(i * p.a + j) * width + lane]


@inlined
def sum_share(grad, source, layouts, down, across, lefts, rights, all_sums, dw, thread):
    """Sum over all tiles for a share of the pairs of channels, and transform back."""
    p, left, right, sums = layouts[0], lefts[thread], rights[thread], all_sums[thread]
    width, points, block = tile_width(source), p.a * p.a, left.shape[2]
    panels, rows, column_panels = p.k_panels, p.k_rows, (p.C + width - 1) // width
    cells = np.empty(points * width, source.dtype)
    between = np.empty(points * width, source.dtype)
    made = np.empty(points * width, source.dtype)
    row = np.arange(RUN) * width
    spots = np.empty((block, 3), np.int64)
    tiles = p.N * p.T * p.U
    for item in share(p.groups * down * across, thread, len(lefts)):
        group, rest = divmod(item, down * across)
        part, column_part = divmod(rest, across)
        own = range(part * panels // down, (part + 1) * panels // down)
        own_columns = range(column_part * column_panels // across, (column_part + 1) * column_panels // across)
        sums[:] = 0
        for first in range(0, tiles, block):
            count = min(block, tiles - first)
            locate_tiles(first, count, p, spots)
            for index in range(count):
                n, p_row, q_column = spots[index]
                for k in range(own.start * rows, own.stop * rows, width):
                    for lane in range(width):
                        if k + lane < min(p.K, own.stop * rows):
                            gather_gradient(grad, n, group * p.K + k + lane, p_row, q_column, p, cells, lane, width)
                        else:
                            for cell in range(p.m * p.m):
                                cells[cell * width + lane] = 0
                    output_factors(p.tiling, cells, 0, p.m * width, width, between, made, 0, width)
                    for lane in range(min(width, own.stop * rows - k)):
                        panel, i = divmod(k + lane - own.start * rows, rows)
                        for point in range(points):
                            left[point, panel, index, i] = made[point * width + lane]
                for panel in own_columns:
                    for lane in range(width):
                        c = panel * width + lane
                        if c < p.C:
                            gather_input(source, n, group * p.C + c, p_row, q_column, p, cells, lane, width)
                        else:
                            for cell in range(points):
                                cells[cell * width + lane] = 0
                    start = ((panel - own_columns.start) * block + index) * width
                    line = right.shape[1] * block * width
                    input_factors(p.tiling, cells, 0, p.a * width, width, between, right.reshape(-1), start, line)
            multiply_runs(left, right, count, len(own), len(own_columns), row, sums)
        flat, line = sums.reshape(-1), sums.shape[1] * sums.shape[2] * sums.shape[3]
        for panel in own:
            for i in range(min(rows, p.K - panel * rows)):
                for column in own_columns:
                    at = (panel - own.start) * sums.shape[2] + column - own_columns.start
                    start = at * sums.shape[3] + i * width
                    weight_gradient(p.tiling, flat, start, p.a * line, line, between, cells, 0, width)
                    for lane in range(min(width, p.C - column * width)):
                        plane = dw[group * p.K + panel * rows + i, column * width + lane]
                        plane[:] = 0
                        for y in range(p.first_r, p.end_r):
                            for x in range(p.first_s, p.end_s):
                                plane[y, x] = cells[(y * p.r + x) * width + lane]


@inlined
def multiply_runs(left, right, count, panels, column_panels, row, sums):
    """At each point add the products of the block's tiles, RUN at a time, to the sums."""
    width, block, rows = right.shape[3], left.shape[2], left.shape[3]
    flat_left, flat_right, flat = left.reshape(-1), right.reshape(-1), sums.reshape(-1)
    for point in range(len(left)):
        for column in range(column_panels):
            b = (point * right.shape[1] + column) * block * width
            for panel in range(panels):
                a = (point * left.shape[1] + panel) * block * rows
                out = ((point * sums.shape[1] + panel) * sums.shape[2] + column) * rows * width
                for start in range(0, count, RUN):
                    multiply_tile(
                        flat_left, a + start * rows, flat_right, b + start * width, row, 0,
                        min(RUN, count - start), flat, out, width, rows,
                    )  # fmt: skip
