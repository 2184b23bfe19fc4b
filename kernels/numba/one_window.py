"""Convolution where an image has one window, itself: images are rows of a matrix, and the layer is fully connected.

LeNet-5's last convolution is such a layer. There is nothing to slide or unfold, so `conv_direct`, `conv_im2col` and
`conv_winograd` all leave it to BLAS, which multiplies images instead of outputs side by side: a tile of one output
would waste the others.
"""

from __future__ import annotations

import math

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.numba.linear import linear_backward_input, linear_backward_weight, linear_forward


def fills_the_input(geometry: ConvGeometry) -> bool:
    """Whether an image has one window, itself."""
    g = geometry
    return g.H == g.R and g.W == g.S and g.groups == 1 and g.padding == (0, 0, 0, 0) and g.dilation == (1, 1)


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """Y = X · Wᵀ + b: (N, C, R, S) -> (N, K, 1, 1)."""
    return linear_forward(_rows(x), _rows(weight), bias).reshape(geometry.output_shape)


def forward_relu(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """Y = max(X · Wᵀ + b, 0): (N, C, R, S) -> (N, K, 1, 1)."""
    y = forward(x, weight, bias, geometry)
    return np.maximum(y, 0, out=y)


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dX = dY · W: (N, K, 1, 1) -> (N, C, R, S)."""
    return linear_backward_input(_rows(grad), _rows(weight)).reshape(geometry.input_shape)


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dW = dYᵀ · X: (N, K, 1, 1) -> (K, C, R, S)."""
    return linear_backward_weight(_rows(grad), _rows(x)).reshape(geometry.weight_shape)


def _rows(array: Array) -> Array:
    """(n, …) -> (n, rest)."""
    return array.reshape(len(array), math.prod(array.shape[1:]))
