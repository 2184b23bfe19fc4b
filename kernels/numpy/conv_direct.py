"""Convolution as one contraction over sliding windows, without a matrix of columns.

A view shows each window of x in place, (N, G, C/G, P, Q, R, S), costing no memory; one einsum then multiplies and sums
over the letters that the result does not have. All three passes are such a contraction:

    forward           y[n, k, p, q]  = Σ_{c, r, s} w[k, c, r, s] · window(x)[n, c, p, q, r, s] + b[k]
    backward_weight   dw[k, c, r, s] = Σ_{n, p, q} dy[n, k, p, q] · window(x)[n, c, p, q, r, s]
    backward_input    dx[n, c, h, w] = Σ_{k, r, s} w[k, c, R−1−r, S−1−s] · window(spread(dy))[n, k, h, w, r, s]

The last is the "full" convolution with the rotated kernel: spread writes dy into an array of zeros, stride cells apart,
with a border wide enough that each input cell sees every output that it fed. Those zeros are multiplied too: an
infinite weight makes NaN of them, where im2col has no such products.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinycnn.arrays import Array
from tinycnn.geometry import Axis, ConvGeometry


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """Contract the windows of x with the weight: (N, C, H, W) -> (N, K, P, Q)."""
    y = np.einsum("ngcpqrs,gkcrs->ngkpq", windows(x, geometry), _split(weight, geometry.groups))
    y = y.reshape(geometry.output_shape)
    return y if bias is None else y + bias.reshape(-1, 1, 1)


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """Contract the windows of x with dy: (N, K, P, Q) -> (K, C/G, R, S)."""
    g = geometry
    by_group = grad.reshape(g.N, g.groups, g.K // g.groups, g.P, g.Q)  # (N, K, P, Q) -> (N, G, K/G, P, Q)
    return np.einsum("ngkpq,ngcpqrs->gkcrs", by_group, windows(x, g)).reshape(g.weight_shape)


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """Contract the windows of the spread dy with the rotated weight: (N, K, P, Q) -> (N, C, H, W)."""
    g = geometry
    full = spread(grad, g)  # (N, K, H + extent − 1, W + extent − 1)
    full = full.reshape(g.N, g.groups, g.K // g.groups, *full.shape[2:])
    rotated = _split(weight, g.groups)[..., ::-1, ::-1]
    dx = np.einsum("ngkhwrs,gkcrs->ngchw", _view(full, g, (1, 1)), rotated)
    return dx.reshape(g.input_shape)


def windows(x: Array, geometry: ConvGeometry) -> Array:
    """View every window of the padded x: (N, C, H, W) -> (N, G, C/G, P, Q, R, S)."""
    g = geometry
    top, bottom, left, right = (max(side, 0) for side in g.padding)  # what is cut off is left out by _view
    if any((top, bottom, left, right)):
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    x = x.reshape(g.N, g.groups, g.C // g.groups, *x.shape[2:])  # (N, C, H', W') -> (N, G, C/G, H', W')
    return _view(x, g, g.stride)[:, :, :, : g.P, : g.Q]


def spread(grad: Array, geometry: ConvGeometry) -> Array:
    """Place dy so that dx[h, w] = Σ w[r, s] · full[h + (R−1−r)·dilation, w + (S−1−s)·dilation]."""
    g = geometry
    full = np.zeros_like(grad, shape=(g.N, g.K, g.H + g.rows.extent - 1, g.W + g.columns.extent - 1))
    p, h = _places(g.rows)
    q, w = _places(g.columns)
    full[:, :, h, w] = grad[:, :, p, q]
    return full


def _places(axis: Axis) -> tuple[slice, slice]:
    """Outputs that touch the input, and where `spread` puts them: output i at extent − 1 − lead + i·stride."""
    lead, trail = axis.lead + 1 - axis.extent, axis.trail + 1 - axis.extent
    return Axis(axis.size + axis.extent - 1, 1, axis.stride, lead, trail).meet(0)


def _split(weight: Array, groups: int) -> Array:
    """(K, C/G, R, S) -> (G, K/G, C/G, R, S)."""
    return weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])


def _view(x: Array, geometry: ConvGeometry, stride: tuple[int, int]) -> Array:
    """View the kernel cells of every window, stride cells apart: (..., H', W') -> (..., P, Q, R, S)."""
    extent = geometry.rows.extent, geometry.columns.extent
    (down, across), (row_step, column_step) = stride, geometry.dilation
    return sliding_window_view(x, extent, axis=(-2, -1))[..., ::down, ::across, ::row_step, ::column_step]
