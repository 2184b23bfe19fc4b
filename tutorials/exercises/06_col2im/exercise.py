"""col2im.

Write col2im(columns, shape, R, S, stride, padding): fold the columns of im2col back to a batch of the given shape.
Where windows overlap, their numbers are added. What falls into the padding is dropped.

    x[n, c, h, w] = Σ columns[(c, r, s), (n, p, q)] over all r, s, p, q that im2col filled from x[n, c, h, w]

columns is (C·R·S, N·P·Q), shape is (N, C, H, W).
"""

import numpy as np


def output_size(size, kernel, stride, padding):
    """Number of windows along one axis."""
    return (size + 2 * padding - kernel) // stride + 1


def col2im(columns, shape, R, S, stride, padding):
    """(C·R·S, N·P·Q) -> (N, C, H, W)."""
    N, C, H, W = shape
    P, Q = output_size(H, R, stride, padding), output_size(W, S, stride, padding)
    # --- solution
    columns = columns.reshape(C, R, S, N, P, Q)
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    for r in range(R):
        for s in range(S):
            for p in range(P):
                for q in range(Q):
                    padded[:, :, p * stride + r, q * stride + s] += columns[:, r, s, :, p, q].T  # (C, N) -> (N, C)
    return padded[:, :, padding : padding + H, padding : padding + W]
    # --- stub
    # raise NotImplementedError("write col2im")
    # --- end
