"""Local response normalisation, a thread an entry, and batch normalisation, a block a channel where it sums.

Plain twin: `tinycnn.kernels.numpy.normalization`.
"""

from __future__ import annotations

import math
from typing import Any

from tinycnn.arrays import Array
from tinycnn.kernels.cuda.launch import contiguous, empty, for_cells, for_entries, launch

MOST_THREADS = 1024  # of a block that sums a channel: channels are fewer than a GPU could run blocks
TERMS = 8  # that a thread has at least before there are more threads; not tuned


def lrn_forward(x: Array, size: int, scale: float, beta: float, k: float) -> tuple[Array, Array]:
    """y = x · d^−β with d = k + scale · Σ x² over the channels c − size//2 … c + (size − 1)//2: (N, C, …) -> y, d.

    Source: Krizhevsky, Sutskever, Hinton (2012), section 3.3, where scale is alpha.
    """
    y, d = empty(x.shape, x), empty(x.shape, x)
    _planes("lrn_forward", x, contiguous(x), y, d, numbers=(size // 2, (size - 1) // 2, scale, beta, k))
    return y, d


def lrn_backward(grad: Array, x: Array, d: Array, size: int, scale: float, beta: float) -> Array:
    """dx_c = dy_c · d_c^−β − 2 · scale · β · x_c · Σ_j dy_j · x_j · d_j^(−β−1) over the windows j that c lies in.

    Channel c lies in the windows of j = c − (size − 1)//2 … c + size//2: the forward window, mirrored.
    """
    x, dx, share = contiguous(x), empty(x.shape, x), empty(x.shape, x)
    grid, block = for_entries(x.size)
    launch("normalization", "lrn_shares", x, grid, block, contiguous(grad), x, d, dx, share, beta, x.size)
    _planes("lrn_backward", x, x, share, dx, numbers=((size - 1) // 2, size // 2, 2 * scale * beta))
    return dx


def batch_norm_forward(x: Array, mean: Array, variance: Array, eps: float) -> tuple[Array, Array]:
    """Normalised x̂ = (x − mean) / √(variance + eps), and 1 / √(variance + eps): (N, C, …), (C,) -> (N, C, …), (C,)."""
    y, inverse_std = empty(x.shape, x), empty(variance.shape, x)
    grid, block = for_entries(variance.size)
    arguments = contiguous(variance), inverse_std, eps, variance.size
    launch("normalization", "inverse_deviation", x, grid, block, *arguments)
    _planes("batch_norm_forward", x, contiguous(x), contiguous(mean), inverse_std, y)
    return y, inverse_std


def batch_norm_backward(grad: Array, normalised: Array, inverse_std: Array) -> Array:
    """Through the batch's own mean and variance: dx = (dx̂ − mean(dx̂) − x̂ · mean(dx̂ · x̂)) / std, means per channel.

    ``grad`` is dx̂, the gradient of the normalised values. Source: Ioffe, Szegedy (2015), section 3.
    """
    dx = empty(grad.shape, grad)
    _channels("batch_norm_backward", grad, contiguous(grad), normalised, inverse_std, dx)
    return dx


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and (biased) variance of each channel over the batch and all positions: (N, C, …) -> two of (C,)."""
    mean, variance = empty(x.shape[1:2], x), empty(x.shape[1:2], x)
    _channels("batch_statistics", x, contiguous(x), mean, variance)
    return mean, variance


def _planes(kernel: str, x: Array, *arrays: Array, numbers: tuple[Any, ...] = ()) -> None:
    """Run a kernel on the cells of each channel of each image of x."""
    N, C, *rest = x.shape
    grid, block = for_cells(N * C, math.prod(rest))
    launch("normalization", kernel, x, grid, block, *arrays, N * C, C, math.prod(rest), *numbers)


def _channels(kernel: str, x: Array, *arrays: Array) -> None:
    """Run a kernel with a block for each channel of x, which has as many threads across as there are positions."""
    N, C, *rest = x.shape
    positions = math.prod(rest)
    threads = min(max(32, _power_of_two(N * positions // TERMS)), MOST_THREADS)
    across = min(_power_of_two(positions), threads)
    launch("normalization", kernel, x, (C,), (across, threads // across), *arrays, N, C, positions)


def _power_of_two(number: int) -> int:
    """The smallest that is not less, from 1 on."""
    return 1 << max(number - 1, 0).bit_length()
