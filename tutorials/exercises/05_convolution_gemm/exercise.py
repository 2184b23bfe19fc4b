"""Convolution as one matrix product.

Write conv2d(x, w, b, stride, padding) with im2col, which is given: every kernel is a row of a matrix, every window a
column of another, and their product holds all the sums.

    y[n, k, p, q] = Σ w[k, c, r, s] · window[c, r, s] + b[k]

x is (N, C, H, W), w is (K, C, R, S), b is (K,), y is (N, K, P, Q).
"""

import numpy as np


def output_size(size, kernel, stride, padding):
    """Number of windows along one axis."""
    return (size + 2 * padding - kernel) // stride + 1


def im2col(x, R, S, stride, padding):
    """(N, C, H, W) -> (C·R·S, N·P·Q): each column is a window, in the order of n, p, q."""
    rows, columns = output_size(x.shape[2], R, stride, padding), output_size(x.shape[3], S, stride, padding)
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    taps = [
        x[:, :, r : r + stride * rows : stride, s : s + stride * columns : stride] for r in range(R) for s in range(S)
    ]
    return np.stack(taps).transpose(2, 0, 1, 3, 4).reshape(x.shape[1] * R * S, -1)  # from (R·S, N, C, P, Q)


def conv2d(x, w, b, stride, padding):
    """(N, C, H, W), (K, C, R, S), (K,) -> (N, K, P, Q)."""
    # --- solution
    N, C, H, W = x.shape
    K, C, R, S = w.shape
    P, Q = output_size(H, R, stride, padding), output_size(W, S, stride, padding)
    columns = im2col(x, R, S, stride, padding)  # (C·R·S, N·P·Q)
    product = w.reshape(K, C * R * S) @ columns + b.reshape(K, 1)  # (K, N·P·Q)
    return product.reshape(K, N, P, Q).transpose(1, 0, 2, 3)  # (K, N, P, Q) -> (N, K, P, Q)
    # --- stub
    # raise NotImplementedError("write conv2d")
    # --- end
