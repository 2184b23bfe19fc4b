"""Images as lanes: the same cell of as many images as a tile has columns lies side by side, in blocks made in cache.

A vector along the rows of small images is mostly waste: of LeNet-5's rows of 10 outputs, six lanes of sixteen, or the
copying that fills them. But a batch has many images, and what a convolution does to one it does to all. So a block of
them is turned into a patch (see `correlation`) whose cells are two vectors of images each, the layout (C, H, W, N) of
cuda-convnet (Krizhevsky 2012). Then one output position of a block is a tile of `multiply_tile`, which reads its rows
in the patch in place: nothing is unfolded, and no lane is lost, whatever the image's size, stride or padding. The sums
are turned back to (N, K, P, Q) while they are in cache. What dw sums over, images too, is `multiply_lanes`'.

The last block may have fewer images. Their lanes hold the last image again where each lane is a result of its own,
which is not written; and zeros where lanes are summed over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.correlation import clear, locate, share, tile_width
from tinycnn.kernels.numba.lane_tile import add_lanes, multiply_lanes
from tinycnn.kernels.numba.launch import DEPTH
from tinycnn.kernels.numba.tile import multiply_tile
from tinycnn.kernels.numba.vectors import copy_row, copy_vector, lanes_of, turn

# Vectors of a channel of dy that are multiplied with all taps while they stay in the nearest cache. Of 32, 64 and 128,
# on LeNet-5's layers, one is as fast as another but for noise.
STEPS = 128


@parallel_kernel
def correlate_lanes(source, bias, relu, row, bands, panels, strip, patches, all_lines, all_sums, target):
    """Correlate all bands, shared among threads; ``strip`` rows of outputs are summed and turned back at once."""
    for thread in prange(len(patches)):
        _correlate_share(
            source, bias, relu, row, bands, panels, strip, patches, all_lines, all_sums, target, np.int64(thread)
        )


@inlined
def _correlate_share(source, bias, relu, row, bands, panels, strip, patches, all_lines, all_sums, target, thread):
    b, patch, lines, sums = bands[0], patches[thread], all_lines[thread], all_sums[thread]
    width = tile_width(patch)
    begins, back = np.empty(width, np.int64), np.empty(width * width, patch.dtype)
    for item in share(b.items, thread, len(patches)):
        block, group, i, _, rows, _ = locate(item, b)
        images = min(width, len(target) - block * width)
        fill_patch(source, block, images, begins, group, i, b, lines, patch)
        for top in range(0, rows, strip):
            count = min(strip, rows - top)
            pitch = (count * b.Q + 1) * width  # channels that lie a power of two apart would drive each other out
            correlate_rows(bias, group, row, b, panels, patch, images, top, count, sums, 0, pitch)
            turn_back(sums, 0, pitch, count * b.Q, b.M, back, block, images, group, i + top, relu, b, target)


@inlined
def correlate_rows(
    bias: Array,
    group: int,
    row: Array,
    b: Any,
    panels: Array,
    patch: Array,
    images: int,
    top: int,
    count: int,
    sums: Array,
    start: int,
    pitch: int,
) -> None:
    """Make so many rows of outputs of a band, side by side: those of channel m begin at ``start + m · pitch``."""
    width = tile_width(patch)
    for m in range(b.panels * b.panel_rows):
        value = bias[group * b.M + m] if m < b.M else bias.dtype.type(0)
        for index in range(start + m * pitch, start + m * pitch + count * b.Q * width):
            sums[np.uint64(index)] = value
    for tap in range(0, b.length, DEPTH):
        depth, output = min(DEPTH, b.length - tap), start
        for y in range(top, top + count):
            for x in range(b.Q):
                for p in range(b.panels):
                    panel = (group * b.panels + p) * panels.shape[1] + tap * b.panel_rows
                    multiply_tile(
                        panels, panel, patch, (y * b.width + x) * width, row, tap, depth, sums,
                        output + p * b.panel_rows * pitch, pitch, b.panel_rows, images,
                    )  # fmt: skip
                output += width


@inlined
def list_images(array: Array, block: int, begins: Array) -> None:
    """Where each image of a block begins; beyond the last, the last again."""
    width, size = len(begins), array.size // len(array)
    for lane in range(width):
        begins[lane] = min(block * width + lane, len(array) - 1) * size


@inlined
def turn_run(source: Array, start: int, begins: Array, first: int, out: Array, goal: int, pitch: int, count: int):
    """Put a run of neighbouring cells of a vector of images side by side: out[goal + x·pitch + lane]."""
    lanes = lanes_of(source)
    if count >= lanes:
        turn(source, start, begins, first, out, goal, pitch, count)
        return
    for lane in range(lanes):
        for x in range(count):
            out[np.uint64(goal + x * pitch + lane)] = source[np.uint64(start + begins[first + lane] + x)]


@inlined
def fill_patch(
    source: Array, block: int, images: int, begins: Array, group: int, i: int, b: Any, lines: Array, patch: Array
) -> None:
    """Gather what the band at output row i reads of a block of images, with zeros and in the order of `copy_patch`.

    The rows of a channel are turned at once, and then put where they belong.
    """
    _, _, H, W = source.shape
    cells, width, lanes = source.reshape(-1), tile_width(source), lanes_of(source)
    first = i * b.reach_down + b.top  # row of the source in the patch's first
    top = max(0, min(H, first))
    count = max(0, min(H, first + b.height * b.reach_down) - top) * W
    list_images(source, block, begins)
    for c in range(b.channels):
        for lane in range(0, images, lanes):
            turn_run(cells, ((group * b.channels + c) * H + top) * W, begins, lane, lines, lane, width, count)
        for down in range(b.reach_down):
            for across in range(b.reach_across):
                lattice = ((c * b.reach_down + down) * b.reach_across + across) * b.height
                for y in range(b.height):
                    h = first + down + y * b.reach_down
                    place_row(lines, (h - top) * W, h, H, W, across, b, patch, (lattice + y) * b.width)


@inlined
def place_row(lines: Array, start: int, h: int, H: int, W: int, across: int, b: Any, patch: Array, goal: int) -> None:
    """Put the cells of row h that have one remainder, which starts at a cell of the lines, at a cell of the patch."""
    width, lanes = tile_width(patch), lanes_of(patch)
    left = b.left + across
    begin = min(b.width, max(0, -(left // b.reach_across)))  # first cell not left of the source
    end = max(begin, min(b.width, (W - 1 - left) // b.reach_across + 1))
    if h < 0 or h >= H:
        begin = end = 0
    clear(patch, goal * width, (goal + begin) * width)
    if b.reach_across == 1:
        least = patch.dtype.type(-np.inf)
        copy_row(lines, (start + left + begin) * width, patch, (goal + begin) * width, (end - begin) * width, least)
    else:
        for x in range(begin, end):
            for lane in range(0, width, lanes):
                cell = start + left + x * b.reach_across
                copy_vector(lines, cell * width + lane, patch, (goal + x) * width + lane)
    clear(patch, (goal + end) * width, (goal + b.width) * width)


@inlined
def turn_back(
    sums: Array,
    start: int,
    pitch: int,
    count: int,
    M: int,
    back: Array,
    block: int,
    images: int,
    group: int,
    i: int,
    relu: bool,
    b: Any,
    target: Array,
) -> None:
    """Put so many outputs of each channel, from row i on, where they belong in each image of the target.

    Whole vectors of outputs are read, so up to one beyond the last. ``relu`` is for rows that follow each other.
    """
    _, channels, H, W = target.shape
    width, lanes = tile_width(sums), lanes_of(sums)
    line, least = target.reshape(-1), sums.dtype.type(0 if relu else -np.inf)
    whole = b.step_down == b.step_across == 1  # then the rows follow each other
    begins = np.arange(lanes) * width
    for m in range(M):
        for first in range(0, count, width):
            outputs = min(width, count - first)
            for lane in range(0, images, lanes):
                for output in range(0, outputs, lanes):
                    cell = start + m * pitch + (first + output) * width + lane
                    turn(sums, cell, begins, 0, back, lane * width + output, width, lanes)
            for image in range(images):
                plane = ((block * width + image) * channels + group * M + m) * H * W
                if whole:
                    copy_row(back, image * width, line, plane + i * W + first, outputs, least)
                    continue
                for output in range(outputs):
                    y, x = divmod(first + output, b.Q)
                    h, w = (i + y) * b.step_down + b.origin_down, x * b.step_across + b.origin_across
                    line[np.uint64(plane + h * W + w)] = back[np.uint64(image * width + output)]


@parallel_kernel
def accumulate_lanes(grad, source, row, bands, patches, all_lines, all_grads, all_vectors, all_sums):
    """Sum all bands' products into dw, each thread its own."""
    for thread in prange(len(patches)):
        _accumulate_share(
            grad, source, row, bands, patches, all_lines, all_grads, all_vectors, all_sums, np.int64(thread)
        )


@inlined
def _accumulate_share(grad, source, row, bands, patches, all_lines, all_grads, all_vectors, all_sums, thread):
    _, _, _, panels, panel_rows, _ = all_sums.shape
    b, patch, lines, turned = bands[0], patches[thread], all_lines[thread], all_grads[thread]
    width, lanes = tile_width(patch), lanes_of(patch)
    begins, grad_begins = np.empty(width, np.int64), np.empty(width, np.int64)
    place = np.empty(b.band_rows * b.band_columns * (width // lanes), np.int64)
    sums = all_vectors[thread]
    sums[:] = 0
    for item in share(b.items, thread, len(patches)):
        block, group, i, _, rows, columns = locate(item, b)
        images = min(width, len(source) - block * width)
        fill_patch(source, block, images, begins, group, i, b, lines, patch)
        if images < width:
            clear_lanes(patch, width, b.channels * b.reach_down * b.reach_across * b.height * b.width, images)
        list_images(grad, block, grad_begins)
        turn_gradient(grad, grad_begins, images, group, i, rows * columns, panels * panel_rows, b, turned)
        add_products(turned, rows * columns * width, patch, row, 0, rows, place, group, b, sums, all_sums[thread])
    add_up_lanes(sums, all_sums[thread])


@inlined
def add_products(
    turned: Array,
    pitch: int,
    patch: Array,
    row: Array,
    top: int,
    rows: int,
    place: Array,
    group: int,
    b: Any,
    sums: Array,
    totals: Array,
) -> None:
    """Add what so many rows of dy, whose channels begin ``pitch`` apart, give to the vectors that become ``totals``."""
    _, column_panels, panels, panel_rows, panel_columns = totals.shape
    width, lanes, steps = tile_width(patch), lanes_of(patch), 0
    for y in range(top, top + rows):
        for x in range(b.Q):
            for lane in range(0, width, lanes):
                place[steps] = (y * b.width + x) * width + lane
                steps += 1
    for first in range(0, steps, STEPS):
        for p in range(panels):
            for column in range(column_panels):
                goal = ((group * column_panels + column) * panels + p) * panel_rows * panel_columns * lanes
                multiply_lanes(
                    turned, p * panel_rows * pitch + first * lanes, pitch, patch, row, column * panel_columns,
                    place[first:], min(STEPS, steps - first), sums, goal, panel_rows,
                )  # fmt: skip


@inlined
def add_up_lanes(sums: Array, totals: Array) -> None:
    """Give the total of each vector of sums."""
    flat = totals.reshape(-1)
    flat[:] = 0
    add_lanes(sums, 0, flat, 0, len(flat))


@inlined
def turn_gradient(
    grad: Array, begins: Array, images: int, group: int, i: int, outputs: int, channels: int, b: Any, turned: Array
) -> None:
    """Turn dy of a band, channel by channel; where none is left, the last again, and where no image is, zeros."""
    cells, width, lanes = grad.reshape(-1), tile_width(grad), lanes_of(grad)
    for k in range(channels):
        start, goal = ((group * b.M + min(k, b.M - 1)) * b.P + i) * b.Q, k * outputs * width
        for lane in range(0, images, lanes):
            turn_run(cells, start, begins, lane, turned, goal + lane, width, outputs)
    if images < width:
        clear_lanes(turned, width, channels * outputs, images)


@inlined
def clear_lanes(array: Array, width: int, cells: int, first: int) -> None:
    """Put zeros in the lanes from ``first`` on of so many cells."""
    for cell in range(cells):
        clear(array, cell * width + first, (cell + 1) * width)
