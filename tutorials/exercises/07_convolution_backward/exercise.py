"""The backward pass of convolution.

Write convolution_backward(dy, x, w, stride, padding): from dy, the gradient of the loss with respect to y, find those
with respect to x, w and b. im2col and col2im are given. Forward, as a product of matrices, was

    y = w · columns + b with columns = im2col(x)

dy is (N, K, P, Q), x is (N, C, H, W), w is (K, C, R, S). Return dx, dw, db, each in the shape of x, w, b = (K,).
"""

import numpy as np


def output_size(size, kernel, stride, padding):
    """Number of windows along one axis."""
    return (size + 2 * padding - kernel) // stride + 1


def im2col(x, R, S, stride, padding):
    """(N, C, H, W) -> (C·R·S, N·P·Q): each column is a window, in the order of n, p, q."""
    P, Q = output_size(x.shape[2], R, stride, padding), output_size(x.shape[3], S, stride, padding)
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    taps = [x[:, :, r : r + stride * P : stride, s : s + stride * Q : stride] for r in range(R) for s in range(S)]
    return np.stack(taps).transpose(2, 0, 1, 3, 4).reshape(x.shape[1] * R * S, -1)  # from (R·S, N, C, P, Q)


def col2im(columns, shape, R, S, stride, padding):
    """(C·R·S, N·P·Q) -> (N, C, H, W): what overlaps is added."""
    N, C, H, W = shape
    P, Q = output_size(H, R, stride, padding), output_size(W, S, stride, padding)
    padded = np.zeros((C, N, H + 2 * padding, W + 2 * padding))
    taps = columns.reshape(C, R, S, N, P, Q)
    for r, s in np.ndindex(R, S):
        padded[:, :, r : r + stride * P : stride, s : s + stride * Q : stride] += taps[:, r, s]
    return padded[:, :, padding : padding + H, padding : padding + W].transpose(1, 0, 2, 3)


def convolution_backward(dy, x, w, stride, padding):
    """(N, K, P, Q), (N, C, H, W), (K, C, R, S) -> (N, C, H, W), (K, C, R, S), (K,)."""
    # --- solution
    K, C, R, S = w.shape
    columns = im2col(x, R, S, stride, padding)  # (C·R·S, N·P·Q)
    dy_matrix = dy.transpose(1, 0, 2, 3).reshape(K, -1)  # (N, K, P, Q) -> (K, N·P·Q)
    dw = (dy_matrix @ columns.T).reshape(K, C, R, S)
    dx = col2im(w.reshape(K, -1).T @ dy_matrix, x.shape, R, S, stride, padding)
    db = dy.sum(axis=(0, 2, 3))
    return dx, dw, db
    # --- stub
    # raise NotImplementedError("write convolution_backward")
    # --- end
