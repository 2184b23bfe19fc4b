"""Transposed convolution: each input cell adds the kernel, weighted with its value, to the output.

    y[n, k, h·stride + r·dilation − pad, w·stride + s·dilation − pad] += w[c, k, r, s] · x[n, c, h, w]

It is a convolution run backwards, and its geometry is that convolution's, whose input is our output. So the letters
change sides: our H x W are its P x Q, and our C its K.
"""

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y[n, k, p, q] += w[c, k, r, s] · x[n, c, h, w], cell by cell: (N, C, H, W) -> (N, K, P, Q)."""
    rows, columns = geometry.rows, geometry.columns
    (N, C, H, W), (N, K, P, Q) = geometry.output_shape, geometry.input_shape
    kernels, channels = K // geometry.groups, C // geometry.groups
    y = np.zeros((N, K, P, Q), x.dtype)
    for n in range(N):
        for c in range(C):
            first = c // channels * kernels
            for h in range(H):
                for w in range(W):
                    for k in range(first, first + kernels):
                        for r in range(rows.kernel):
                            for s in range(columns.kernel):
                                p = h * rows.stride + r * rows.dilation - rows.lead
                                q = w * columns.stride + s * columns.dilation - columns.lead
                                if 0 <= p < P and 0 <= q < Q:
                                    y[n, k, p, q] += weight[c, k - first, r, s] * x[n, c, h, w]
    if bias is not None:
        for n in range(N):
            for k in range(K):
                for p in range(P):
                    for q in range(Q):
                        y[n, k, p, q] += bias[k]
    return y


def backward_input(dy: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx[n, c, h, w] = Σ w[c, k, r, s] · dy[n, k, p, q], a convolution of dy: (N, K, P, Q) -> (N, C, H, W)."""
    rows, columns = geometry.rows, geometry.columns
    (N, C, H, W), (N, K, P, Q) = geometry.output_shape, geometry.input_shape
    kernels, channels = K // geometry.groups, C // geometry.groups
    dx = np.zeros((N, C, H, W), dy.dtype)
    for n in range(N):
        for c in range(C):
            first = c // channels * kernels
            for h in range(H):
                for w in range(W):
                    for k in range(first, first + kernels):
                        for r in range(rows.kernel):
                            for s in range(columns.kernel):
                                p = h * rows.stride + r * rows.dilation - rows.lead
                                q = w * columns.stride + s * columns.dilation - columns.lead
                                if 0 <= p < P and 0 <= q < Q:
                                    dx[n, c, h, w] += weight[c, k - first, r, s] * dy[n, k, p, q]
    return dx


def backward_weight(dy: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dw[c, k, r, s] = Σ dy[n, k, p, q] · x[n, c, h, w]: (N, K, P, Q) -> (C, K/G, R, S)."""
    rows, columns = geometry.rows, geometry.columns
    (N, C, H, W), (N, K, P, Q) = geometry.output_shape, geometry.input_shape
    kernels, channels = K // geometry.groups, C // geometry.groups
    dw = np.zeros(geometry.weight_shape, dy.dtype)
    for c in range(C):
        first = c // channels * kernels
        for k in range(first, first + kernels):
            for r in range(rows.kernel):
                for s in range(columns.kernel):
                    for n in range(N):
                        for h in range(H):
                            for w in range(W):
                                p = h * rows.stride + r * rows.dilation - rows.lead
                                q = w * columns.stride + s * columns.dilation - columns.lead
                                if 0 <= p < P and 0 <= q < Q:
                                    dw[c, k - first, r, s] += dy[n, k, p, q] * x[n, c, h, w]
    return dw
