"""Optimiser steps, in place and a block at a time: a block's temporaries stay in cache, and none is model-sized."""

from collections.abc import Iterator

import numpy as np

from tinycnn.arrays import Array

BLOCK = 1 << 15  # entries; five float32 arrays of this are 640 KB, within a 1 MB L2


def sgd_step(
    parameter: Array,
    grad: Array,
    velocity: Array | None,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> None:
    """Move the parameter by −lr · step, in place, all of one shape.

    g = dp + weight_decay · p; v = momentum · v + g; step = v, or g + momentum · v with Nesterov, or g without momentum.
    """
    if velocity is None:
        for p, g in _blocks(parameter, grad):
            p -= lr * (g + weight_decay * p if weight_decay else g)
        return
    for p, g, v in _blocks(parameter, grad, velocity):
        if weight_decay:
            g = g + weight_decay * p
        v *= momentum
        v += g
        p -= lr * (g + momentum * v if nesterov else v)


def adam_step(
    parameter: Array,
    grad: Array,
    mean: Array,
    square: Array,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None:
    """Move the parameter against its mean gradient over the root of its mean square, in place, all of one shape.

    m = β₁·m + (1 − β₁)·g; s = β₂·s + (1 − β₂)·g²; p −= lr · m̂ / (√ŝ + eps), m̂ and ŝ corrected for their start at 0.
    Weight decay is added to g (Adam), or taken from p by itself where ``decoupled`` (AdamW).
    """
    first, second = betas
    mean_correction, square_correction = 1 - first**step, 1 - second**step
    for p, g, m, s in _blocks(parameter, grad, mean, square):
        if weight_decay and decoupled:
            p *= 1 - lr * weight_decay
        elif weight_decay:
            g = g + weight_decay * p
        m *= first
        m += (1 - first) * g
        s *= second
        s += (1 - second) * g * g
        p -= (lr / mean_correction) * m / (np.sqrt(s) / square_correction**0.5 + eps)


def _blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Matching flat pieces of arrays of one shape; pieces are views, so writing to them writes to the arrays."""
    if not all(array.flags.c_contiguous for array in arrays):
        yield arrays  # flattened they would be copies, and the step be lost
        return
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, flat[0].size, BLOCK):
        yield tuple(array[start : start + BLOCK] for array in flat)
