"""Convolution layers."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.geometry import positive
from tinycnn.nn import init
from tinycnn.nn.module import Module, Parameter
from tinycnn.tensor import Tensor


class _Convolution(Module):
    """What the convolution layers share: sizes, a weight, a bias, and how both start."""

    _axes = 2
    _transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
    ):
        name = type(self).__name__
        self.in_channels = positive(name, "in_channels", in_channels)
        self.out_channels = positive(name, "out_channels", out_channels)
        sizes = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * self._axes
        if len(sizes) != self._axes:
            raise ValueError(f"{name}: kernel_size must be an int or {self._axes} of them, got {kernel_size}")
        self.kernel_size = tuple(positive(name, "kernel_size", size) for size in sizes)
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.groups = positive(name, "groups", groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} must divide the {in_channels} input and the {out_channels} output channels"
            )
        outer, inner = (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        self.weight = Parameter(np.empty((outer, inner // groups, *self.kernel_size), np.float32))
        self.bias = Parameter(np.empty(out_channels, np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias from U(−1/√fan_in, 1/√fan_in).

        PyTorch's choice, except that it counts the fan of a transposed convolution along the other axis.
        """
        fan_in, _ = init.fan(self.weight.shape, self.groups, self._transposed)
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                init.uniform_(parameter, -(fan_in**-0.5), fan_in**-0.5)

    def extra_repr(self) -> str:
        """Sizes and settings."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        defaults = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
        text += "".join(f", {n}={getattr(self, n)}" for n, value in defaults.items() if getattr(self, n) != value)
        return text if self.bias is not None else text + ", bias=False"


class Conv2d(_Convolution):
    """Convolution of images, (N, C, H, W) -> (N, K, P, Q): `tinycnn.functional.conv2d` with its weight and bias.

    Parameters
    ----------
    in_channels, out_channels
        C and K.
    kernel_size
        An int, or (R, S).
    stride, padding, dilation, groups
        As for `tinycnn.functional.conv2d`.
    bias
        Whether to add one number to each output channel.

    Raises
    ------
    ValueError
        For sizes below 1 and groups that do not divide the channels.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> tc.nn.Conv2d(1, 6, 5)(tc.Tensor(np.zeros((64, 1, 32, 32), np.float32))).shape
    (64, 6, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, K, P, Q)."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv1d(_Convolution):
    """Convolution of signals, (N, C, L) -> (N, K, Q); parameters as for `Conv2d`, along one axis."""

    _axes = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: Any = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)

    def forward(self, x: Any) -> Tensor:
        """(N, C, L) -> (N, K, Q)."""
        return F.conv1d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class ConvTranspose2d(_Convolution):
    """Convolution run backwards, (N, C, H, W) -> (N, K, P, Q): `tinycnn.functional.conv_transpose2d`.

    Parameters
    ----------
    in_channels, out_channels
        C and K; the weight is (C, K/groups, R, S).
    kernel_size, stride, padding, output_padding, groups, bias, dilation
        As for `tinycnn.functional.conv_transpose2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> tc.nn.ConvTranspose2d(8, 4, 2, stride=2)(tc.Tensor(np.zeros((1, 8, 7, 7), np.float32))).shape
    (1, 4, 14, 14)
    """

    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
    ):
        self.output_padding = output_padding
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, K, P, Q)."""
        return F.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )
