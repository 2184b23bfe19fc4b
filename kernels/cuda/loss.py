"""Cross-entropy with the softmax inside, a pass in one kernel.

Plain twin: `tinycnn.kernels.numpy.loss`, which also has the losses that are not here.
"""

from __future__ import annotations

from tinycnn.arrays import Array
from tinycnn.kernels.cuda.launch import contiguous, empty, launch
from tinycnn.kernels.cuda.softmax import for_rows


def cross_entropy_forward(logits: Array, q: Array) -> tuple[Array, Array]:
    """Loss −Σ_c q_c · log softmax(logits)_c of each row, and log softmax: (N, C, …) -> (N, …), (N, C, …).

    ``q`` holds what the target says of each class: a one-hot row, smoothed and weighted as asked.
    """
    loss, log_p = empty((len(logits), *logits.shape[2:]), logits), empty(logits.shape, logits)
    (grid, block), sizes = for_rows(logits.shape, 1)
    launch("loss", "cross_entropy_forward", loss, grid, block, contiguous(logits), contiguous(q), log_p, loss, *sizes)
    return loss, log_p


def cross_entropy_backward(grad: Array, log_p: Array, q: Array) -> Array:
    """dlogits = dloss · (Σ q · p − q): (N, …) -> (N, C, …)."""
    dx = empty(log_p.shape, log_p)
    (grid, block), sizes = for_rows(log_p.shape, 1)
    launch("loss", "cross_entropy_backward", dx, grid, block, contiguous(grad), log_p, contiguous(q), dx, *sizes)
    return dx
