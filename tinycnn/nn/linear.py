"""The fully connected layer, and layers that only rearrange."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.geometry import pads, positive
from tinycnn.nn import init
from tinycnn.nn.module import Module, Parameter
from tinycnn.tensor import Tensor


class Linear(Module):
    """Fully connected layer, (…, in) -> (…, out): y = x · weightᵀ + bias.

    Parameters
    ----------
    in_features, out_features
        Sizes of the last axis before and after.
    bias
        Whether to add one number to each output.

    Raises
    ------
    ValueError
        For sizes below 1.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> tc.nn.Linear(84, 10)(tc.Tensor(np.zeros((64, 84), np.float32))).shape
    (64, 10)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        self.in_features = positive("Linear", "in_features", in_features)
        self.out_features = positive("Linear", "out_features", out_features)
        self.weight = Parameter(np.empty((out_features, in_features), np.float32))
        self.bias = Parameter(np.empty(out_features, np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias from U(−1/√in, 1/√in), PyTorch's choice."""
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                init.uniform_(parameter, -(self.in_features**-0.5), self.in_features**-0.5)

    def forward(self, x: Any) -> Tensor:
        """(…, in) -> (…, out)."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes."""
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Flatten(Module):
    """Merge axes, by default all but the batch: (N, C, H, W) -> (N, C·H·W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Tensor:
        """See `tinycnn.functional.flatten`."""
        return F.flatten(x, self.start_dim, self.end_dim)


class ZeroPad2d(Module):
    """A border of zeros: an int, (h, w) or (top, bottom, left, right)."""

    def __init__(self, padding: Any):
        self.padding = pads("ZeroPad2d", padding)

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, C, H + top + bottom, W + left + right)."""
        top, bottom, left, right = self.padding
        return F.pad(x, (left, right, top, bottom))

    def extra_repr(self) -> str:
        """The widths."""
        return str(self.padding)


class Identity(Module):
    """Returns its input: a place holder."""

    def forward(self, x: Any) -> Any:
        """The input itself."""
        return x
