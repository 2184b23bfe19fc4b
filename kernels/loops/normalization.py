"""Local response normalisation, in visible loops: the window runs over channels, not over the image.

    d[n, c, h, w] = k + scale · Σ_j x[n, j, h, w]²      over j = c − size//2 … c + (size − 1)//2
    y = x · d^−β

Source: Krizhevsky, Sutskever, Hinton (2012), section 3.3, where scale is alpha.
"""

import numpy as np

from tinycnn.arrays import Array


def denominator(x: Array, size: int, scale: float, k: float) -> Array:
    """d[n, c, h, w] = k + scale · Σ_j x[n, j, h, w]²: (N, C, H, W) -> (N, C, H, W)."""
    N, C, H, W = x.shape
    d = np.zeros((N, C, H, W), x.dtype)
    for n in range(N):
        for c in range(C):
            for h in range(H):
                for w in range(W):
                    d[n, c, h, w] = k
                    for j in range(max(c - size // 2, 0), min(c + (size - 1) // 2, C - 1) + 1):
                        d[n, c, h, w] += scale * (x[n, j, h, w] * x[n, j, h, w])
    return d


def forward(x: Array, d: Array, beta: float) -> Array:
    """y = x · d^−β: (N, C, H, W) -> (N, C, H, W)."""
    N, C, H, W = x.shape
    y = np.zeros((N, C, H, W), x.dtype)
    for n in range(N):
        for c in range(C):
            for h in range(H):
                for w in range(W):
                    y[n, c, h, w] = x[n, c, h, w] * d[n, c, h, w] ** -beta
    return y


def shared_sum(dy: Array, x: Array, d: Array, size: int, beta: float) -> Array:
    """Σ_j dy[n, j, h, w] · x[n, j, h, w] · d[n, j, h, w]^(−β − 1) over the windows j that c lies in.

    They are those of j = c − (size − 1)//2 … c + size//2: the forward window, mirrored.
    """
    N, C, H, W = x.shape
    shared = np.zeros((N, C, H, W), dy.dtype)
    for n in range(N):
        for c in range(C):
            for h in range(H):
                for w in range(W):
                    for j in range(max(c - (size - 1) // 2, 0), min(c + size // 2, C - 1) + 1):
                        shared[n, c, h, w] += dy[n, j, h, w] * x[n, j, h, w] * d[n, j, h, w] ** (-beta - 1)
    return shared


def backward(dy: Array, x: Array, d: Array, shared: Array, scale: float, beta: float) -> Array:
    """dx = dy · d^−β − 2 · scale · β · x · shared: (N, C, H, W) -> (N, C, H, W)."""
    N, C, H, W = x.shape
    dx = np.zeros((N, C, H, W), dy.dtype)
    for n in range(N):
        for c in range(C):
            for h in range(H):
                for w in range(W):
                    dx[n, c, h, w] = dy[n, c, h, w] * d[n, c, h, w] ** -beta
                    dx[n, c, h, w] -= 2 * scale * beta * (x[n, c, h, w] * shared[n, c, h, w])
    return dx
