"""Convolution as its definition: seven visible loops, and for each pass one line in the middle that does the work.

    y[n, k, p, q] = b[k] + Σ_{c, r, s} w[k, c, r, s] · x[n, g·C/G + c, p·stride + r·dilation − pad, q·stride + …]

where g is the group of output channel k. Each product of this sum is also a term of dx, where it is weighted with w,
and a term of dw, where it is weighted with x: so the backward passes are the same loops.
"""

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y[n, k, p, q] = b[k] + Σ w[k, c, r, s] · x[n, c', h, w]: (N, C, H, W) -> (N, K, P, Q)."""
    g = geometry
    y = np.zeros(g.output_shape)
    for n in range(g.N):
        for k in range(g.K):
            first = k // (g.K // g.groups) * (g.C // g.groups)
            for p in range(g.P):
                for q in range(g.Q):
                    if bias is not None:
                        y[n, k, p, q] = bias[k]
                    for c in range(g.C // g.groups):
                        for r in range(g.R):
                            for s in range(g.S):
                                h = p * g.rows.stride + r * g.rows.dilation - g.rows.lead
                                w = q * g.columns.stride + s * g.columns.dilation - g.columns.lead
                                if 0 <= h < g.H and 0 <= w < g.W:
                                    y[n, k, p, q] += weight[k, c, r, s] * x[n, first + c, h, w]
    return y
