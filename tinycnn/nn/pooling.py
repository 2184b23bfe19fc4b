"""Pooling layers; arguments as for the functions of the same names in `tinycnn.functional`."""

from __future__ import annotations

from typing import Any

import tinycnn.functional as F
from tinycnn.arrays import Array
from tinycnn.geometry import pair
from tinycnn.nn.module import Module
from tinycnn.tensor import Tensor


class _Pool2d(Module):
    """What pooling layers share: window, stride, padding, rounding."""

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False):
        pair(type(self).__name__, "kernel_size", kernel_size)
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode

    def extra_repr(self) -> str:
        """Window and settings."""
        stride = self.kernel_size if self.stride is None else self.stride
        text = f"{self.kernel_size}, stride={stride}" + (f", padding={self.padding}" if self.padding else "")
        return text + (", ceil_mode=True" if self.ceil_mode else "")


class MaxPool2d(_Pool2d):
    """Largest value of each window; with ``return_indices`` also where it was, for `MaxUnpool2d`."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ):
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.return_indices = return_indices

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) -> (N, C, P, Q)."""
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.return_indices)


class MinPool2d(_Pool2d):
    """Smallest value of each window."""

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, C, P, Q)."""
        return F.min_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode)


class AvgPool2d(_Pool2d):
    """Mean of each window."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, C, P, Q)."""
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class LPPool2d(Module):
    """Lp norm of each window."""

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False):
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, C, P, Q)."""
        return F.lp_pool2d(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        """Norm and window."""
        return f"norm_type={self.norm_type}, {self.kernel_size}"


class AdaptiveAvgPool2d(Module):
    """Mean of bins that cover the image evenly, so that the output size is always the same."""

    def __init__(self, size: Any):
        self.size = size

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, C, P, Q)."""
        return F.adaptive_avg_pool2d(x, self.size)

    def extra_repr(self) -> str:
        """The output size."""
        return str(self.size)


class GlobalAvgPool2d(Module):
    """Mean of each channel."""

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, C, 1, 1)."""
        return F.global_avg_pool2d(x)


class GlobalMaxPool2d(Module):
    """Largest value of each channel."""

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, C, 1, 1)."""
        return F.global_max_pool2d(x)


class MaxUnpool2d(Module):
    """Values back to the positions they were the maxima of, zeros elsewhere."""

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Any, indices: Array, output_size: Any = None) -> Tensor:
        """(N, C, P, Q) and the indices of the pooling -> (N, C, H, W)."""
        return F.max_unpool2d(x, indices, self.kernel_size, self.stride, self.padding, output_size)
