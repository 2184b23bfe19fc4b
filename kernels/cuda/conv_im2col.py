"""Convolution as one matrix product: im2col, cuBLAS, col2im.

As on the CPU the matrix of columns is R·S times the input, and the batch is taken a few images at a time, as many as
fit COLUMN_BYTES. The product comes out with channels first; what turns it into images also adds the bias and takes the
maximum with 0. cuBLAS rounds to TF32 where `tinycnn.allow_tf32` says that it may, but not where there are groups.

Plain twin: `tinycnn.kernels.numpy.conv_im2col`, with the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.cuda.launch import contiguous, empty, for_cells, launch, record
from tinycnn.kernels.cuda.product import matmul

COLUMN_BYTES = 256 << 20  # not tuned


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = W · im2col(x) + b: (N, C, H, W) -> (N, K, P, Q)."""
    return _forward(x, weight, bias, geometry, relu=False)


def forward_relu(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = max(W · im2col(x) + b, 0): (N, C, H, W) -> (N, K, P, Q)."""
    return _forward(x, weight, bias, geometry, relu=True)


def _forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry, relu: bool) -> Array:
    g, x = geometry, contiguous(x)
    y = empty(g.output_shape, x)
    bias = None if bias is None else contiguous(bias)
    for images in _batches(g, x.itemsize):
        count = images.stop - images.start
        product = matmul(_weight_matrix(weight, g), im2col(x[images], g))  # (G, K/G, n·P·Q)
        grid, block = for_cells(count * g.K, g.P * g.Q)
        launch(
            "conv_im2col", "product_to_images", x, grid, block, product, bias, y[images], count, relu, record(g)
        )  # (K, n, P, Q) -> (n, K, P, Q)
    return y


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx = col2im(Wᵀ · dy): (N, K, P, Q) -> (N, C, H, W)."""
    g = geometry
    dx = empty(g.input_shape, grad)
    for images in _batches(g, grad.itemsize):
        column = matmul(_weight_matrix(weight, g).transpose(0, 2, 1), _gradient_matrix(grad[images], g))
        col2im(column, dx[images], g)
    return dx


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dW = dy · im2col(x)ᵀ: (N, K, P, Q) -> (K, C/G, R, S)."""
    g, x = geometry, contiguous(x)
    dw = empty((g.groups, g.K // g.groups, g.C // g.groups * g.R * g.S), grad)
    dw.fill(0)
    for images in _batches(g, x.itemsize):
        dw += matmul(_gradient_matrix(grad[images], g), im2col(x[images], g).transpose(0, 2, 1))
    return dw.reshape(g.weight_shape)


def im2col(x: Array, geometry: ConvGeometry) -> Array:
    """Unfold the windows of a few images: (n, C, H, W) -> (G, C/G·R·S, n·P·Q)."""
    g = geometry
    column = empty((g.groups, g.C // g.groups * g.R * g.S, len(x) * g.P * g.Q), x)
    grid, block = for_cells(g.C * len(x), g.P * g.Q)
    launch("conv_im2col", "im2col", x, grid, block, x, column, len(x), record(g))
    return column


def col2im(column: Array, x: Array, geometry: ConvGeometry) -> None:
    """Fold columns back into a few images, adding where windows overlap: (G, C/G·R·S, n·P·Q) -> (n, C, H, W)."""
    grid, block = for_cells(len(x) * geometry.C, geometry.H * geometry.W)
    launch("conv_im2col", "col2im", x, grid, block, contiguous(column), x, len(x), record(geometry))


def _batches(geometry: ConvGeometry, itemsize: int) -> Iterator[slice]:
    """Slices of the batch whose column matrix fits COLUMN_BYTES; single images where none does."""
    g = geometry
    step = max(1, COLUMN_BYTES * g.N // max(1, g.column_bytes(itemsize)))
    return (slice(n, min(n + step, g.N)) for n in range(0, g.N, step))


def _weight_matrix(weight: Array, geometry: ConvGeometry) -> Array:
    """(K, C/G, R, S) -> (G, K/G, C/G·R·S)."""
    return weight.reshape(geometry.groups, geometry.K // geometry.groups, -1)


def _gradient_matrix(grad: Array, geometry: ConvGeometry) -> Array:
    """(n, K, P, Q) -> (G, K/G, n·P·Q)."""
    n, K, P, Q = grad.shape
    return grad.transpose(1, 0, 2, 3).reshape(geometry.groups, K // geometry.groups, n * P * Q)
