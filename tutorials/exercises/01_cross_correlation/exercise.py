"""Cross-correlation by loops.

Write correlate2d(x, w): lay the kernel w over every place of the image x where it fits, multiply entry by entry, sum.

    y[p, q] = Σ x[p + r, q + s] · w[r, s] over all r and s

x is (H, W), w is (R, S), y is (H − R + 1, W − S + 1).
"""

import numpy as np


def correlate2d(x, w):
    """(H, W), (R, S) -> (P, Q)."""
    # --- solution
    H, W = x.shape
    R, S = w.shape
    P, Q = H - R + 1, W - S + 1
    y = np.zeros((P, Q))
    for p in range(P):
        for q in range(Q):
            for r in range(R):
                for s in range(S):
                    y[p, q] += x[p + r, q + s] * w[r, s]
    return y
    # --- stub
    # raise NotImplementedError("write correlate2d")
    # --- end
