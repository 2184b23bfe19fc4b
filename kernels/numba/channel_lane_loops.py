"""Output channels as lanes: what a tile broadcasts are the image's own numbers, read in place one by one.

A vector along rows of outputs wastes what a row lacks to whole vectors, reads cells between bands' rows that are no
outputs, and for backward_weight cannot be had without turning the column matrix. But where a layer has channels enough
to fill vectors, let y be summed with its channels side by side, as channels-last does:

    y[position, k]  =  Σ_(c, t) patch[row[(c, t)] + position] · w[(c, t), k]
    dw[(c, t), k]   =  Σ_position patch[row[(c, t)] + position] · dy[position, k]

Both are tiles of `multiply_spread_tile`: the numbers of the patch (see `correlation`) are broadcast, which asks for no
order among them, so that neither stride nor the end of a row costs anything. What has channels side by side is turned,
square by square in cache: y when it is summed, dy before. That is a number for each C·R·S products; im2col turns or
copies a number for each K.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.kernels.numba.caches import prefetch
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.correlation import copy_patch, list_planes, locate, share, tile_width
from tinycnn.kernels.numba.tile import ROWS, multiply_spread_tile
from tinycnn.kernels.numba.vectors import copy_row, lanes_of, turn, turn_rows

# Rows of b that a tile sums over at once, which stay in the nearest cache for the next tile: 24 KiB. On AlexNet's
# first layer, 16 images, two threads (AMD EPYC, Zen 4), forward is as fast within noise with 128, 192 and 400;
# backward_weight, which turns so many outputs at once, takes 16.2 ms with 192, 16.7 to 17.4 with 64 and 96, and 21.7
# with 32.
DEPTH = 192
# Outputs that are summed, and turned at once: of the same layer, 4 tiles take 16.9 ms, 8 to 56 take 16.2 to 16.7.
STRIP = 16 * ROWS


@parallel_kernel
def correlate_channels(source, bias, relu, row, bands, stride, panels, patches, all_sums, target):
    """Correlate all bands, shared among threads."""
    for thread in prange(len(patches)):
        _correlate_share(source, bias, relu, row, bands, stride, panels, patches, all_sums, target, np.int64(thread))


@inlined
def _correlate_share(source, bias, relu, row, bands, stride, panels, patches, all_sums, target, thread):
    b, patch, sums = bands[0], patches[thread], all_sums[thread]
    width = tile_width(patch)
    position = np.empty(b.band_rows * b.band_columns, np.int64)
    slices = (b.length + DEPTH - 1) // DEPTH
    for item in share(b.items, thread, len(patches)):
        n, group, i, j, rows, columns = locate(item, b)
        copy_patch(source, n, group, i * stride[0], j * stride[1], b, patch)
        count = list_positions(rows, columns, stride, b, position)
        corner = first_of(n, group, i, j, b)
        for p in range(b.panels):
            channels = min(width, b.M - p * width)
            goal = corner + p * width * b.P * b.Q
            for begin in range(0, count, STRIP):
                outputs = min(STRIP, count - begin)
                start_with_row(bias, group * b.M + p * width, channels, outputs, sums)
                for piece in range(slices):
                    start, stop = piece * b.length // slices, (piece + 1) * b.length // slices
                    panel = (group * b.panels + p) * panels.shape[1] + start * width
                    for first in range(0, outputs, ROWS):
                        if piece == 0:
                            ask_for(target, goal + begin + first, b.P * b.Q, channels)
                        multiply_spread_tile(
                            patch, 0, position, begin + first, row, start, panels, panel, stop - start, sums,
                            first * width, width, min(ROWS, outputs - first), channels,
                        )  # fmt: skip
                if relu:
                    copy_row(sums, 0, sums, 0, outputs * width, sums.dtype.type(0))
                turn_strip(sums, outputs, channels, target, goal + begin, b.P * b.Q)


@inlined
def first_of(n: int, group: int, i: int, j: int, b: Any) -> int:
    """Where y or dy has a band's first output in a group's first channel.

    The others follow it: a band is whole rows or, where these are longer than a band, a part of one.
    """
    return ((n * b.groups + group) * b.M * b.P + i) * b.Q + j


@inlined
def list_positions(rows: int, columns: int, stride: tuple[int, int], b: Any, position: Array) -> int:
    """Where in the patch each output of a band begins, and how many there are."""
    for y in range(rows):
        for x in range(columns):
            position[y * columns + x] = y * stride[0] * b.width + x * stride[1]
    return rows * columns


@inlined
def ask_for(target: Array, start: int, plane: int, channels: int) -> None:
    """Ask for where a tile's sums shall go in so many channels, for else turning them waits for memory."""
    line = target.reshape(-1)
    for k in range(channels):
        prefetch(line, start + k * plane, lanes_of(target), True)


@inlined
def start_with_row(bias: Array, first: int, channels: int, outputs: int, sums: Array) -> None:
    """Let the sums of so many outputs begin with the bias of so many channels, from the first on."""
    width = tile_width(sums)
    for output in range(outputs):
        for k in range(channels):
            sums[np.uint64(output * width + k)] = bias[np.uint64(first + k)]


@inlined
def turn_strip(sums: Array, outputs: int, channels: int, target: Array, goal: int, plane: int) -> None:
    """Put so many sums, whose channels lie side by side, where they belong in so many channels of the target."""
    line, lanes, width = target.reshape(-1), lanes_of(sums), tile_width(sums)
    if outputs < lanes or channels < lanes:
        for k in range(channels):
            for output in range(outputs):
                line[np.uint64(goal + k * plane + output)] = sums[np.uint64(output * width + k)]
        return
    begins = np.arange(lanes) * width
    for output in range(0, outputs, lanes):
        place = min(output, outputs - lanes)  # the last vector ends where the strip does
        turn(sums, place * width, begins, 0, line, goal + place, plane, channels)


@parallel_kernel
def accumulate_channels(grad, source, row, bands, stride, patches, all_lines, all_sums):
    """Sum dw over all bands, shared among threads, for each by itself."""
    for thread in prange(len(patches)):
        _accumulate_share(grad, source, row, bands, stride, patches, all_lines, all_sums, np.int64(thread))


@inlined
def _accumulate_share(grad, source, row, bands, stride, patches, all_lines, all_sums, thread):
    b, patch, lines, sums = bands[0], patches[thread], all_lines[thread], all_sums[thread].reshape(-1)
    width = tile_width(patch)
    pitch = b.panels * width
    position = np.empty(b.band_rows * b.band_columns, np.int64)
    planes = list_planes(grad, b)
    tiles = (b.length + ROWS - 1) // ROWS
    height = (b.length + tiles - 1) // tiles
    sums[:] = 0
    for item in share(b.items, thread, len(patches)):
        n, group, i, j, rows, columns = locate(item, b)
        copy_patch(source, n, group, i * stride[0], j * stride[1], b, patch)
        count = list_positions(rows, columns, stride, b, position)
        corner = first_of(n, group, i, j, b)
        slices = (count + DEPTH - 1) // DEPTH
        for piece in range(slices):
            start, stop = piece * count // slices, (piece + 1) * count // slices
            for p in range(b.panels):
                turn_outputs(grad, corner + start, stop - start, planes, p * width, b.M, lines)
                for first in range(0, b.length, height):
                    multiply_spread_tile(
                        patch, 0, row, first, position, start, lines, 0, stop - start, sums,
                        (group * b.length + first) * pitch + p * width, pitch, min(height, b.length - first),
                        b.M - p * width,
                    )  # fmt: skip


@inlined
def turn_outputs(grad: Array, start: int, outputs: int, planes: Array, first: int, M: int, lines: Array) -> None:
    """Put dy of so many outputs side by side in a panel of channels, from the first on."""
    cells, lanes, width = grad.reshape(-1), lanes_of(grad), tile_width(grad)
    channels = min(width, M - first)
    if outputs >= lanes:
        turn_rows(cells, start, planes, first, channels, lines, 0, width, outputs)
        return
    for k in range(channels):
        for output in range(outputs):
            lines[np.uint64(output * width + k)] = cells[np.uint64(start + planes[first + k] + output)]


@parallel_kernel
def add_channels(sums: Array, M: int, dw: Array) -> None:
    """Add what the threads have summed, in their order, with (c, r, s) side by side again."""
    for k in prange(len(dw)):
        _add_channel(sums, M, np.int64(k), dw)


@inlined
def _add_channel(sums: Array, M: int, k: Any, dw: Array) -> None:
    group, lane = divmod(k, M)
    for entry in range(dw.shape[1]):
        total = sums[0, group, entry, lane]
        for thread in range(1, len(sums)):
            total += sums[thread, group, entry, lane]
        dw[k, entry] = total
