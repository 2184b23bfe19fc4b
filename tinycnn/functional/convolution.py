"""Convolution in one and two dimensions, and its transpose.

Convolution means cross-correlation, as in every framework: the kernel is not flipped unless ``flip=True`` asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.backend import convolution, current_algorithm
from tinycnn.function import Function
from tinycnn.functional import checks
from tinycnn.functional.shape import getitem, reshape
from tinycnn.geometry import Axis, ConvGeometry, conv_geometry, pads, pair, positive
from tinycnn.tensor import Tensor


class Convolution(Function):
    """What both directions share: the geometry of the convolution, and the algorithm asked for."""

    def __init__(self, geometry: ConvGeometry, algorithm: str):
        self.geometry, self.algorithm = geometry, algorithm

    @property
    def multiply_adds(self) -> int:
        """N·K·P·Q · C/G·R·S."""
        return self.geometry.multiply_adds

    def kernel(self, phase: str) -> Callable[..., Array]:
        """The kernel of one pass, by its name in `tinycnn.backend.convolution`."""
        return convolution(self.kernels, self.algorithm, phase, self.geometry)

    def bias_gradient(self, grad: Array) -> tuple[()] | tuple[Array | None]:
        """db sums dy over images and positions; nothing at all where there is no bias."""
        if len(self.inputs) == 2:
            return ()
        return (np.einsum("nkpq->k", grad) if self.needs_input_grad[2] else None,)  # thrice as fast as grad.sum


class Conv2d(Convolution):
    """y = w ⋆ x + b. dx is the transposed convolution of dy, dw correlates x with dy."""

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:  # (N, C, H, W) -> (N, K, P, Q)
        self.x, self.weight = x, weight
        return self.kernel("forward")(x, weight, bias, self.geometry)

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        need_x, need_weight = self.needs_input_grad[:2]
        dx = self.kernel("backward_input")(grad, self.weight, self.geometry) if need_x else None
        dw = self.kernel("backward_weight")(grad, self.x, self.geometry) if need_weight else None
        return dx, dw, *self.bias_gradient(grad)


class ConvTranspose2d(Convolution):
    """Convolution run backwards: forward is a convolution's backward_input, and the other way round.

    ``geometry`` is that convolution's: its input is our output.
    """

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:  # (N, K, P, Q) -> (N, C, H, W)
        self.x, self.weight = x, weight
        y = self.kernel("backward_input")(x, weight, self.geometry)
        return y if bias is None else y + bias.reshape(-1, 1, 1)

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        need_x, need_weight = self.needs_input_grad[:2]
        dx = self.kernel("forward")(grad, self.weight, None, self.geometry) if need_x else None
        dw = self.kernel("backward_weight")(self.x, grad, self.geometry) if need_weight else None
        return dx, dw, *self.bias_gradient(grad)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    flip: bool = False,
    algorithm: str | None = None,
) -> Tensor:
    """Convolve a batch of images: y[n, k, p, q] = b[k] + Σ w[k, c, r, s] · x[n, c, p·stride + r·dilation − pad, …].

    Parameters
    ----------
    x
        (N, C, H, W), floating point.
    weight
        (K, C/groups, R, S), the dtype of ``x``.
    bias
        (K,) or None.
    stride, dilation
        An int, or (down, across).
    padding
        Zeros around ``x``: an int, (h, w), (top, bottom, left, right), ``"valid"`` (none), ``"same"`` (P = H; stride 1
        only; an odd cell goes to the bottom right) or ``"full"`` (dilation · (kernel − 1) on each side).
    groups
        Output channels k and input channels c meet only within the same of so many groups.
    flip
        Rotate the kernel by 180 degrees first: convolution as mathematics defines it.
    algorithm
        ``"direct"``, ``"im2col"``, ``"winograd"``, ``"fft"`` or ``"auto"``; None for what `use_algorithm` says.

    Returns
    -------
    Tensor
        (N, K, P, Q) with P = floor((H + pads − dilation · (R − 1) − 1) / stride) + 1.

    Raises
    ------
    ValueError
        For sizes that do not fit or an algorithm that the backend lacks, with the nearest fix.
    TypeError
        For integers or mixed dtypes.

    Notes
    -----
    LeCun et al. (1989), Backpropagation Applied to Handwritten Zip Code Recognition; groups: Krizhevsky et al. (2012).

    Examples
    --------
    >>> import tinycnn as tc
    >>> image = tc.Tensor([[[[1.0, 2.0, 4.0, 8.0]]]])
    >>> tc.functional.conv2d(image, tc.Tensor([[[[-1.0, 1.0]]]])).data
    array([[[[1., 2., 4.]]]], dtype=float32)
    >>> tc.functional.conv2d(image, tc.Tensor([[[[-1.0, 1.0]]]]), flip=True).data
    array([[[[-1., -2., -4.]]]], dtype=float32)
    """
    return _convolve("conv2d", x, weight, bias, stride, padding, dilation, groups, flip, algorithm)


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: int = 1,
    padding: Any = 0,
    dilation: int = 1,
    groups: int = 1,
    flip: bool = False,
    algorithm: str | None = None,
) -> Tensor:
    """Convolve a batch of signals: `conv2d` over images of one row.

    Parameters
    ----------
    x
        (N, C, L), floating point.
    weight
        (K, C/groups, S).
    bias
        (K,) or None.
    padding
        An int, (left, right), ``"valid"``, ``"same"`` or ``"full"``.
    stride, dilation, groups, flip, algorithm
        As for `conv2d`, along the one axis.

    Returns
    -------
    Tensor
        (N, K, Q).

    Raises
    ------
    ValueError, TypeError
        As `conv2d`.

    Examples
    --------
    A moving average of three:

    >>> import tinycnn as tc
    >>> tc.functional.conv1d(tc.Tensor([[[3.0, 6.0, 9.0, 6.0]]]), tc.Tensor([[[1 / 3, 1 / 3, 1 / 3]]])).data
    array([[[6., 7.]]], dtype=float32)
    """
    x = checks.floating("conv1d", "input", x)
    if x.ndim != 3:
        hint = f": one signal is x.reshape(1, 1, {x.size})" if x.ndim == 1 else ""
        raise ValueError(f"conv1d expected input (N, C, L), got {x.shape}{hint}")
    weight = checks.floating("conv1d", "weight", weight)
    if weight.ndim != 3:
        raise ValueError(f"conv1d expected weight (K, C/groups, S), got {weight.shape}")
    if isinstance(padding, (tuple, list)):
        if len(padding) != 2:
            raise ValueError(f"conv1d: padding must be an int, (left, right) or a word, got {padding}")
        padding = (0, 0, *padding)
    elif not isinstance(padding, str):
        padding = (0, padding)
    row = reshape(x, x.shape[0], x.shape[1], 1, x.shape[2])  # (N, C, L) -> (N, C, 1, L)
    kernel = reshape(weight, weight.shape[0], weight.shape[1], 1, weight.shape[2])
    strides, steps = (1, positive("conv1d", "stride", stride)), (1, positive("conv1d", "dilation", dilation))
    name = "conv1d, as images of one row"
    y = _convolve(name, row, kernel, bias, strides, padding, steps, groups, flip, algorithm)
    return reshape(y, y.shape[0], y.shape[1], y.shape[3])  # (N, K, 1, Q) -> (N, K, Q)


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Run a convolution backwards: each input cell adds its value times the kernel to the output.

    Parameters
    ----------
    x
        (N, C, H, W), floating point.
    weight
        (C, K/groups, R, S): the weight of the convolution from K to C channels that this one transposes.
    bias
        (K,) or None.
    stride, dilation
        An int, or (down, across).
    padding
        Cells cut off the output: an int, (h, w) or (top, bottom, left, right).
    output_padding
        Rows and columns added at the bottom and the right, to tell apart the sizes that one stride maps to the same
        input size: an int or a pair, smaller than the stride or the dilation.
    groups
        Divides C and K.

    Returns
    -------
    Tensor
        (N, K, P, Q) with P = (H − 1) · stride − pads + dilation · (R − 1) + output_padding + 1.

    Raises
    ------
    ValueError, TypeError
        As `conv2d`; for an output_padding as large as stride and dilation; for padding that leaves no output.

    Notes
    -----
    Zeiler et al. (2010), Deconvolutional Networks; Dumoulin, Visin (2016), Guide to convolution arithmetic, chapter 4

    Examples
    --------
    >>> import tinycnn as tc
    >>> x, weight = tc.Tensor([[[[1.0, 2.0]]]]), tc.Tensor([[[[1.0, 10.0]]]])
    >>> tc.functional.conv_transpose2d(x, weight, stride=2).data
    array([[[[ 1., 10.,  2., 20.]]]], dtype=float32)
    """
    name = "conv_transpose2d"
    x = checks.image_batch(name, x)
    weight = _weight(name, weight, "(C, K/groups, R, S)")
    if weight.shape[0] != x.shape[1]:
        raise ValueError(
            f"{name}: the weight {weight.shape} takes {weight.shape[0]} input channels, x has {x.shape[1]}"
        )
    steps, spacing = pair(name, "stride", stride), pair(name, "dilation", dilation)
    sides = pads(name, padding)
    extra = pads(name, output_padding)
    if (
        extra[0] != extra[1]
        or extra[2] != extra[3]
        or any(e >= max(s, d) for e, s, d in zip((extra[0], extra[2]), steps, spacing, strict=True))
    ):
        raise ValueError(
            f"{name}: output_padding {output_padding} must be an int or a pair, smaller than the stride {steps} or the "
            f"dilation {spacing}"
        )
    groups = positive(name, "groups", groups)
    if x.shape[1] % groups:
        raise ValueError(f"{name}: groups={groups} does not divide the {x.shape[1]} input channels")
    # The convolution that this one transposes. The extra rows and columns lie behind its last window: a trailing pad
    # made smaller by them, below 0 perhaps, so that it has exactly H x W outputs whatever the stride.
    rows, columns = (
        _transposed_axis(
            x.shape[2 + i], weight.shape[2 + i], steps[i], sides[2 * i : 2 * i + 2], extra[2 * i], spacing[i]
        )
        for i in range(2)
    )
    if min(rows.size, columns.size) < 1:
        raise ValueError(
            f"{name}: padding {padding} cuts off all of the output; it would be {rows.size}x{columns.size}"
        )
    K = weight.shape[1] * groups
    geometry = ConvGeometry(rows, columns, x.shape[0], K, x.shape[1], groups)
    bias = checks.per_channel(name, "bias", bias, K, weight)
    checks.same_dtype(name, input=x, weight=weight, bias=bias)
    convolve = ConvTranspose2d(geometry, current_algorithm())
    return convolve(x, weight) if bias is None else convolve(x, weight, bias)


def operands(
    name: str, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[ConvGeometry, tuple[Tensor, ...]]:
    """Check the arguments of a convolution called ``name``: its geometry, and x, weight and any bias as Tensors.

    Raises
    ------
    ValueError, TypeError
        As `conv2d`.
    """
    x = checks.image_batch(name, x)
    weight = _weight(name, weight, "(K, C/groups, R, S)")
    geometry = conv_geometry(name, x.shape, weight.shape, stride, padding, dilation, groups)
    bias = checks.per_channel(name, "bias", bias, geometry.K, weight)
    checks.same_dtype(name, input=x, weight=weight, bias=bias)
    return geometry, (x, weight) if bias is None else (x, weight, bias)


def _convolve(
    name: str,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    flip: bool,
    algorithm: str | None,
) -> Tensor:
    geometry, (x, weight, *rest) = operands(name, x, weight, bias, stride, padding, dilation, groups)
    if flip:
        weight = getitem(weight, (slice(None), slice(None), slice(None, None, -1), slice(None, None, -1)))
    return Conv2d(geometry, current_algorithm() if algorithm is None else algorithm)(x, weight, *rest)


def _transposed_axis(length: int, kernel: int, stride: int, sides: tuple[int, ...], extra: int, dilation: int) -> Axis:
    lead, trail = sides
    size = (length - 1) * stride - lead - trail + dilation * (kernel - 1) + 1 + extra
    return Axis(size, kernel, stride, lead, trail - extra, dilation)


def _weight(name: str, value: Any, letters: str) -> Tensor:
    weight = checks.floating(name, "weight", value)
    if weight.ndim != 4:
        hint = ""
        if weight.ndim == 2:
            hint = f": one kernel for one channel is w.reshape(1, 1, {weight.shape[0]}, {weight.shape[1]})"
        raise ValueError(f"{name} expected weight {letters}, got {weight.shape}{hint}")
    return weight
