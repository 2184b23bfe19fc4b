"""Normalisation layers."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.arrays import Array
from tinycnn.functional.normalization import moves_statistics
from tinycnn.geometry import positive
from tinycnn.nn.module import Module, Parameter
from tinycnn.tensor import Tensor


class LocalResponseNorm(Module):
    """Local response normalisation across channels; arguments as for `tinycnn.functional.local_response_norm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, average: bool = True):
        self.size = positive("LocalResponseNorm", "size", size)
        self.alpha, self.beta, self.k, self.average = alpha, beta, k, average

    def forward(self, x: Any) -> Tensor:
        """(N, C, …) -> (N, C, …)."""
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k, self.average)

    def extra_repr(self) -> str:
        """The constants of the formula."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}, average={self.average}"


class _BatchNorm(Module):
    """Batch normalisation with running statistics, a trained scale (weight) and shift (bias)."""

    _ranks: tuple[int, ...] = ()
    running_mean: Array
    running_var: Array
    num_batches_tracked: Array

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1):
        self.num_features = positive(type(self).__name__, "num_features", num_features)
        if eps < 0 or not 0 <= momentum <= 1:
            name = type(self).__name__
            raise ValueError(f"{name}: eps must be at least 0 and momentum from 0 to 1, got {eps} and {momentum}")
        self.eps, self.momentum = eps, momentum
        self.weight = Parameter(np.ones(num_features, np.float32))
        self.bias = Parameter(np.zeros(num_features, np.float32))
        self.register_buffer("running_mean", np.zeros(num_features, np.float32))
        self.register_buffer("running_var", np.ones(num_features, np.float32))
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64))

    def forward(self, x: Any) -> Tensor:
        """(N, C, …) -> (N, C, …)."""
        shape = x.shape
        if len(shape) not in self._ranks or shape[1] != self.num_features:
            axes = " or ".join(map(str, self._ranks))
            raise ValueError(
                f"{type(self).__name__}({self.num_features}) expected input of {axes} axes with {self.num_features} "
                f"channels on the second, got {shape}"
            )
        y = F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, self.momentum, self.eps
        )
        if self.training and moves_statistics():
            self.num_batches_tracked += 1
        return y

    def extra_repr(self) -> str:
        """Channels and constants."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L)."""

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W).

    Parameters
    ----------
    num_features
        C.
    eps
        Added to the variance.
    momentum
        Weight of a new batch in the running statistics.

    Raises
    ------
    ValueError
        For an input of another number of axes or channels.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> images = np.random.default_rng(0).normal(5, 2, (8, 3, 4, 4)).astype(np.float32)
    >>> bool(abs(tc.nn.BatchNorm2d(3)(images).data.mean()) < 1e-6)
    True
    """

    _ranks = (4,)
