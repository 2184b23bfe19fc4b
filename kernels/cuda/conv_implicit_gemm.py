"""Convolution as a product of matrices that are in no memory, in tiles; on tensor cores where TF32 is allowed.

Plain twin: `tinycnn.kernels.numpy.conv_im2col`.
"""

from __future__ import annotations

from typing import Any

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.gpu import tf32_allowed
from tinycnn.kernels.cuda.device import has_tensor_cores
from tinycnn.kernels.cuda.launch import contiguous, empty, for_entries, launch, record

BLOCKS = 256  # that keep a large GPU busy (132 processors); not tuned. The same on every GPU, so that sums are the same
LEAST_PIECE = 256  # of the depth of backward_weight, for one block
MOST = 2**31 - 1  # what an index is counted up to


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = W · im2col(x) + b: (N, C, H, W) -> (N, K, P, Q)."""
    return _forward(x, weight, bias, geometry, relu=False)


def forward_relu(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = max(W · im2col(x) + b, 0): (N, C, H, W) -> (N, K, P, Q)."""
    return _forward(x, weight, bias, geometry, relu=True)


def _forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry, relu: bool) -> Array:
    g = geometry
    y = empty(g.output_shape, x)
    inputs = contiguous(x), contiguous(weight), None if bias is None else contiguous(bias)
    _multiply("forward", x, g.K // g.groups, g.N * g.P * g.Q, g.groups, *inputs, y, relu, record(g))
    return y


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx = col2im(Wᵀ · dy): (N, K, P, Q) -> (N, C, H, W)."""
    g = geometry
    dx = empty(g.input_shape, grad)
    arrays = contiguous(grad), contiguous(weight), dx
    _multiply("backward_input", grad, g.C // g.groups, g.N * g.H * g.W, g.groups, *arrays, record(g))
    return dx


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dW = dy · im2col(x)ᵀ: (N, K, P, Q) -> (K, C/G, R, S)."""
    g = geometry
    rows, columns, depth = g.K // g.groups, g.C // g.groups * g.R * g.S, g.N * g.P * g.Q
    tiles = max(1, -(-rows // 64) * -(-columns // 64) * g.groups)
    count = max(1, min(BLOCKS // tiles, depth // LEAST_PIECE))
    piece = -(-depth // count)
    parts = empty((count, *g.weight_shape), grad)
    arrays = contiguous(grad), contiguous(x), parts
    _multiply("backward_weight", grad, rows, columns, g.groups * count, *arrays, piece, record(g))
    if count == 1:
        return parts[0]
    dw = empty(g.weight_shape, grad)
    grid, block = for_entries(dw.size)
    launch("conv_implicit_gemm", "add_parts", grad, grid, block, parts, dw, count, dw.size)
    return dw


def _multiply(name: str, like: Array, rows: int, columns: int, deep: int, *arguments: Any) -> None:
    """Start the kernel of a pass with a block for each tile of the result, and ``deep`` of these behind one another."""
    if max(rows, columns, *(argument.size for argument in arguments if hasattr(argument, "size"))) > MOST:
        raise ValueError(
            f"implicit_gemm counts to {MOST}, and an array of this convolution has more entries: use a smaller batch, "
            "or algorithm='direct'"
        )
    if tf32_allowed(like.dtype) and has_tensor_cores():
        grid = -(-columns // 64), -(-rows // 64), deep
        launch("conv_implicit_gemm_tf32", f"gemm_{name}_tf32", like, grid, (128,), *arguments)
        return
    side = _side(rows, columns, deep)
    grid = -(-columns // side), -(-rows // side), deep
    launch("conv_implicit_gemm", f"gemm_{name}_{side}", like, grid, (256,), *arguments)


def _side(rows: int, columns: int, deep: int) -> int:
    """Tiles of 128 x 128 where there are enough of them to keep the GPU busy, else of 64 x 64."""
    large = -(-rows // 128) * -(-columns // 128) * deep
    return 128 if rows > 64 and large >= BLOCKS else 64
