"""Convolution as its definition: seven visible loops. Slow, and the ground truth that every other kernel is held to.

    y[n, k, p, q] = b[k] + Σ_{c, r, s} w[k, c, r, s] · x[n, g·C/G + c, p·stride + r·dilation − pad, q·stride + …]

where g is the group of output channel k. The two backward passes are the same seven loops: each product of the forward
sum is a term of dx (weighted with w) and a term of dw (weighted with x).
"""

from collections.abc import Iterator

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry

Term = tuple[tuple[int, int, int, int], tuple[int, int, int, int], tuple[int, int, int, int]]


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y[output] += w[weight] · x[input] over all terms: (N, C, H, W) -> (N, K, P, Q)."""
    y = np.zeros(geometry.output_shape, x.dtype)
    for output, kernel, cell in terms(geometry):
        y[output] += weight[kernel] * x[cell]
    if bias is not None:
        y += bias.reshape(-1, 1, 1)
    return y


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx[input] += w[weight] · dy[output] over all terms: (N, K, P, Q) -> (N, C, H, W)."""
    dx = np.zeros(geometry.input_shape, grad.dtype)
    for output, kernel, cell in terms(geometry):
        dx[cell] += weight[kernel] * grad[output]
    return dx


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dw[weight] += x[input] · dy[output] over all terms: (N, K, P, Q) -> (K, C/G, R, S)."""
    dw = np.zeros(geometry.weight_shape, grad.dtype)
    for output, kernel, cell in terms(geometry):
        dw[kernel] += x[cell] * grad[output]
    return dw


def terms(geometry: ConvGeometry) -> Iterator[Term]:
    """Every product of the sum, as the indices of its output, its weight and its input; products with padding are 0."""
    g = geometry
    kernels_per_group, channels_per_group = g.K // g.groups, g.C // g.groups
    for n in range(g.N):
        for k in range(g.K):
            first_channel = k // kernels_per_group * channels_per_group
            for p in range(g.P):
                for q in range(g.Q):
                    for c in range(channels_per_group):
                        for r in range(g.R):
                            for s in range(g.S):
                                h = p * g.rows.stride + r * g.rows.dilation - g.rows.lead
                                w = q * g.columns.stride + s * g.columns.dilation - g.columns.lead
                                if 0 <= h < g.H and 0 <= w < g.W:
                                    yield (n, k, p, q), (k, c, r, s), (n, first_channel + c, h, w)
