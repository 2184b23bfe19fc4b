"""Convolution, activation and perhaps pooling as one Function: the same numbers, with less moved and less kept.

Run one by one, the convolution writes its output, ReLU reads it and writes another of that size, and pooling reads that
one; backward needs the second and, through the graph, holds on to the first. A kernel that knows that ReLU comes next
takes max(y, 0) while y is still in a register. And where pooling follows, its small output is enough to tell where
ReLU's gradient passes: the cell that won a window is positive exactly where the window's maximum is.

tanh and average pooling, which LeNet-5 has, follow in one go where images lie side by side in the lanes of vectors (see
`tinycnn.kernels.numba.lane_pooling_loops`): what lies so is neither written in the usual order nor read from it.

Only `tinycnn.nn.Sequential` comes here, where nothing watches in between. What stays visible of it: an error about
a graph walked twice or data changed in place names the Function of the chain, and the last output of a chain that ends
in max pooling, which pooling alone does not need, is now data that backward needs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array
from tinycnn.backend import current_algorithm, fuses_relu, kernels_for, tanh_pool_kernels
from tinycnn.functional.convolution import Conv2d, operands
from tinycnn.geometry import ConvGeometry, PoolGeometry, pool_geometry
from tinycnn.tensor import Tensor, as_tensor


class Conv2dReLU(Conv2d):
    """y = max(w ⋆ x + b, 0). Its ``multiply_adds`` are the convolution's."""

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:  # (N, C, H, W) -> (N, K, P, Q)
        self.x, self.weight = x, weight
        self.y = self.kernel("forward_relu")(x, weight, bias, self.geometry)
        return self.y

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        return Conv2d.backward(self, self.kernels.relu_backward(grad, self.y))


class Conv2dReLUMaxPool2d(Conv2d):
    """Largest value of each window of max(w ⋆ x + b, 0). Its ``multiply_adds`` are the convolution's.

    ``window`` is the pooling's geometry. The convolution's output is gone when forward is over.
    """

    def __init__(self, geometry: ConvGeometry, algorithm: str, window: PoolGeometry):
        super().__init__(geometry, algorithm)
        self.window = window

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:  # (N, C, H, W) -> (N, K, P', Q')
        self.x, self.weight = x, weight
        y = self.kernel("forward_relu")(x, weight, bias, self.geometry)  # (N, K, P, Q)
        self.pooled, self.winner = self.kernels.max_pool2d_forward(y, self.window)
        return self.pooled

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        grad = self.kernels.relu_backward(grad, self.pooled)  # before it is spread: there are fewer to look at
        return Conv2d.backward(self, self.kernels.max_pool2d_backward(grad, self.winner, self.window))


class Conv2dTanhAvgPool2d(Conv2d):
    """Mean of each 2x2 window of tanh(w ⋆ x + b). Its ``multiply_adds`` are the convolution's."""

    def __init__(self, geometry: ConvGeometry, algorithm: str, module: Any):
        super().__init__(geometry, algorithm)
        self.module = module

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:  # -> (N, K, P/2, Q/2)
        self.x, self.weight = x, weight
        keep = any(self.needs_input_grad)
        pooled, self.y = self.module.forward_tanh_pool(x, weight, bias, self.geometry, keep)
        return pooled

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        needs = self.needs_input_grad
        gradients = self.module.backward_tanh_pool(grad, self.x, self.weight, self.y, self.geometry, needs)
        return tuple(gradients[: len(needs)])


class Pool(NamedTuple):
    """The arguments of a pooling: of `tinycnn.functional.max_pool2d` that returns no indices, or of ``avg_pool2d``."""

    kernel_size: Any
    stride: Any = None
    padding: Any = 0
    ceil_mode: bool = False


HALVES = Pool(2)


def conv2d_relu(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    algorithm: str | None = None,
    pool: Pool | None = None,
) -> Tensor | None:
    """Give ``relu(conv2d(…))``, and with ``pool`` its ``max_pool2d``, bit for bit, by one Function.

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups, algorithm
        As for `tinycnn.functional.conv2d`; the algorithm is the one that would run without ReLU.
    pool
        The pooling that comes after ReLU, if one does.

    Returns
    -------
    Tensor or None
        None where the algorithm has no kernel that does both on this backend: run them one by one.

    Raises
    ------
    ValueError, TypeError
        What the operations say one by one.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x, weight = tc.Tensor([[[[1.0, 2.0, 4.0]]]]), tc.Tensor([[[[1.0, -1.0]]]])
    >>> with tc.use_backend("numpy"):
    ...     print(conv2d_relu(x, weight))
    None
    """
    if not kernels_for([as_tensor(weight).data]).fuse_relu:
        return None  # before anything else: where nothing ever fuses, this shall cost nothing
    geometry, tensors = operands("conv2d", x, weight, bias, stride, padding, dilation, groups)
    algorithm = current_algorithm() if algorithm is None else algorithm
    if not fuses_relu(kernels_for([tensor.data for tensor in tensors]), algorithm, geometry):
        return None
    if pool is None:
        return Conv2dReLU(geometry, algorithm)(*tensors)
    window = pool_geometry("max_pool2d", geometry.output_shape, *pool)
    return Conv2dReLUMaxPool2d(geometry, algorithm, window)(*tensors)


def conv2d_tanh_avg_pool2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    algorithm: str | None = None,
    pool: Pool = HALVES,
) -> Tensor | None:
    """Give ``avg_pool2d(tanh(conv2d(…)), …)`` by one Function: the same bits, and gradients that differ in rounding.

    Parameters
    ----------
    x, weight, bias, stride, padding, dilation, groups, algorithm
        As for `tinycnn.functional.conv2d`; the algorithm is the one that would run by itself.
    pool
        The pooling that comes after tanh.

    Returns
    -------
    Tensor or None
        None where there is no kernel that does all three with this algorithm on this backend, for these sizes, this
        dtype and this pooling: run them one by one.

    Raises
    ------
    ValueError, TypeError
        What the operations say one by one.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x, weight = tc.Tensor([[[[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]]]]), tc.Tensor([[[[1.0, -1.0]]]])
    >>> print(conv2d_tanh_avg_pool2d(x, weight))
    None
    """
    weights = as_tensor(weight)
    if weights.dtype != np.float32 or not kernels_for([weights.data]).fuse_relu:
        return None  # before anything else, as above
    geometry, tensors = operands("conv2d", x, weight, bias, stride, padding, dilation, groups)
    algorithm = current_algorithm() if algorithm is None else algorithm
    module = tanh_pool_kernels(kernels_for([tensor.data for tensor in tensors]), algorithm, geometry)
    if module is None:
        return None
    window = pool_geometry("avg_pool2d", geometry.output_shape, *pool)
    if window != pool_geometry("avg_pool2d", geometry.output_shape, *HALVES[:3], pool.ceil_mode):
        return None
    return Conv2dTanhAvgPool2d(geometry, algorithm, module)(*tensors)
