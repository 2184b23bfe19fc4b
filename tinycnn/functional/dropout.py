"""Dropout."""

from __future__ import annotations

from typing import Any

from tinycnn.arrays import Array, beside
from tinycnn.function import Function
from tinycnn.functional import checks
from tinycnn.random import default_generator
from tinycnn.tensor import Tensor


class Dropout(Function):
    """Zero a random part of the entries and scale the rest; the gradient passes through the same mask."""

    def __init__(self, p: float, key: tuple[int, int]):
        self.p, self.key = p, key

    def forward(self, x: Array) -> Array:
        mask = self.kernels.dropout_mask(x.shape, self.p, self.key)
        self.mask = beside(mask, x)  # for float16 on a GPU, NumPy's kernels draw it in main memory
        return self.kernels.dropout_forward(x, self.mask, self.p)

    def backward(self, grad: Array) -> Array:
        return self.kernels.dropout_backward(grad, self.mask, self.p)


def dropout(x: Any, p: float = 0.5, training: bool = True) -> Tensor:
    """Set each entry to 0 with probability ``p`` and multiply the rest by 1 / (1 − p), in training; else return ``x``.

    The mask depends on the seed, on how many streams were drawn since `manual_seed`, and on the entry's index alone:
    it is the same in every backend.

    Parameters
    ----------
    x
        Floating-point, any shape.
    p
        Probability of dropping, from 0 to 1.
    training
        False at test time.

    Raises
    ------
    ValueError
        For p outside 0 to 1.

    Notes
    -----
    Srivastava et al. (2014), Dropout: A Simple Way to Prevent Neural Networks from Overfitting.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> tc.manual_seed(0)
    >>> y = tc.functional.dropout(tc.Tensor(np.ones(10_000, np.float32)), p=0.5)
    >>> np.unique(y.data), abs(float(y.mean()) - 1) < 0.05
    (array([0., 2.], dtype=float32), True)
    """
    x = checks.floating("dropout", "input", x)
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is the probability of dropping, from 0 to 1, got {p}")
    if not training or p == 0:
        return x
    return Dropout(float(p), default_generator.next_key())(x)
