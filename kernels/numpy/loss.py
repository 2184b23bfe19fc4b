"""Cross-entropy with the softmax or the sigmoid inside: stable, with the simplest gradient in deep learning, p − q."""

import numpy as np

from tinycnn.arrays import Array
from tinycnn.kernels.numpy.activation import log_softmax_forward, sigmoid_forward


def cross_entropy_target(labels: Array, counted: Array, weights: Array, smoothing: float) -> tuple[Array, Array]:
    """What each target says of all classes, q, and the weight of its class: (N, …) -> (N, C, …), (N, …).

    q_c = (1 − smoothing) · w_label · [c = label] + smoothing/C · w_c, both 0 where a label is not ``counted``.
    """
    C = len(weights)
    labels = np.where(counted != 0, labels, 0)
    label_weights = weights[labels] * counted  # (N, …)
    q = np.zeros_like(weights, shape=(len(labels), C, *labels.shape[1:]))
    np.put_along_axis(q, np.expand_dims(labels, 1), np.expand_dims((1 - smoothing) * label_weights, 1), axis=1)
    if smoothing:
        spread = (smoothing / C) * weights.reshape(1, C, *(1,) * (labels.ndim - 1))
        q += spread * np.expand_dims(counted, 1)
    return q, label_weights


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


def bce_with_logits_forward(x: Array, target: Array, pos_weight: Array | float) -> Array:
    """Loss (1 − t) · x + (1 + (w − 1) · t) · log(1 + e^−x), which is −(w·t·log σ(x) + (1 − t)·log(1 − σ(x)))."""
    return (1 - target) * x + (1 + (pos_weight - 1) * target) * _softplus(-x)


def bce_with_logits_backward(grad: Array, x: Array, target: Array, pos_weight: Array | float) -> tuple[Array, Array]:
    """dx = dy · (1 − t − (1 + (w − 1) · t) · σ(−x)), dt = dy · ((w − 1) · log(1 + e^−x) − x)."""
    dx = grad * (1 - target - (1 + (pos_weight - 1) * target) * sigmoid_forward(-x))
    return dx, grad * ((pos_weight - 1) * _softplus(-x) - x)


def kl_div_forward(x: Array, target: Array, log_target: bool) -> Array:
    """Divergence t · (log t − x), entry by entry, 0 where t is 0, even where x is −∞; t is e^target with log_target."""
    p, log_p = _probabilities(target, log_target)
    return p * np.where(p == 0, p, log_p - x)


def kl_div_backward(grad: Array, x: Array, target: Array, log_target: bool) -> tuple[Array, Array]:
    """dx = −dy · t, dt = dy · (log t − x + 1), times t again for the logarithm of t."""
    p, log_p = _probabilities(target, log_target)
    dt = grad * (log_p - x + 1)
    return -grad * p, dt * p if log_target else dt


def _probabilities(target: Array, log_target: bool) -> tuple[Array, Array]:
    """The target distribution and its logarithm, which is set to 0 where there is none."""
    return (np.exp(target), target) if log_target else (target, np.log(np.where(target > 0, target, 1)))


def _softplus(x: Array) -> Array:
    """log(1 + e^x), from e^−|x|, which cannot overflow."""
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)
