"""Local response normalisation across channels, and batch normalisation."""

import numpy as np

from tinycnn.arrays import Array


def lrn_forward(x: Array, size: int, scale: float, beta: float, k: float) -> tuple[Array, Array]:
    """y = x · d^−β with d = k + scale · Σ x² over the channels c − size//2 … c + (size − 1)//2: (N, C, …) -> y, d.

    Source: Krizhevsky, Sutskever, Hinton (2012), section 3.3, where scale is alpha.
    """
    d = k + x.dtype.type(scale) * channel_window_sum(x * x, size // 2, (size - 1) // 2)
    d = d.astype(x.dtype, copy=False)
    return x * d**-beta, d


def lrn_backward(grad: Array, x: Array, d: Array, size: int, scale: float, beta: float) -> Array:
    """dx_c = dy_c · d_c^−β − 2 · scale · β · x_c · Σ_j dy_j · x_j · d_j^(−β−1) over the windows j that c lies in.

    Channel c lies in the windows of j = c − (size − 1)//2 … c + size//2: the forward window, mirrored.
    """
    power = d**-beta
    shared = channel_window_sum(grad * x * power / d, (size - 1) // 2, size // 2)
    return grad * power - x.dtype.type(2 * scale * beta) * x * shared


def channel_window_sum(x: Array, before: int, after: int) -> Array:
    """Sum over the channels c − before … c + after that exist: (N, C, …) -> (N, C, …)."""
    C = x.shape[1]
    total = x.copy()
    for step in range(1, min(before, C - 1) + 1):
        total[:, step:] += x[:, :-step]
    for step in range(1, min(after, C - 1) + 1):
        total[:, :-step] += x[:, step:]
    return total


def batch_norm_forward(x: Array, mean: Array, variance: Array, eps: float) -> tuple[Array, Array]:
    """Normalised x̂ = (x − mean) / √(variance + eps), and 1 / √(variance + eps): (N, C, …), (C,) -> (N, C, …), (C,)."""
    inverse_std = (1 / np.sqrt(variance + eps)).astype(x.dtype, copy=False)
    return (x - per_channel(mean, x)) * per_channel(inverse_std, x), inverse_std


def batch_norm_backward(grad: Array, normalised: Array, inverse_std: Array) -> Array:
    """Through the batch's own mean and variance: dx = (dx̂ − mean(dx̂) − x̂ · mean(dx̂ · x̂)) / std, means per channel.

    ``grad`` is dx̂, the gradient of the normalised values. Source: Ioffe, Szegedy (2015), section 3.
    """
    axes = batch_axes(grad)
    mean = grad.mean(axes, keepdims=True)
    along = (grad * normalised).mean(axes, keepdims=True)
    return (grad - mean - normalised * along) * per_channel(inverse_std, grad)


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and (biased) variance of each channel over the batch and all positions: (N, C, …) -> two of (C,)."""
    axes = batch_axes(x)
    return x.mean(axes), x.var(axes)


def per_channel(values: Array, like: Array) -> Array:
    """One value a channel, shaped to broadcast: (C,) -> (1, C, 1, …)."""
    return values.reshape(1, -1, *(1,) * (like.ndim - 2))


def batch_axes(x: Array) -> tuple[int, ...]:
    """All axes but the channels'."""
    return (0, *range(2, x.ndim))
