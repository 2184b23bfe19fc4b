"""Local response normalisation, forward and backward.

y[n, c] = x[n, c] / d[n, c]^beta with d[n, c] = k + alpha * (sum of x[n, i]² over the channels i of c's window),
which reaches from c - size // 2 to c + (size - 1) // 2, both included, as far as such channels exist.
local_response_norm_backward gives dx: each x also stands in the windows of its neighbours.
"""

import numpy as np


def local_response_norm(x, size, alpha, beta, k):
    """(N, C, H, W) -> (N, C, H, W)."""
    # --- solution
    C = x.shape[1]
    d = np.full(x.shape, float(k))
    for c in range(C):
        first, last = max(0, c - size // 2), min(C - 1, c + (size - 1) // 2)
        d[:, c] += alpha * (x[:, first : last + 1] ** 2).sum(axis=1)
    return x * d**-beta
    # --- stub
    # raise NotImplementedError("write local_response_norm")
    # --- end


def local_response_norm_backward(grad, x, size, alpha, beta, k):
    """Two of (N, C, H, W) -> (N, C, H, W)."""
    # --- solution
    C = x.shape[1]
    d = np.full(x.shape, float(k))
    for c in range(C):
        first, last = max(0, c - size // 2), min(C - 1, c + (size - 1) // 2)
        d[:, c] += alpha * (x[:, first : last + 1] ** 2).sum(axis=1)
    dx = grad * d**-beta
    for c in range(C):
        first, last = max(0, c - size // 2), min(C - 1, c + (size - 1) // 2)
        share = grad[:, c] * x[:, c] * d[:, c] ** (-beta - 1)
        dx[:, first : last + 1] -= 2 * alpha * beta * x[:, first : last + 1] * share[:, None]
    return dx
    # --- stub
    # raise NotImplementedError("write local_response_norm_backward")
    # --- end
