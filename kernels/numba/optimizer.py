"""Optimiser steps in one pass: each entry's parameter, gradient and state are read once and written once.

The NumPy twin makes five to ten passes over blocks that fit in the cache. Here numbers stay in registers between the
operations, which are the same, in the same order and precision. Arrays that are no plain row of numbers in memory, or
of different types, go to the twin: a step on a flattened copy would be lost.

Plain twin: `tinycnn.kernels.numpy.optimizer`.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinycnn.arrays import Array
from tinycnn.kernels.numba.chunks import bounds, chunks, share
from tinycnn.kernels.numba.compile import kernel, parallel_kernel
from tinycnn.kernels.numpy import optimizer as plain

ADAM_WEIGHT = 4  # a step of Adam costs as much as this many ReLUs


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
    v = parameter if velocity is None else velocity  # one type in either case, so one compiled version
    if not _are_rows(parameter, grad, v):
        plain.sgd_step(parameter, grad, velocity, lr, momentum, nesterov, weight_decay)
        return
    numbers = float(lr), float(momentum), float(weight_decay)
    count = chunks(parameter.size, parameter.size)
    share(_sgd, _sgd_chunks, count, *_rows(parameter, grad, v), numbers, velocity is not None, bool(nesterov))


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
    if not _are_rows(parameter, grad, mean, square):
        plain.adam_step(parameter, grad, mean, square, lr, betas, eps, weight_decay, decoupled, step)
        return
    first, second = betas
    rate, root_correction = lr / (1 - first**step), (1 - second**step) ** 0.5
    added, kept = (0.0, 1 - lr * weight_decay) if decoupled else (float(weight_decay), 1.0)
    numbers = float(first), 1 - first, float(second), 1 - second, rate, root_correction, float(eps), added, kept
    count = chunks(parameter.size, parameter.size, ADAM_WEIGHT)
    share(_adam, _adam_chunks, count, *_rows(parameter, grad, mean, square), numbers)


def _are_rows(parameter: Array, *others: Array) -> bool:
    """Whether all can be stepped through as one row of numbers of one type."""
    return not [a for a in (parameter, *others) if not a.flags.carray or a.dtype != parameter.dtype]


def _rows(*arrays: Array) -> list[Array]:
    return [array.reshape(-1) for array in arrays]


@parallel_kernel
def _sgd_chunks(p, g, v, numbers, has_velocity, nesterov, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, len(p))
        _sgd(p[i:j], g[i:j], v[i:j], numbers, has_velocity, nesterov)


@kernel
def _sgd(p, g, v, numbers, has_velocity, nesterov):
    number = p.dtype.type
    lr, momentum, weight_decay = number(numbers[0]), number(numbers[1]), number(numbers[2])
    for i in range(len(p)):
        step = g[i]
        if weight_decay != 0:  # 0 · inf would be NaN
            step += weight_decay * p[i]
        if has_velocity:
            speed = momentum * v[i] + step
            v[i] = speed
            step = step + momentum * speed if nesterov else speed
        p[i] -= lr * step


@parallel_kernel
def _adam_chunks(p, g, m, s, numbers, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, len(p))
        _adam(p[i:j], g[i:j], m[i:j], s[i:j], numbers)


@kernel
def _adam(p, g, m, s, numbers):
    number = p.dtype.type
    first, to_first, second, to_second = number(numbers[0]), number(numbers[1]), number(numbers[2]), number(numbers[3])
    rate, root_correction, eps = number(numbers[4]), number(numbers[5]), number(numbers[6])
    added, kept = number(numbers[7]), number(numbers[8])
    for i in range(len(p)):
        parameter, gradient = kept * p[i], g[i]
        if added != 0:
            gradient += added * parameter
        mean = first * m[i] + to_first * gradient
        square = second * s[i] + to_second * gradient * gradient
        m[i], s[i] = mean, square
        p[i] = parameter - rate * mean / (np.sqrt(square) / root_correction + eps)
