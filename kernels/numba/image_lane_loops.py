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
from tinycnn.kernels.numba.lane_tile import multiply_lanes
from tinycnn.kernels.numba.launch import DEPTH
from tinycnn.kernels.numba.tile import multiply_tile
from tinycnn.kernels.numba.vectors import copy_row, copy_vector, lanes_of, turn


@parallel_kernel
def correlate_lanes(source, bias, relu, row, bands, panels, patches, all_lines, all_sums, target):
    """Correlate all bands, shared among threads."""
    for thread in prange(len(patches)):
        _correlate_share(source, bias, relu, row, bands, panels, patches, all_lines, all_sums, target, np.int64(thread))


@inlined
def _correlate_share(source, bias, relu, row, bands, panels, patches, all_lines, all_sums, target, thread):
    b, patch, lines, sums = bands[0], patches[thread], all_lines[thread], all_sums[thread]
    width = tile_width(patch)
    cell = b.panels * b.panel_rows * width  # of sums: those of an output
    begins, cells = np.empty(width, np.int64), np.arange(len(sums) // cell) * cell
    back, strip = np.empty(width * width, patch.dtype), strip_rows(b.Q, width)
    for item in share(b.items, thread, len(patches)):
        block, group, i, _, rows, _ = locate(item, b)
        images = list_images(source, block, begins)
        turn_patch(source, begins, images, group, i, b, lines, patch)
        for top in range(0, rows, strip):
            bottom = min(rows, top + strip)
            start_cells_with(bias, group, (bottom - top) * b.Q, b, sums)
            for start in range(0, b.length, DEPTH):
                depth, tile = min(DEPTH, b.length - start), 0
                for y in range(top, bottom):
                    for x in range(b.Q):
                        for p in range(b.panels):
                            panel = (group * b.panels + p) * panels.shape[1] + start * b.panel_rows
                            multiply_tile(
                                panels, panel, patch, (y * b.width + x) * width, row, start, depth, sums, tile, width,
                                b.panel_rows, images,
                            )  # fmt: skip
                            tile += b.panel_rows * width
            turn_back(sums, cells, back, block, images, group, i + top, bottom - top, relu, b, target)


@inlined
def strip_rows(columns: int, width: int) -> int:
    """Rows of outputs that are summed and turned back at once, while they are in the nearest cache."""
    return max(1, width // columns)


@inlined
def list_images(array: Array, block: int, begins: Array) -> int:
    """Where each image of a block begins; beyond the last, the last again. How many there are."""
    width, size = len(begins), array.size // len(array)
    for lane in range(width):
        begins[lane] = min(block * width + lane, len(array) - 1) * size
    return min(width, len(array) - block * width)


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
def turn_patch(
    source: Array, begins: Array, images: int, group: int, i: int, b: Any, lines: Array, patch: Array
) -> None:
    """Turn what the band at output row i reads of a block of images, with zeros and in the order of `copy_patch`.

    The rows of a channel are turned at once, and then put where they belong.
    """
    _, _, H, W = source.shape
    cells, width, lanes = source.reshape(-1), tile_width(source), lanes_of(source)
    first = i * b.reach_down + b.top  # row of the source in the patch's first
    top = max(0, min(H, first))
    count = max(0, min(H, first + b.height * b.reach_down) - top) * W
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
def start_cells_with(bias: Array, group: int, outputs: int, b: Any, sums: Array) -> None:
    """Let the sums of some outputs begin with the bias; those of rows that A does not have, with 0."""
    width, rows = tile_width(sums), b.panels * b.panel_rows
    for m in range(rows):
        value = bias[group * b.M + m] if m < b.M else bias.dtype.type(0)
        for output in range(outputs):
            start = (output * rows + m) * width
            for lane in range(width):
                sums[np.uint64(start + lane)] = value


@inlined
def turn_back(
    sums: Array,
    cells: Array,
    back: Array,
    block: int,
    images: int,
    group: int,
    i: int,
    rows: int,
    relu: bool,
    b: Any,
    target: Array,
) -> None:
    """Put the sums of some rows, which begin where ``cells`` says, where they belong in each image of the target."""
    _, channels, H, W = target.shape
    width, lanes = tile_width(sums), lanes_of(sums)
    line, least, count = target.reshape(-1), sums.dtype.type(0 if relu else -np.inf), rows * b.Q
    whole = b.step_down == b.step_across == 1  # then the rows follow each other
    for m in range(b.M):
        for first in range(0, count, width):
            outputs = min(width, count - first)
            for lane in range(0, images, lanes):
                for output in range(0, outputs, lanes):
                    turn(sums, m * width + lane, cells, first + output, back, lane * width + output, width, lanes)
            for image in range(images):
                plane = ((block * width + image) * channels + group * b.M + m) * H * W
                if whole:
                    copy_row(back, image * width, line, plane + i * W + first, outputs, least)
                    continue
                for output in range(outputs):
                    y, x = divmod(first + output, b.Q)
                    h, w = (i + y) * b.step_down + b.origin_down, x * b.step_across + b.origin_across
                    line[np.uint64(plane + h * W + w)] = back[np.uint64(image * width + output)]


@parallel_kernel
def accumulate_lanes(grad, source, row, bands, patches, all_lines, all_grads, all_sums):
    """Sum dw over all bands, shared among threads."""
    for thread in prange(len(patches)):
        _accumulate_share(grad, source, row, bands, patches, all_lines, all_grads, all_sums, np.int64(thread))


@inlined
def _accumulate_share(grad, source, row, bands, patches, all_lines, all_grads, all_sums, thread):
    _, _, column_panels, panels, panel_rows, panel_columns = all_sums.shape
    b, patch, lines, turned = bands[0], patches[thread], all_lines[thread], all_grads[thread]
    width, lanes = tile_width(patch), lanes_of(patch)
    begins, grad_begins = np.empty(width, np.int64), np.empty(width, np.int64)
    place = np.empty(b.band_rows * b.band_columns * (width // lanes), np.int64)
    sums = all_sums[thread].reshape(-1)
    sums[:] = 0
    for item in share(b.items, thread, len(patches)):
        block, group, i, _, rows, columns = locate(item, b)
        images = list_images(source, block, begins)
        list_images(grad, block, grad_begins)
        turn_patch(source, begins, images, group, i, b, lines, patch)
        turn_gradient(grad, grad_begins, images, group, i, rows * columns, panels, panel_rows, b, turned)
        if images % lanes:
            cells = b.channels * b.reach_down * b.reach_across * b.height * b.width
            clear_lanes(patch, images // lanes * lanes, width, cells, images % lanes)
        steps = 0
        for lane in range(0, images, lanes):
            for y in range(rows):
                for x in range(columns):
                    place[steps] = (y * b.width + x) * width + lane
                    steps += 1
        for column in range(column_panels):
            for p in range(panels):
                tile = ((group * column_panels + column) * panels + p) * panel_rows * panel_columns
                multiply_lanes(
                    turned, p * steps * panel_rows * lanes, patch, row, column * panel_columns, place, steps, sums,
                    tile, panel_rows,
                )  # fmt: skip


@inlined
def turn_gradient(
    grad: Array,
    begins: Array,
    images: int,
    group: int,
    i: int,
    outputs: int,
    panels: int,
    panel_rows: int,
    b: Any,
    turned: Array,
) -> None:
    """Turn dy of a band, in panels of channels that lie side by side for each vector of images and output.

    Where no channel is left, the last again; where no image is left, zeros.
    """
    cells, lanes = grad.reshape(-1), lanes_of(grad)
    pitch, goal = panel_rows * lanes, 0
    for panel in range(panels):
        for lane in range(0, images, lanes):
            for k in range(panel_rows):
                channel = group * b.M + min(panel * panel_rows + k, b.M - 1)
                start = (channel * b.P + i) * b.Q
                turn_run(cells, start, begins, lane, turned, goal + k * lanes, pitch, outputs)
            if images - lane < lanes:
                clear_lanes(turned, goal, lanes, outputs * panel_rows, images - lane)
            goal += outputs * pitch


@inlined
def clear_lanes(array: Array, start: int, pitch: int, count: int, first: int) -> None:
    """Put zeros in so many vectors, ``pitch`` apart, from lane ``first`` on."""
    for index in range(count):
        clear(array, start + index * pitch + first, start + index * pitch + lanes_of(array))
