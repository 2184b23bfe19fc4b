"""Find the bugs: convolution and max pooling, backward.

These two backward passes have three bugs. Find and mend them.
"""

import numpy as np


def conv2d_backward(grad, x, w):
    """(N, K, P, Q), (N, C, H, W), (K, C, R, S) -> dx, dw, db of the shapes of x, w and (K,)."""
    # --- solution
    N, C, H, W = x.shape
    K, _, R, S = w.shape
    _, _, P, Q = grad.shape
    full = np.pad(grad, ((0, 0), (0, 0), (R - 1, R - 1), (S - 1, S - 1)))
    rotated = w[:, :, ::-1, ::-1]
    dx = np.zeros(x.shape)
    for h in range(H):
        for v in range(W):
            window = full[:, :, h : h + R, v : v + S]
            dx[:, :, h, v] = np.einsum("nkrs,kcrs->nc", window, rotated)
    dw = np.zeros(w.shape)
    for r in range(R):
        for s in range(S):
            dw[:, :, r, s] = np.einsum("nkpq,ncpq->kc", grad, x[:, :, r : r + P, s : s + Q])
    db = np.sum(grad, axis=(0, 2, 3))
    return dx, dw, db
    # --- stub
    # N, C, H, W = x.shape
    # K, _, R, S = w.shape
    # _, _, P, Q = grad.shape
    # full = np.pad(grad, ((0, 0), (0, 0), (R - 1, R - 1), (S - 1, S - 1)))
    # dx = np.zeros(x.shape)
    # for h in range(H):
    #     for v in range(W):
    #         window = full[:, :, h : h + R, v : v + S]
    #         dx[:, :, h, v] = np.einsum("nkrs,kcrs->nc", window, w)
    # dw = np.zeros(w.shape)
    # for r in range(R):
    #     for s in range(S):
    #         dw[:, :, r, s] = np.einsum("nkpq,ncpq->kc", grad, x[:, :, r : r + P, s : s + Q])
    # db = np.mean(grad, axis=(0, 2, 3))
    # return dx, dw, db
    # --- end


def max_pool2d_backward(grad, x, kernel, stride):
    """(N, C, P, Q), (N, C, H, W) -> dx of the shape of x; the first maximum of a window takes its gradient."""
    # --- solution
    N, C, P, Q = grad.shape
    dx = np.zeros(x.shape)
    for n in range(N):
        for c in range(C):
            for p in range(P):
                for q in range(Q):
                    top, left = p * stride, q * stride
                    window = x[n, c, top : top + kernel, left : left + kernel]
                    r, s = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, c, top + r, left + s] += grad[n, c, p, q]
    return dx
    # --- stub
    # N, C, P, Q = grad.shape
    # dx = np.zeros(x.shape)
    # for n in range(N):
    #     for c in range(C):
    #         for p in range(P):
    #             for q in range(Q):
    #                 top, left = p * stride, q * stride
    #                 window = x[n, c, top : top + kernel, left : left + kernel]
    #                 r, s = np.unravel_index(np.argmax(window), window.shape)
    #                 dx[n, c, top + r, left + s] = grad[n, c, p, q]
    # return dx
    # --- end
