"""Max pooling, forward and backward.

max_pool2d keeps the largest entry of each window: y[n, c, p, q] = max over r, s of
x[n, c, p * stride + r - padding, q * stride + s - padding], with -inf outside the image.
max_pool2d_backward gives each grad[n, c, p, q] to the entry that won its window.
The first maximum of a window, row by row, wins a tie; an entry that won several windows gets their sum.
"""

import numpy as np


def max_pool2d(x, kernel_size, stride, padding):
    """(N, C, H, W) -> (N, C, P, Q)."""
    # --- solution
    N, C, H, W = x.shape
    P = (H + 2 * padding - kernel_size) // stride + 1
    Q = (W + 2 * padding - kernel_size) // stride + 1
    padded = np.full((N, C, H + 2 * padding, W + 2 * padding), -np.inf)
    padded[:, :, padding : padding + H, padding : padding + W] = x
    y = np.zeros((N, C, P, Q))
    for p in range(P):
        for q in range(Q):
            top, left = p * stride, q * stride
            y[:, :, p, q] = padded[:, :, top : top + kernel_size, left : left + kernel_size].max(axis=(2, 3))
    return y
    # --- stub
    # raise NotImplementedError("write max_pool2d")
    # --- end


def max_pool2d_backward(grad, x, kernel_size, stride, padding):
    """(N, C, P, Q), (N, C, H, W) -> (N, C, H, W)."""
    # --- solution
    N, C, H, W = x.shape
    padded = np.full((N, C, H + 2 * padding, W + 2 * padding), -np.inf)
    padded[:, :, padding : padding + H, padding : padding + W] = x
    wide = np.zeros(padded.shape)
    for n, c, p, q in np.ndindex(grad.shape):
        top, left = p * stride, q * stride
        window = padded[n, c, top : top + kernel_size, left : left + kernel_size]
        r, s = np.unravel_index(window.argmax(), window.shape)
        wide[n, c, top + r, left + s] += grad[n, c, p, q]
    return wide[:, :, padding : padding + H, padding : padding + W]
    # --- stub
    # raise NotImplementedError("write max_pool2d_backward")
    # --- end
