"""Activation layers and dropout."""

from __future__ import annotations

from typing import Any

import tinycnn.functional as F
from tinycnn.nn.module import Module
from tinycnn.tensor import Tensor


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Any) -> Tensor:
        """Any shape, entry by entry."""
        return F.relu(x)


class LeakyReLU(Module):
    """x above 0, a small slope below."""

    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Tensor:
        """Any shape, entry by entry."""
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return str(self.negative_slope)


class Tanh(Module):
    """Hyperbolic tangent."""

    def forward(self, x: Any) -> Tensor:
        """Any shape, entry by entry."""
        return F.tanh(x)


class Sigmoid(Module):
    """1 / (1 + e^−x)."""

    def forward(self, x: Any) -> Tensor:
        """Any shape, entry by entry."""
        return F.sigmoid(x)


class Softmax(Module):
    """Probabilities along one axis. Not before `CrossEntropyLoss`, which contains it."""

    def __init__(self, dim: int = -1):
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        """Any shape."""
        return F.softmax(x, self.dim)


class LogSoftmax(Module):
    """Logarithm of softmax along one axis."""

    def __init__(self, dim: int = -1):
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        """Any shape."""
        return F.log_softmax(x, self.dim)


class Dropout(Module):
    """Zeroes entries with probability p in training, and scales the rest by 1 / (1 − p); nothing in ``eval``."""

    def __init__(self, p: float = 0.5):
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is the probability of dropping, from 0 to 1, got {p}")
        self.p = p

    def forward(self, x: Any) -> Tensor:
        """Any shape, entry by entry."""
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
