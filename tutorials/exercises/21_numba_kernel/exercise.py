"""A convolution compiled by Numba.

Write conv2d with seven loops over single numbers, as in C, and let Numba compile it: @njit above it.
"""

import numpy as np

# --- solution
from numba import njit

# --- stub
# # njit comes from numba
# --- end


# --- solution
@njit
# --- stub
# # the decorator goes here
# --- end
def conv2d(x, w, b, stride, padding):
    """(N, C, H, W), (K, C, R, S), (K,) -> (N, K, P, Q)."""
    # --- solution
    N, C, H, W = x.shape
    K, _, R, S = w.shape
    P = (H + 2 * padding - R) // stride + 1
    Q = (W + 2 * padding - S) // stride + 1
    y = np.empty((N, K, P, Q))
    for n in range(N):
        for k in range(K):
            for p in range(P):
                for q in range(Q):
                    total = b[k]
                    for c in range(C):
                        for r in range(R):
                            for s in range(S):
                                h = p * stride + r - padding
                                v = q * stride + s - padding
                                if 0 <= h < H and 0 <= v < W:
                                    total += x[n, c, h, v] * w[k, c, r, s]
                    y[n, k, p, q] = total
    return y
    # --- stub
    # raise NotImplementedError("write conv2d")
    # --- end
