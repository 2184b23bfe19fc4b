"""Softmax and cross-entropy as one operation: stable, and with the simplest gradient in deep learning, p − q."""

import numpy as np

from tinycnn.arrays import Array
from tinycnn.kernels.numpy.activation import log_softmax_forward


def cross_entropy_forward(logits: Array, q: Array) -> tuple[Array, Array]:
    """Loss −Σ_c q_c · log softmax(logits)_c of each row, and log softmax: (N, C, …) -> (N, …), (N, C, …).

    ``q`` holds what the target says of each class: a one-hot row, smoothed and weighted as asked.
    """
    log_p = log_softmax_forward(logits, axis=1)
    finite = np.where(q == 0, q, log_p)  # a class of no weight costs nothing, even where log p is -inf
    return -(q * finite).sum(axis=1), log_p


def cross_entropy_backward(grad: Array, log_p: Array, q: Array) -> Array:
    """dlogits = dloss · (Σ q · p − q): (N, …) -> (N, C, …)."""
    total = q.sum(axis=1, keepdims=True)
    return np.expand_dims(grad, 1) * (total * np.exp(log_p) - q)
