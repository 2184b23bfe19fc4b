"""Convolution as a product of matrices, entry by entry: unfold the windows, multiply, fold the gradient back.

    im2col                column[c, r, s, n, p, q] = x[n, c, p·stride + r·dilation − pad, q·stride + s·dilation − pad]
    gemm                  y  = W · column                        (K, C·R·S) · (C·R·S, N·P·Q)
    backward_weight_gemm  dW = dy · columnᵀ                      (K, N·P·Q) · (N·P·Q, C·R·S)
    backward_column_gemm  dcolumn = Wᵀ · dy                      (C·R·S, K) · (K, N·P·Q)
    col2im                dx[n, c, h, w] = Σ dcolumn[c, r, s, n, p, q] over all that im2col filled from x[n, c, h, w]

A matrix keeps all its letters: row (c, r, s) of the columns is column (c, r, s) of W. With groups, a kernel meets only
the rows of its own group's channels.
"""

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry


def im2col(x: Array, geometry: ConvGeometry) -> Array:
    """Copy each window into a column; padding stays 0: (N, C, H, W) -> (C, R, S, N, P, Q)."""
    g, rows, columns = geometry, geometry.rows, geometry.columns
    column = np.zeros((g.C, g.R, g.S, g.N, g.P, g.Q), x.dtype)
    for n in range(g.N):
        for p in range(g.P):
            for q in range(g.Q):
                for c in range(g.C):
                    for r in range(g.R):
                        for s in range(g.S):
                            h = p * rows.stride + r * rows.dilation - rows.lead
                            w = q * columns.stride + s * columns.dilation - columns.lead
                            if 0 <= h < rows.size and 0 <= w < columns.size:
                                column[c, r, s, n, p, q] = x[n, c, h, w]
    return column


def gemm(column: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = W · column + b, a row times a column for each output: (C, R, S, N, P, Q) -> (N, K, P, Q)."""
    g = geometry
    channels, kernels = g.C // g.groups, g.K // g.groups
    y = np.zeros(g.output_shape, column.dtype)
    for k in range(g.K):
        first = k // kernels * channels
        for n in range(g.N):
            for p in range(g.P):
                for q in range(g.Q):
                    if bias is not None:
                        y[n, k, p, q] = bias[k]
                    for c in range(first, first + channels):
                        for r in range(g.R):
                            for s in range(g.S):
                                y[n, k, p, q] += weight[k, c - first, r, s] * column[c, r, s, n, p, q]
    return y


def backward_weight_gemm(dy: Array, column: Array, geometry: ConvGeometry) -> Array:
    """dW = dy · columnᵀ: (N, K, P, Q) -> (K, C/G, R, S)."""
    g = geometry
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
                                dw[k, c - first, r, s] += dy[n, k, p, q] * column[c, r, s, n, p, q]
    return dw


def backward_column_gemm(dy: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """Wᵀ · dy, what each entry of the columns was worth: (N, K, P, Q) -> (C, R, S, N, P, Q)."""
    g = geometry
    channels, kernels = g.C // g.groups, g.K // g.groups
    dcolumn = np.zeros((g.C, g.R, g.S, g.N, g.P, g.Q), dy.dtype)
    for c in range(g.C):
        group = c // channels
        for r in range(g.R):
            for s in range(g.S):
                for n in range(g.N):
                    for p in range(g.P):
                        for q in range(g.Q):
                            for k in range(group * kernels, (group + 1) * kernels):
                                dcolumn[c, r, s, n, p, q] += weight[k, c % channels, r, s] * dy[n, k, p, q]
    return dcolumn


def col2im(dcolumn: Array, geometry: ConvGeometry) -> Array:
    """Add each column to its window, on top of what overlapping windows left: (C, R, S, N, P, Q) -> (N, C, H, W)."""
    g, rows, columns = geometry, geometry.rows, geometry.columns
    dx = np.zeros(g.input_shape, dcolumn.dtype)
    for n in range(g.N):
        for p in range(g.P):
            for q in range(g.Q):
                for c in range(g.C):
                    for r in range(g.R):
                        for s in range(g.S):
                            h = p * rows.stride + r * rows.dilation - rows.lead
                            w = q * columns.stride + s * columns.dilation - columns.lead
                            if 0 <= h < rows.size and 0 <= w < columns.size:
                                dx[n, c, h, w] += dcolumn[c, r, s, n, p, q]
    return dx
