"""Convolution as it is defined, a thread (or a block) a number.

Plain twin: `tinycnn.kernels.numpy.conv_direct`; the definition in seven loops is `tinycnn.kernels.loops.convolution`.
"""

from __future__ import annotations

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.cuda.launch import THREADS, contiguous, empty, for_cells, launch, record


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = w ⋆ x + b: (N, C, H, W) -> (N, K, P, Q)."""
    return _forward(x, weight, bias, geometry, relu=False)


def forward_relu(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """y = max(w ⋆ x + b, 0): (N, C, H, W) -> (N, K, P, Q)."""
    return _forward(x, weight, bias, geometry, relu=True)


def _forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry, relu: bool) -> Array:
    g = geometry
    y = empty(g.output_shape, x)
    grid, block = for_cells(g.N * g.K, g.P * g.Q)
    inputs = contiguous(x), contiguous(weight), None if bias is None else contiguous(bias)
    launch("conv_direct", "direct_forward", x, grid, block, *inputs, y, relu, record(g))
    return y


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """dx[n, c, h, w] = Σ w · dy over the windows that (h, w) lies in: (N, K, P, Q) -> (N, C, H, W)."""
    g = geometry
    dx = empty(g.input_shape, grad)
    grid, block = for_cells(g.N * g.C, g.H * g.W)
    launch(
        "conv_direct", "direct_backward_input", grad, grid, block, contiguous(grad), contiguous(weight), dx, record(g)
    )
    return dx


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """dw[k, c, r, s] = Σ dy · x where output and input meet: (N, K, P, Q) -> (K, C/G, R, S)."""
    g = geometry
    dw = empty(g.weight_shape, grad)
    block = 32 * min(g.R * g.S, THREADS // 32)
    arrays = contiguous(grad), contiguous(x), dw
    launch("conv_direct", "direct_backward_weight", grad, (g.K * g.C // g.groups,), (block,), *arrays, record(g))
    return dw
