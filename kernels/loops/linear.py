"""The fully connected layer as three visible loops.

    y[n, k] = b[k] + Σ_c w[k, c] · x[n, c]

Each product of this sum is also a term of dx, where it is weighted with w, and a term of dw, where it is weighted with
x: the same three loops.
"""

import numpy as np

from tinycnn.arrays import Array


def forward(x: Array, weight: Array, bias: Array | None) -> Array:
    """y[n, k] = b[k] + Σ w[k, c] · x[n, c], or X · Wᵀ + b: (N, C), (K, C), (K,) -> (N, K)."""
    (N, C), K = x.shape, len(weight)
    y = np.zeros((N, K), x.dtype)
    for n in range(N):
        for k in range(K):
            if bias is not None:
                y[n, k] = bias[k]
            for c in range(C):
                y[n, k] += weight[k, c] * x[n, c]
    return y


def backward_input(dy: Array, weight: Array) -> Array:
    """dx[n, c] = Σ dy[n, k] · w[k, c], or dY · W: (N, K), (K, C) -> (N, C)."""
    (N, K), C = dy.shape, weight.shape[1]
    dx = np.zeros((N, C), dy.dtype)
    for n in range(N):
        for c in range(C):
            for k in range(K):
                dx[n, c] += dy[n, k] * weight[k, c]
    return dx


def backward_weight(dy: Array, x: Array) -> Array:
    """dw[k, c] = Σ dy[n, k] · x[n, c], or dYᵀ · X: (N, K), (N, C) -> (K, C)."""
    (N, K), C = dy.shape, x.shape[1]
    dw = np.zeros((K, C), dy.dtype)
    for k in range(K):
        for c in range(C):
            for n in range(N):
                dw[k, c] += dy[n, k] * x[n, c]
    return dw


def backward_bias(dy: Array) -> Array:
    """db[k] = Σ dy[n, k], since b[k] is a term of every row: (N, K) -> (K,)."""
    N, K = dy.shape
    db = np.zeros(K, dy.dtype)
    for k in range(K):
        for n in range(N):
            db[k] += dy[n, k]
    return db
