"""im2col.

Write im2col(x, R, S, stride, padding): unfold every window of a batch into one column of a matrix.

    columns[(c, r, s), (n, p, q)] = x[n, c, p·stride + r − padding, q·stride + s − padding], 0 in the padding

x is (N, C, H, W), the result is (C·R·S, N·P·Q).
"""

import numpy as np


def output_size(size, kernel, stride, padding):
    """Number of windows along one axis."""
    return (size + 2 * padding - kernel) // stride + 1


def zero_pad(x, padding):
    """(N, C, H, W) -> (N, C, H + 2·padding, W + 2·padding)."""
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def im2col(x, R, S, stride, padding):
    """(N, C, H, W) -> (C·R·S, N·P·Q)."""
    # --- solution
    N, C, H, W = x.shape
    P, Q = output_size(H, R, stride, padding), output_size(W, S, stride, padding)
    x = zero_pad(x, padding)
    columns = np.zeros((C, R, S, N, P, Q))
    for r in range(R):
        for s in range(S):
            for p in range(P):
                for q in range(Q):
                    columns[:, r, s, :, p, q] = x[:, :, p * stride + r, q * stride + s].T  # (N, C) -> (C, N)
    return columns.reshape(C * R * S, N * P * Q)
    # --- stub
    # raise NotImplementedError("write im2col")
    # --- end
