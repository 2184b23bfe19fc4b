"""Cross-entropy in two sweeps over the scores, with one call of NumPy's vectorised exponential between them.

A row is the scores of one sample (at one position, where there are positions). Its sums run in float64: a thousand
terms of float32 lose up to three digits, and the few conversions cost nothing beside the exponentials. Scores are few,
even ImageNet's, so no threads are started.

Plain twin: `tinycnn.kernels.numpy.loss`, which also has the losses that are not here.
"""

from __future__ import annotations

import math

import numpy as np

from tinycnn.arrays import Array
from tinycnn.kernels.numba.compile import kernel
from tinycnn.kernels.numba.workspace import contiguous, empty


def cross_entropy_target(labels: Array, counted: Array, weights: Array, smoothing: float) -> tuple[Array, Array]:
    """What each target says of all classes, q, and the weight of its class: (N, …) -> (N, C, …), (N, …).

    q_c = (1 − smoothing) · w_label · [c = label] + smoothing/C · w_c, both 0 where a label is not ``counted``.
    """
    (N, *rest), C = labels.shape, len(weights)
    positions = N, math.prod(rest)
    q, label_weights = empty((N, C, *rest), weights.dtype), empty(labels.shape, weights.dtype)
    _fill_target(
        contiguous(labels).reshape(positions),
        contiguous(counted).reshape(positions),
        contiguous(weights),
        1 - smoothing,
        smoothing / C,
        q.reshape(N, C, positions[1]),
        label_weights.reshape(positions),
    )
    return q, label_weights


def cross_entropy_forward(logits: Array, q: Array) -> tuple[Array, Array]:
    """Loss −Σ_c q_c · log softmax(logits)_c of each row, and log softmax: (N, C, …) -> (N, …), (N, C, …).

    ``q`` holds what the target says of each class: a one-hot row, smoothed and weighted as asked.
    """
    N, C, *rest = logits.shape
    shape = N, C, math.prod(rest)
    loss, log_p = empty((N, *rest), logits.dtype), empty(logits.shape, logits.dtype)
    rows = log_p.reshape(shape)
    _shift(contiguous(logits).reshape(shape), rows)
    exponentials = np.exp(rows, out=empty(shape, logits.dtype))
    _finish(exponentials, contiguous(q).reshape(shape), rows, loss.reshape(N, shape[2]))
    return loss, log_p


def cross_entropy_backward(grad: Array, log_p: Array, q: Array) -> Array:
    """dlogits = dloss · (Σ q · p − q): (N, …) -> (N, C, …)."""
    N, C, *rest = log_p.shape
    shape = N, C, math.prod(rest)
    dx = np.exp(log_p, out=empty(log_p.shape, log_p.dtype))
    _subtract(contiguous(grad).reshape(N, shape[2]), contiguous(q).reshape(shape), dx.reshape(shape))
    return dx


@kernel
def _fill_target(labels, counted, weights, kept_part, spread_part, q, label_weights):
    """q of each row, and the weight of its label."""
    N, C, positions = q.shape
    kept, spread = weights.dtype.type(kept_part), weights.dtype.type(spread_part)
    for n in range(N):
        for i in range(positions):
            count = weights.dtype.type(counted[n, i])
            for c in range(C):
                q[n, c, i] = spread * weights[c] * count if spread != 0 else 0
            label = labels[n, i] if count != 0 else 0
            label_weights[n, i] = weights[label] * count
            q[n, label, i] += kept * label_weights[n, i]


@kernel
def _shift(logits, log_p):
    """x − max x of each row."""
    N, C, positions = logits.shape
    for n in range(N):
        for i in range(positions):
            largest = logits[n, 0, i]
            for c in range(1, C):
                largest = max(largest, logits[n, c, i])  # whether NaN wins is no matter: it is in the sum as well
            for c in range(C):
                log_p[n, c, i] = logits[n, c, i] - largest


@kernel
def _finish(exponentials, q, log_p, loss):
    """Take the logarithm of each row's sum from it, and weigh what is left."""
    N, C, positions = log_p.shape
    for n in range(N):
        for i in range(positions):
            total = 0.0
            for c in range(C):
                total += exponentials[n, c, i]
            log_total, cost = log_p.dtype.type(math.log(total)), 0.0
            for c in range(C):
                log_p[n, c, i] -= log_total
                if q[n, c, i] != 0:  # a class of no weight costs nothing, even where log p is -inf
                    cost += q[n, c, i] * log_p[n, c, i]
            loss[n, i] = -cost


@kernel
def _subtract(grad, q, dx):
    """From p to the gradient, in place."""
    N, C, positions = dx.shape
    for n in range(N):
        for i in range(positions):
            total = 0.0
            for c in range(C):
                total += q[n, c, i]
            weight = dx.dtype.type(total)
            for c in range(C):
                dx[n, c, i] = grad[n, i] * (weight * dx[n, c, i] - q[n, c, i])
