"""Convolution, tanh and the mean of 2x2 windows in one go, with images as lanes; and backward through tanh and mean.

Done one after the other, each of the three reads and writes arrays larger than the nearer caches, and starts the other
threads anew. Here two rows of outputs of a block of images, made as `image_lane_loops` makes them, go through tanh and
into their windows' means while they are in the cache, and the means alone are turned back to (N, K, P/2, Q/2). What
tanh gave stays as it lies, (block, K, P, Q, image).

backward reads it so, makes two rows of the gradient dy of the convolution's output and adds their products to dw at
once. dx is made of dy where it lies, row of taps by row of taps and from those outputs that there are: of LeNet-5's
14x14 inputs of 5x5 kernels, half of the products would be with padding.

forward gives the bits that the three give one after the other; sums of gradients are rounded in another order.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinycnn.kernels.numba.activation import damp, tanh_of
from tinycnn.kernels.numba.compile import inlined, parallel_kernel
from tinycnn.kernels.numba.correlation import PACKED, locate, pack_panels, share, tile_width
from tinycnn.kernels.numba.image_lane_loops import (
    add_products,
    add_up_lanes,
    clear_lanes,
    correlate_rows,
    fill_patch,
    list_images,
    turn_back,
    turn_run,
)
from tinycnn.kernels.numba.lane_tile import add_lanes
from tinycnn.kernels.numba.launch import add_up_panel
from tinycnn.kernels.numba.tile import multiply_tile
from tinycnn.kernels.numba.vectors import add_row, lanes_of

WINDOW = 2  # rows and columns of a window, two apart


@parallel_kernel
def convolve_and_pool(x, bias, weight, places, row, bands, panels, patches, all_lines, all_means, y, kept, pooled):
    """Means of 2x2 windows of tanh(w ⋆ x + b); y holds all blocks' tanh where it is kept, else one block a thread."""
    strides, cell = places
    for block in prange((len(panels) + PACKED - 1) // PACKED):
        pack_panels(weight, strides, cell, np.int64(block) * PACKED, bands[0], panels)
    for thread in prange(len(patches)):
        _pool_share(x, bias, row, bands, panels, patches, all_lines, all_means, y, kept, pooled, np.int64(thread))


@inlined
def _pool_share(x, bias, row, bands, panels, patches, all_lines, all_means, y, kept, pooled, thread):
    b, patch, lines, means, flat = bands[0], patches[thread], all_lines[thread], all_means[thread], y.reshape(-1)
    width, channels, across = tile_width(patch), b.panels * b.panel_rows, b.Q // WINDOW
    begins, back, pitch = np.empty(width, np.int64), np.empty(width * width, patch.dtype), b.P * b.Q * width
    for item in share(b.items, thread, len(patches)):
        block, group, i, _, rows, _ = locate(item, b)
        images = min(width, len(x) - block * width)
        fill_patch(x, block, images, begins, group, i, b, lines, patch)
        plane = ((block if kept else thread) * b.groups + group) * channels * pitch
        count = rows // WINDOW * across  # means of a channel
        for top in range(0, rows, WINDOW):
            start = plane + (i + top) * b.Q * width
            correlate_rows(bias, group, row, b, panels, patch, images, top, WINDOW, flat, start, pitch)
            for m in range(b.M):
                upper = start + m * pitch
                apply_tanh(flat, upper, WINDOW * b.Q * width)
                average_windows(
                    flat, upper, upper + b.Q * width, means, (m * count + top // WINDOW * across) * width, b.Q
                )
        turn_back(means, 0, count * width, count, b.M, back, block, images, group, i // WINDOW, False, b, pooled)


@inlined
def apply_tanh(numbers, start, count):
    """Replace so many numbers by their tanh."""
    part = numbers[start : start + count]
    for index in range(count):
        part[index] = tanh_of(part[index])


@inlined
def average_windows(numbers, upper, lower, means, goal, columns):
    """The mean of each 2x2 window of two rows of cells: a cell is added to that below, then to its neighbours."""
    width, quarter = tile_width(numbers), numbers.dtype.type(0.25)
    for q in range(columns // WINDOW):
        left, right, place = q * WINDOW * width, (q * WINDOW + 1) * width, goal + q * width
        for lane in range(width):
            first = numbers[np.uint64(upper + left + lane)] + numbers[np.uint64(lower + left + lane)]
            second = numbers[np.uint64(upper + right + lane)] + numbers[np.uint64(lower + right + lane)]
            means[np.uint64(place + lane)] = quarter * (first + second)


@parallel_kernel
def differentiate(
    grad, x, y, weight, row, taps, bands, need_dw, patches, all_lines, all_given, all_dy, all_vectors, all_sums, all_db,
    dx_sums, entry, dx, dw, db,
):  # fmt: skip
    """From the gradient of the means db, dw where needed, and dx where it has entries."""
    for thread in prange(len(patches)):
        _differentiate_share(
            grad, x, y, weight, row, taps, bands, need_dw, patches, all_lines, all_given, all_dy, all_vectors, all_sums,
            all_db, dx_sums, dx, np.int64(thread),
        )  # fmt: skip
    for index in prange(all_sums.shape[1] * all_sums.shape[2] if need_dw else 0):
        add_up_panel(all_sums, entry, np.int64(index), bands[0].M, dw)
    add_up_bias(all_db, db)


@inlined
def _differentiate_share(
    grad, x, y, weight, row, taps, bands, need_dw, patches, all_lines, all_given, all_dy, all_vectors, all_sums, all_db,
    dx_sums, dx, thread,
):  # fmt: skip
    b, patch, dy, db = bands[0], patches[thread], all_dy[thread], all_db[thread]
    lines, given, totals, numbers = all_lines[thread], all_given[thread], all_sums[thread], dx_sums[thread]
    width, lanes, flat, (_, _, H, W) = tile_width(patch), lanes_of(patch), dy.reshape(-1), dx.shape
    line, pitch = b.Q * width, dy.shape[1] * width
    held = pitch // line  # rows of dy that stay: all where dx is made of them
    begins, place = np.empty(width, np.int64), np.empty(WINDOW * line // lanes, np.int64)
    sums, spread = all_vectors[thread], np.empty(line, patch.dtype)
    sums[:] = 0
    back = np.empty(width * width, patch.dtype)
    rows = np.zeros(len(db) * line, patch.dtype)  # for each channel, a row of dy's sums
    for item in share(b.images * b.groups, thread, len(patches)):
        block, group = divmod(item, b.groups)
        images = min(width, len(x) - block * width)
        if need_dw:
            fill_patch(x, block, images, begins, group, 0, b, lines, patch)
            if images < width:
                clear_lanes(patch, width, b.channels * b.height * b.width, images)
        list_images(grad, block, begins)
        turn_means(grad, begins, images, group, b, given)
        for top in range(0, b.P, WINDOW):
            first = top % held * line
            damp_rows(given, y, item, group, top, b, spread, flat, first, pitch, rows)
            if need_dw:
                add_products(flat[first:], pitch, patch, row, top, WINDOW, place, group, b, sums, totals)
        if dx.size:
            correlate_back(flat, pitch, group, taps, b, weight, images, H, W, numbers)
            turn_back(numbers, 0, (H * W + 1) * width, H * W, b.channels, back, block, images, group, 0, False, b, dx)
    add_up_lanes(sums, totals)
    db[:] = 0
    for channel in range(len(db)):
        for vector in range(lanes, line, lanes):
            add_row(rows, channel * line + vector, rows, channel * line, lanes)
        add_lanes(rows, channel * line, db, channel, 1)


@inlined
def add_up_bias(all_db, db):
    """Add what the threads have summed, in their order."""
    for k in range(len(db)):
        total = all_db[0, k]
        for thread in range(1, len(all_db)):
            total += all_db[thread, k]
        db[k] = total


@inlined
def turn_means(grad, begins, images, group, b, given):
    """Turn the gradient of a group's means; where no image is, zeros."""
    width, lanes, count = tile_width(grad), lanes_of(grad), b.P // WINDOW * (b.Q // WINDOW)
    for m in range(b.M):
        for lane in range(0, images, lanes):
            start, goal = (group * b.M + m) * count, m * count * width + lane
            turn_run(grad.reshape(-1), start, begins, lane, given, goal, width, count)
    if images < width:
        clear_lanes(given, width, b.M * count, images)


@inlined
def damp_rows(given, y, item, group, top, b, spread, dy, first, pitch, sums):
    """Two rows of dy, grad / 4 · (1 − tanh²), for each channel; each is added to the channel's sums."""
    line, tanh, planes = len(spread), y.reshape(-1), y.shape[2]
    for m in range(b.M):
        spread_means(given, (m * b.P + top) // WINDOW * line // WINDOW, spread)
        for r in range(WINDOW):
            kept, goal = ((item * planes + m) * b.P + top + r) * line, first + m * pitch + r * line
            damp(spread, tanh[kept : kept + line], dy[goal : goal + line])
            add_row(dy, goal, sums, (group * b.M + m) * line, line)


@inlined
def spread_means(given, start, spread):
    """A quarter of each gradient of a row of means, for two cells beside each other."""
    width, quarter = tile_width(given), given.dtype.type(0.25)
    for q in range(len(spread) // (WINDOW * width)):
        for lane in range(width):
            part = quarter * given[np.uint64(start + q * width + lane)]
            spread[np.uint64(WINDOW * q * width + lane)] = part
            spread[np.uint64((WINDOW * q + 1) * width + lane)] = part


@inlined
def correlate_back(dy, pitch, group, taps, b, weight, images, H, W, sums):
    """Gather dx[h, w] = Σ w[r, s] · dy[h + pad − r·dilation, …] from those outputs that there are: no zero is read."""
    width, (_, _, R, S), K = tile_width(dy), weight.shape, b.M
    down, across, panels, rows, offset = taps
    channel, factors = (H * W + 1) * width, turn_weight(weight, group, K, panels, rows)
    sums[:] = 0
    for h in range(H):
        for r in range(R):
            p = h - b.top - r * down
            if p < 0 or p >= b.P:
                continue
            for w in range(W):
                end = min(S, (w - b.left) // across + 1)
                begin = max(0, (w - b.left - b.Q) // across + 1)
                position = (p * b.Q + w - b.left) * width
                for panel in range(panels if begin < end else 0):
                    first = ((panel * R + r) * S + begin) * K * rows
                    multiply_tile(
                        factors, first, dy, position, offset, begin * K, (end - begin) * K,
                        sums, panel * rows * channel + (h * W + w) * width, channel, rows, images,
                    )  # fmt: skip


@inlined
def turn_weight(weight, group, K, panels, rows):
    """The weight of a group, its channels in panels and side by side: by (panel, r, s, k, channel)."""
    _, C, R, S = weight.shape
    factors = np.zeros(panels * R * S * K * rows, weight.dtype)
    for k in range(K):
        for c in range(C):
            panel, row = divmod(c, rows)
            for tap in range(R * S):
                place = ((panel * R * S + tap) * K + k) * rows + row
                factors[np.uint64(place)] = weight[group * K + k, c, tap // S, tap % S]
    return factors
