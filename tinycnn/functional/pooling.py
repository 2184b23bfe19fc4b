"""Pooling: maximum, average, minimum, Lp norm, global, adaptive, and unpooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinycnn.arrays import Array, on_gpu
from tinycnn.function import Function
from tinycnn.functional import checks
from tinycnn.functional.arithmetic import neg
from tinycnn.functional.reduction import max as largest
from tinycnn.functional.reduction import mean
from tinycnn.functional.shape import flatten, reshape
from tinycnn.geometry import PoolGeometry, pads, pair, pool_geometry
from tinycnn.tensor import Tensor, as_tensor


class MaxPool2d(Function):
    """Largest value of each window; its gradient goes to the entry that won."""

    def __init__(self, geometry: PoolGeometry):
        self.geometry = geometry

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C, P, Q)
        y, self.winner = self.kernels.max_pool2d_forward(x, self.geometry)
        return y

    def branches(self) -> Array:
        """Which cell of each window won."""
        return self.winner

    def backward(self, grad: Array) -> Array:  # (N, C, P, Q) -> (N, C, H, W)
        return self.kernels.max_pool2d_backward(grad, self.winner, self.geometry)


class AvgPool2d(Function):
    """Mean of each window; its gradient is shared evenly by the window's cells."""

    def __init__(self, geometry: PoolGeometry, include_pad: bool):
        self.geometry, self.include_pad = geometry, include_pad

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C, P, Q)
        return self.kernels.avg_pool2d_forward(x, self.geometry, self.include_pad)

    def backward(self, grad: Array) -> Array:  # (N, C, P, Q) -> (N, C, H, W)
        return self.kernels.avg_pool2d_backward(grad, self.geometry, self.include_pad)


class LPPool2d(Function):
    """(Σ |x|^p)^(1/p) of each window."""

    def __init__(self, geometry: PoolGeometry, norm_type: float):
        self.geometry, self.norm_type = geometry, norm_type

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C, P, Q)
        self.x = x
        self.y = self.kernels.lp_pool2d_forward(x, self.geometry, self.norm_type)
        return self.y

    def branches(self) -> Array:
        """The signs, whose absolute values are taken."""
        return np.sign(self.x)

    def backward(self, grad: Array) -> Array:  # (N, C, P, Q) -> (N, C, H, W)
        return self.kernels.lp_pool2d_backward(grad, self.x, self.y, self.geometry, self.norm_type)


class AdaptiveAvgPool2d(Function):
    """Mean of each of P x Q bins that cover the image evenly."""

    def __init__(self, size: tuple[int, int]):
        self.size = size

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C, P, Q)
        self.input_size = x.shape[2:]
        return self.kernels.adaptive_avg_pool2d_forward(x, self.size)

    def backward(self, grad: Array) -> Array:  # (N, C, P, Q) -> (N, C, H, W)
        return self.kernels.adaptive_avg_pool2d_backward(grad, self.input_size)


class MaxUnpool2d(Function):
    """Each value back where it was the maximum; its gradient is read there."""

    def __init__(self, indices: Array, size: tuple[int, int]):
        self.indices, self.size = indices.copy(), size

    def forward(self, x: Array) -> Array:  # (N, C, P, Q) -> (N, C, H, W)
        return self.kernels.max_unpool2d_forward(x, self.indices, self.size)

    def backward(self, grad: Array) -> Array:  # (N, C, H, W) -> (N, C, P, Q)
        return self.kernels.max_unpool2d_backward(grad, self.indices)


def max_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest value of each window. Pads with −inf; the first maximum wins a tie; NaN wins over numbers.

    Parameters
    ----------
    x
        (N, C, H, W), floating point.
    kernel_size
        An int, or (down, across).
    stride
        The same; ``kernel_size`` by default.
    padding
        An int, (h, w) or (top, bottom, left, right), each smaller than the kernel.
    ceil_mode
        Round the output size up, letting the last window hang over the edge.
    return_indices
        Also return where each maximum was.

    Returns
    -------
    Tensor
        (N, C, P, Q); with ``return_indices`` a pair of it and an int64 array of flat positions h·W + w.

    Raises
    ------
    ValueError, TypeError
        For a window that never fits, and other arguments that make no sense, with the nearest fix.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x = tc.Tensor([[[[29, 15, 28, 184], [0, 100, 70, 38], [12, 12, 7, 2], [12, 12, 45, 6]]]])
    >>> tc.functional.max_pool2d(x, 2).data
    array([[[[100., 184.],
             [ 12.,  45.]]]], dtype=float32)
    """
    x = checks.image_batch("max_pool2d", x)
    pool = MaxPool2d(pool_geometry("max_pool2d", x.shape, kernel_size, stride, padding, ceil_mode))
    y = pool(x)
    return (y, pool.kernels.max_pool2d_indices(pool.winner, pool.geometry)) if return_indices else y


def min_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False) -> Tensor:
    """Smallest value of each window: −max_pool2d(−x), so it pads with +inf. Arguments as for `max_pool2d`.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.min_pool2d(tc.Tensor([[[[3.0, 1.0, 2.0, 5.0]]]]), (1, 2)).data
    array([[[[1., 2.]]]], dtype=float32)
    """
    x = checks.image_batch("min_pool2d", x)
    pool = MaxPool2d(pool_geometry("min_pool2d", x.shape, kernel_size, stride, padding, ceil_mode))
    return neg(pool(neg(x)))


def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window.

    Parameters
    ----------
    x
        (N, C, H, W), floating point.
    kernel_size, stride, padding, ceil_mode
        As for `max_pool2d`; the padding is zeros.
    count_include_pad
        Whether padding counts in the divisor. What a window of ``ceil_mode`` reaches beyond the padding never does.

    Returns
    -------
    Tensor
        (N, C, P, Q).

    Raises
    ------
    ValueError, TypeError
        As `max_pool2d`.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x = tc.Tensor([[[[29, 15, 28, 184], [0, 100, 70, 38], [12, 12, 7, 2], [12, 12, 45, 6]]]])
    >>> tc.functional.avg_pool2d(x, 2).data
    array([[[[36., 80.],
             [12., 15.]]]], dtype=float32)
    """
    x = checks.image_batch("avg_pool2d", x)
    geometry = pool_geometry("avg_pool2d", x.shape, kernel_size, stride, padding, ceil_mode)
    return AvgPool2d(geometry, count_include_pad)(x)


def lp_pool2d(x: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """Lp norm of each window, (Σ |x|^p)^(1/p): L2 pooling at ``norm_type=2``.

    Absolute values are taken, as ONNX's LpPool does; PyTorch leaves the sign at odd powers. A window that ``ceil_mode``
    lets hang over the edge sums the cells it has, where PyTorch scales it up to a full one. The gradient of a window of
    zeros is 0.

    Parameters
    ----------
    x
        (N, C, H, W), floating point.
    norm_type
        p, at least 1.
    kernel_size, stride, ceil_mode
        As for `max_pool2d`.

    Returns
    -------
    Tensor
        (N, C, P, Q).

    Raises
    ------
    ValueError, TypeError
        For p below 1, and as `max_pool2d`.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.lp_pool2d(tc.Tensor([[[[3.0, -4.0]]]]), 2, (1, 2)).data
    array([[[[5.]]]], dtype=float32)
    """
    x = checks.image_batch("lp_pool2d", x)
    if not norm_type >= 1 or norm_type == float("inf"):
        raise ValueError(f"lp_pool2d: norm_type must be a finite number of at least 1, got {norm_type}")
    return LPPool2d(pool_geometry("lp_pool2d", x.shape, kernel_size, stride, 0, ceil_mode), float(norm_type))(x)


def global_avg_pool2d(x: Any) -> Tensor:
    """Mean of each channel: (N, C, H, W) -> (N, C, 1, 1).

    Notes
    -----
    Lin, Chen, Yan (2013), Network In Network, section 3.2: in place of flatten and fully connected layers.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.global_avg_pool2d(tc.Tensor([[[[1.0, 2.0], [3.0, 6.0]]]])).data
    array([[[[3.]]]], dtype=float32)
    """
    return mean(_with_cells("global_avg_pool2d", x), dim=(2, 3), keepdim=True)


def global_max_pool2d(x: Any) -> Tensor:
    """Largest value of each channel: (N, C, H, W) -> (N, C, 1, 1).

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.global_max_pool2d(tc.Tensor([[[[1.0, 2.0], [3.0, 6.0]]]])).data
    array([[[[6.]]]], dtype=float32)
    """
    x = _with_cells("global_max_pool2d", x)
    return reshape(largest(flatten(x, start_dim=2), dim=2), *x.shape[:2], 1, 1)  # (N, C, H·W) -> (N, C, 1, 1)


def adaptive_avg_pool2d(x: Any, size: Any) -> Tensor:
    """Mean of bins that cover the image evenly, however large it is: bin i spans floor(i·H/P) to ceil((i+1)·H/P) − 1.

    Parameters
    ----------
    x
        (N, C, H, W), floating point.
    size
        Output size, an int or (P, Q).

    Returns
    -------
    Tensor
        (N, C, P, Q).

    Raises
    ------
    ValueError, TypeError
        For an empty image or a size below 1.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.functional.adaptive_avg_pool2d(tc.Tensor([[[[1.0, 2.0, 3.0]]]]), (1, 2)).data
    array([[[[1.5, 2.5]]]], dtype=float32)
    """
    return AdaptiveAvgPool2d(pair("adaptive_avg_pool2d", "size", size))(_with_cells("adaptive_avg_pool2d", x))


def max_unpool2d(
    x: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Undo a max pooling in part: each value goes back to where it was the maximum, zeros fill the rest.

    Where positions repeat, as after windows that overlap, the last value stays and it alone gets the gradient (PyTorch
    gives the gradient to each of them).

    Parameters
    ----------
    x
        (N, C, P, Q), floating point.
    indices
        Flat positions from ``max_pool2d(…, return_indices=True)``, of the shape of ``x``.
    kernel_size, stride, padding
        Those of the pooling.
    output_size
        (H, W), or a shape that ends so; by default the smallest size that pools to (P, Q).

    Returns
    -------
    Tensor
        (N, C, H, W).

    Raises
    ------
    ValueError
        When ``indices`` has another shape or points outside the output.
    TypeError
        When one of both is on the GPU, the other in main memory.

    Notes
    -----
    Zeiler, Fergus (2013), Visualizing and Understanding Convolutional Networks, section 2.1.

    Examples
    --------
    >>> import tinycnn as tc
    >>> y, where = tc.functional.max_pool2d(tc.Tensor([[[[3.0, 5.0, 9.0, 7.0]]]]), (1, 2), return_indices=True)
    >>> tc.functional.max_unpool2d(y, where, (1, 2)).data
    array([[[[0., 5., 9., 0.]]]], dtype=float32)
    """
    x = checks.image_batch("max_unpool2d", x)
    positions = as_tensor(indices).data
    on_gpu((x.data, positions))
    if positions.dtype.kind not in "iu" or positions.shape != x.shape:
        raise ValueError(
            f"max_unpool2d: indices must be integers of the input's shape {x.shape}, got {positions.dtype} "
            f"{positions.shape}: pass what max_pool2d(…, return_indices=True) returned"
        )
    kernel = pair("max_unpool2d", "kernel_size", kernel_size)
    steps = kernel if stride is None else pair("max_unpool2d", "stride", stride)
    top, bottom, left, right = pads("max_unpool2d", padding)
    if output_size is None:
        rows = (x.shape[2] - 1) * steps[0] + kernel[0] - top - bottom
        columns = (x.shape[3] - 1) * steps[1] + kernel[1] - left - right
    else:
        size = output_size if isinstance(output_size, int) else tuple(output_size)[-2:]
        rows, columns = pair("max_unpool2d", "output_size", size)
    if positions.size and not 0 <= positions.min() <= positions.max() < rows * columns:
        raise ValueError(
            f"max_unpool2d: indices from {positions.min()} to {positions.max()} do not all lie in a {rows}x{columns} "
            "output; pass the pooled image's size as output_size"
        )
    return MaxUnpool2d(positions, (rows, columns))(x)


def _with_cells(name: str, value: Any) -> Tensor:
    x = checks.image_batch(name, value)
    if 0 in x.shape[2:]:
        raise ValueError(f"{name}: an image of {x.shape[2]}x{x.shape[3]} has no cells to pool")
    return x
