"""Convolution as its definition: seven visible loops, and for each pass one line in the middle that does the work.

    y[n, k, p, q] = b[k] + Σ_{c, r, s} w[k, c, r, s] · x[n, c, p·stride + r·dilation − pad, q·stride + s·dilation − pad]

where c runs over the channels of the group that k is in, and cells outside the image are 0. Each product of this sum is
also a term of dx, where it is weighted with w, and a term of dw, where it is weighted with x: the same seven loops.
"""

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y[n, k, p, q] = b[k] + Σ w[k, c, r, s] · x[n, c, h, w]: (N, C, H, W) -> (N, K, P, Q)."""
    g, rows, columns = geometry, geometry.rows, geometry.columns
    channels, kernels = g.C // g.groups, g.K // g.groups
    y = np.zeros(g.output_shape, x.dtype)
    for n in range(g.N):
        for k in range(g.K):
            first = k // kernels * channels
            for p in range(g.P):
                for q in range(g.Q):
                    if bias is not None:
                        y[n, k, p, q] = bias[k]
                    for c in range(first, first + channels):
                        for r in range(g.R):
                            for s in range(g.S):
                                h = p * rows.stride + r * rows.dilation - rows.lead
                                w = q * columns.stride + s * columns.dilation - columns.lead
                                if 0 <= h < rows.size and 0 <= w < columns.size:
                                    y[n, k, p, q] += weight[k, c - first, r, s] * x[n, c, h, w]
    return y


def backward_input(dy: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx[n, c, h, w] += w[k, c, r, s] · dy[n, k, p, q], window by window: (N, K, P, Q) -> (N, C, H, W)."""
    g, rows, columns = geometry, geometry.rows, geometry.columns
    channels, kernels = g.C // g.groups, g.K // g.groups
    dx = np.zeros(g.input_shape, dy.dtype)
    for n in range(g.N):
        for k in range(g.K):
            first = k // kernels * channels
            for p in range(g.P):
                for q in range(g.Q):
                    for c in range(first, first + channels):
                        for r in range(g.R):
                            for s in range(g.S):
                                h = p * rows.stride + r * rows.dilation - rows.lead
                                w = q * columns.stride + s * columns.dilation - columns.lead
                                if 0 <= h < rows.size and 0 <= w < columns.size:
                                    dx[n, c, h, w] += weight[k, c - first, r, s] * dy[n, k, p, q]
    return dx


def backward_weight(dy: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dw[k, c, r, s] = Σ dy[n, k, p, q] · x[n, c, h, w]: (N, K, P, Q) -> (K, C/G, R, S)."""
    g, rows, columns = geometry, geometry.rows, geometry.columns
    channels, kernels = g.C // g.groups, g.K // g.groups
    dw = np.zeros(g.weight_shape, dy.dtype)
    for k in range(g.K):
        first = k // kernels * channels
        for c in range(first, first + channels):
            for r in range(g.R):
                for s in range(g.S):
                    for n in range(g.N):
                        for p in range(g.P):
                            for q in range(g.Q):
                                h = p * rows.stride + r * rows.dilation - rows.lead
                                w = q * columns.stride + s * columns.dilation - columns.lead
                                if 0 <= h < rows.size and 0 <= w < columns.size:
                                    dw[k, c - first, r, s] += dy[n, k, p, q] * x[n, c, h, w]
    return dw


def backward_bias(dy: Array) -> Array:
    """db[k] = Σ dy[n, k, p, q], since b[k] is a term of every output of kernel k: (N, K, P, Q) -> (K,)."""
    N, K, P, Q = dy.shape
    db = np.zeros(K, dy.dtype)
    for k in range(K):
        for n in range(N):
            for p in range(P):
                for q in range(Q):
                    db[k] += dy[n, k, p, q]
    return db
