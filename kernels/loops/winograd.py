"""Winograd's convolution on one tile, entry by entry: Y = Aᵀ [Σ_c (G g Gᵀ) ⊙ (Bᵀ d B)] A.

The tile is m x m outputs; d is the a x a cells of the input under it, a = m + r − 1. In between, the sum over c has one
product for each channel and point, (i, j), instead of r·r for each channel and output. A product of three matrices is
taken as two of two. Where the matrices come from: `tinycnn.kernels.numpy.winograd_transform`.
"""

from typing import NamedTuple

import numpy as np

from tinycnn.arrays import Array


class Tile(NamedTuple):
    """Where one tile lies: its image, the input cell under its first point, perhaps in the padding, and its outputs."""

    n: int
    top: int
    left: int
    P: int
    """Rows of outputs: m, or fewer where the output ends."""
    Q: int


def transform_weight(weight: Array, G: Array) -> Array:
    """u = G g Gᵀ of each kernel: (K, C/G, R, S) -> (K, C/G, a, a)."""
    (K, C, R, S), a = weight.shape, len(G)
    Gg = np.zeros((K, C, a, S), weight.dtype)
    u = np.zeros((K, C, a, a), weight.dtype)
    for k in range(K):
        for c in range(C):
            for i in range(a):
                for s in range(S):
                    for r in range(R):
                        Gg[k, c, i, s] += G[i, r] * weight[k, c, r, s]
            for i in range(a):
                for j in range(a):
                    for s in range(S):
                        u[k, c, i, j] += Gg[k, c, i, s] * G[j, s]
    return u


def transform_input(x: Array, BT: Array, tile: Tile) -> Array:
    """v = Bᵀ d B of each channel, where d is the cells under the tile: (N, C, H, W) -> (C, a, a)."""
    (_, C, H, W), a = x.shape, len(BT)
    BTd = np.zeros((C, a, a), x.dtype)
    v = np.zeros((C, a, a), x.dtype)
    for c in range(C):
        for i in range(a):
            for f in range(a):
                for e in range(a):
                    h, w = tile.top + e, tile.left + f
                    if 0 <= h < H and 0 <= w < W:
                        BTd[c, i, f] += BT[i, e] * x[tile.n, c, h, w]
        for i in range(a):
            for j in range(a):
                for f in range(a):
                    v[c, i, j] += BTd[c, i, f] * BT[j, f]
    return v


def product(u: Array, v: Array, groups: int) -> Array:
    """m = Σ_c u ⊙ v over the channels of each kernel's group: (K, C/G, a, a) with (C, a, a) -> (K, a, a)."""
    K, channels, a, _ = u.shape
    kernels = K // groups
    m = np.zeros((K, a, a), u.dtype)
    for k in range(K):
        first = k // kernels * channels
        for i in range(a):
            for j in range(a):
                for c in range(first, first + channels):
                    m[k, i, j] += u[k, c - first, i, j] * v[c, i, j]
    return m


def transform_output(m: Array, AT: Array, bias: Array | None, tile: Tile) -> Array:
    """y = Aᵀ m A + b, as much of it as lies in the output: (K, a, a) -> (K, P, Q)."""
    K, a, _ = m.shape
    ATm = np.zeros((K, tile.P, a), m.dtype)
    y = np.zeros((K, tile.P, tile.Q), m.dtype)
    for k in range(K):
        for p in range(tile.P):
            for j in range(a):
                for i in range(a):
                    ATm[k, p, j] += AT[p, i] * m[k, i, j]
        for p in range(tile.P):
            for q in range(tile.Q):
                if bias is not None:
                    y[k, p, q] = bias[k]
                for j in range(a):
                    y[k, p, q] += ATm[k, p, j] * AT[q, j]
    return y
