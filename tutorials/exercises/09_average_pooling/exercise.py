"""Average pooling and global average, forward and backward.

avg_pool2d: y[n, c, p, q] is the mean over the kernel_size x kernel_size window that begins at row
p * stride - padding and column q * stride - padding; zeros stand outside the image, and count.
avg_pool2d_backward gives each entry its share of the gradient of every window that it lies in.
global_avg_pool2d takes the mean over H and W; global_avg_pool2d_backward spreads its gradient.
"""

import numpy as np


def avg_pool2d(x, kernel_size, stride, padding):
    """(N, C, H, W) -> (N, C, P, Q)."""
    # --- solution
    N, C, H, W = x.shape
    P = (H + 2 * padding - kernel_size) // stride + 1
    Q = (W + 2 * padding - kernel_size) // stride + 1
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    padded[:, :, padding : padding + H, padding : padding + W] = x
    y = np.zeros((N, C, P, Q))
    for p, q in np.ndindex(P, Q):
        top, left = p * stride, q * stride
        window = padded[:, :, top : top + kernel_size, left : left + kernel_size]
        y[:, :, p, q] = window.sum(axis=(2, 3)) / kernel_size**2
    return y
    # --- stub
    # raise NotImplementedError("write avg_pool2d")
    # --- end


def avg_pool2d_backward(grad, shape, kernel_size, stride, padding):
    """(N, C, P, Q), shape = (N, C, H, W) -> (N, C, H, W)."""
    # --- solution
    N, C, H, W = shape
    wide = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    for p, q in np.ndindex(grad.shape[2:]):
        top, left = p * stride, q * stride
        share = grad[:, :, p, q] / kernel_size**2
        wide[:, :, top : top + kernel_size, left : left + kernel_size] += share[:, :, None, None]
    return wide[:, :, padding : padding + H, padding : padding + W]
    # --- stub
    # raise NotImplementedError("write avg_pool2d_backward")
    # --- end


def global_avg_pool2d(x):
    """(N, C, H, W) -> (N, C, 1, 1)."""
    # --- solution
    return x.mean(axis=(2, 3), keepdims=True)
    # --- stub
    # raise NotImplementedError("write global_avg_pool2d")
    # --- end


def global_avg_pool2d_backward(grad, shape):
    """(N, C, 1, 1), shape = (N, C, H, W) -> (N, C, H, W)."""
    # --- solution
    N, C, H, W = shape
    return np.ones(shape) * grad / (H * W)
    # --- stub
    # raise NotImplementedError("write global_avg_pool2d_backward")
    # --- end
