"""Convolution as one matrix product: im2col unfolds the windows into columns, GEMM multiplies, col2im folds back.

With the windows of an image as the columns of a matrix, convolution is W · column, and the chain rule for a matrix
product gives both backward passes:

    forward           y  = W · column              (K, C·R·S) · (C·R·S, N·P·Q)
    backward_weight   dW = dy · columnᵀ            (K, N·P·Q) · (N·P·Q, C·R·S)
    backward_input    dcolumn = Wᵀ · dy            (C·R·S, K) · (K, N·P·Q), then dx = col2im(dcolumn)

The price is memory: the matrix is R·S times the input. So the batch is taken a few images at a time, and backward
unfolds again rather than keep the matrix. The images at a time are as many as fit COLUMN_BYTES, at least one.

Source: Chellapilla, Puri, Simard (2006), High Performance Convolutional Neural Networks for Document Processing.
"""

from collections.abc import Iterator

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry

COLUMN_BYTES = 4 << 20  # from 0.5 to 32 MiB LeNet-5's train step took the same time within the noise


def im2col(x: Array, geometry: ConvGeometry) -> Array:
    """Unfold every window of x into one column: (N, C, H, W) -> (C, R, S, N, P, Q).

    column[(c, r, s), (n, p, q)] = x[n, c, p·stride + r·dilation − pad, q·stride + s·dilation − pad], 0 in the padding
    """
    N, C = x.shape[:2]
    allocate = np.zeros_like if any(geometry.padding) else np.empty_like  # without padding every entry is written
    column = allocate(x, shape=(C, geometry.R, geometry.S, N, geometry.P, geometry.Q))
    channels_first = x.transpose(1, 0, 2, 3)  # (N, C, H, W) -> (C, N, H, W)
    for r, s, p, q, h, w in geometry.taps:
        column[:, r, s, :, p, q] = channels_first[:, :, h, w]
    return column


def col2im(column: Array, geometry: ConvGeometry) -> Array:
    """Fold columns back, adding where windows overlap: (C, R, S, N, P, Q) -> (N, C, H, W).

    x[n, c, h, w] = Σ column[(c, r, s), (n, p, q)] over all (r, s, p, q) that im2col filled from x[n, c, h, w]
    """
    C, _, _, N = column.shape[:4]
    x = np.zeros_like(column, shape=(C, N, geometry.H, geometry.W))
    for r, s, p, q, h, w in geometry.taps:
        x[:, :, h, w] += column[:, r, s, :, p, q]
    return x.transpose(1, 0, 2, 3)  # (C, N, H, W) -> (N, C, H, W)


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = W · im2col(x) + b: (N, C, H, W) -> (N, K, P, Q)."""
    g = geometry
    y = np.empty_like(x, shape=g.output_shape, dtype=np.result_type(x, weight))
    for images in batches(x, g):
        column = im2col(x[images], g).reshape(g.groups, -1, size(images) * g.P * g.Q)  # (G, C/G·R·S, n·P·Q)
        product = _weight_matrix(weight, g) @ column  # (G, K/G, n·P·Q)
        product = product.reshape(g.K, -1, g.P, g.Q)  # (K, n, P, Q)
        y[images] = product.transpose(1, 0, 2, 3)  # (K, n, P, Q) -> (n, K, P, Q)
        if bias is not None:
            y[images] += bias.reshape(-1, 1, 1)
    return y


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx = col2im(Wᵀ · dy): (N, K, P, Q) -> (N, C, H, W)."""
    g = geometry
    dx = np.empty_like(grad, shape=g.input_shape)
    for images in batches(grad, g):
        column = _weight_matrix(weight, g).transpose(0, 2, 1) @ _gradient_matrix(grad[images], g)
        dx[images] = col2im(column.reshape(g.C, g.R, g.S, -1, g.P, g.Q), g)
    return dx


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dW = dy · im2col(x)ᵀ: (N, K, P, Q) -> (K, C/G, R, S)."""
    g = geometry
    dw = np.zeros_like(grad, shape=(g.groups, g.K // g.groups, g.C // g.groups * g.R * g.S))
    for images in batches(x, g):
        column = im2col(x[images], g).reshape(g.groups, -1, size(images) * g.P * g.Q)  # (G, C/G·R·S, n·P·Q)
        dw += _gradient_matrix(grad[images], g) @ column.transpose(0, 2, 1)
    return dw.reshape(g.weight_shape)


def batches(x: Array, geometry: ConvGeometry) -> Iterator[slice]:
    """Slices of the batch whose column matrix fits COLUMN_BYTES; single images where none does."""
    g = geometry
    per_image = x.itemsize * g.C * g.R * g.S * g.P * g.Q
    step = max(1, COLUMN_BYTES // max(1, per_image))
    return (slice(n, min(n + step, g.N)) for n in range(0, g.N, step))


def size(images: slice) -> int:
    """Number of images in a slice of the batch."""
    return images.stop - images.start


def _weight_matrix(weight: Array, geometry: ConvGeometry) -> Array:
    """(K, C/G, R, S) -> (G, K/G, C/G·R·S)."""
    return weight.reshape(geometry.groups, geometry.K // geometry.groups, -1)


def _gradient_matrix(grad: Array, geometry: ConvGeometry) -> Array:
    """(n, K, P, Q) -> (G, K/G, n·P·Q)."""
    n, K, P, Q = grad.shape
    return grad.transpose(1, 0, 2, 3).reshape(geometry.groups, K // geometry.groups, n * P * Q)
