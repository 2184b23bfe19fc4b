"""Softmax and cross-entropy, row by row: z are the logits, q is what the target says of each class.

    p[n, c] = e^(z[n, c] − max z) / Σ_j e^(z[n, j] − max z)
    loss[n] = −Σ_c q[n, c] · log p[n, c]
    dz[n, c] = dloss[n] · (p[n, c] · Σ_j q[n, j] − q[n, c])

The maximum is taken off so that no exponential overflows; it changes nothing else.
"""

import numpy as np

from tinycnn.arrays import Array


def softmax(z: Array) -> tuple[Array, Array, Array]:
    """p, and what the loss needs of it: the maximum and the sum of each row. (N, C) -> (N, C), (N,), (N,)."""
    N, C = z.shape
    maximum = np.zeros(N, z.dtype)
    exponential = np.zeros((N, C), z.dtype)
    total = np.zeros(N, z.dtype)
    p = np.zeros((N, C), z.dtype)
    for n in range(N):
        maximum[n] = -np.inf
        for c in range(C):
            maximum[n] = max(maximum[n], z[n, c])
        for c in range(C):
            exponential[n, c] = np.exp(z[n, c] - maximum[n])
            total[n] += exponential[n, c]
        for c in range(C):
            p[n, c] = exponential[n, c] / total[n]
    return p, maximum, total


def forward(z: Array, q: Array, maximum: Array, total: Array) -> Array:
    """loss[n] = −Σ q[n, c] · log p[n, c], where log p = z − max z − log Σ: (N, C), (N, C), (N,), (N,) -> (N,)."""
    N, C = z.shape
    loss = np.zeros(N, z.dtype)
    for n in range(N):
        for c in range(C):
            if q[n, c] != 0:  # a class of no weight costs nothing, even where log p is −∞
                loss[n] -= q[n, c] * (z[n, c] - maximum[n] - np.log(total[n]))
    return loss


def backward(dloss: Array, p: Array, q: Array) -> Array:
    """dz[n, c] = dloss[n] · (p[n, c] · Σ q − q[n, c]), where Σ q is 1 unless weighted: (N,), (N, C) -> (N, C)."""
    N, C = p.shape
    total_q = np.zeros(N, p.dtype)
    dz = np.zeros((N, C), p.dtype)
    for n in range(N):
        for j in range(C):
            total_q[n] += q[n, j]
        for c in range(C):
            dz[n, c] = dloss[n] * (total_q[n] * p[n, c] - q[n, c])
    return dz
