"""Find the bugs: a convolution, forward.

This conv2d has three bugs. Find and mend them.
"""

import numpy as np


def conv2d(x, w, b, stride, padding):
    """(N, C, H, W), (K, C, R, S), (K,) -> (N, K, P, Q)."""
    # --- solution
    N, C, H, W = x.shape
    K, _, R, S = w.shape
    P = (H + 2 * padding - R) // stride + 1
    Q = (W + 2 * padding - S) // stride + 1
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    padded[:, :, padding : padding + H, padding : padding + W] = x
    y = np.zeros((N, K, P, Q))
    for k in range(K):
        for p in range(P):
            for q in range(Q):
                top, left = p * stride, q * stride
                for c in range(C):
                    window = padded[:, c, top : top + R, left : left + S]
                    y[:, k, p, q] += np.sum(window * w[k, c], axis=(1, 2))
                y[:, k, p, q] += b[k]
    return y
    # --- stub
    # N, C, H, W = x.shape
    # K, _, R, S = w.shape
    # P = (W + 2 * padding - S) // stride + 1
    # Q = (H + 2 * padding - R) // stride + 1
    # padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    # padded[:, :, padding : padding + H, padding : padding + W] = x
    # y = np.zeros((N, K, P, Q))
    # for k in range(K):
    #     for p in range(P):
    #         for q in range(Q):
    #             top, left = p * stride, q
    #             for c in range(C):
    #                 window = padded[:, c, top : top + R, left : left + S]
    #                 y[:, k, p, q] += np.sum(window * w[k, c], axis=(1, 2)) + b[k]
    # return y
    # --- end
