"""Optimiser steps in one pass: each entry's parameter, gradient and state are read once and written once.

Operations are those of the NumPy twin, in the same order. Parameters and state that do not lie in one piece, or arrays
of different types, go to the twin: a step on a copy would be lost.

Plain twin: `tinycnn.kernels.numpy.optimizer`.
"""

from __future__ import annotations

from tinycnn.arrays import Array
from tinycnn.kernels.cuda.launch import contiguous, for_entries, launch
from tinycnn.kernels.numpy import optimizer as plain


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
    state = () if velocity is None else (velocity,)
    if not _in_one_piece(parameter, grad, *state):
        plain.sgd_step(parameter, grad, velocity, lr, momentum, nesterov, weight_decay)
        return
    grid, block = for_entries(parameter.size)
    arguments = parameter, contiguous(grad), velocity, lr, momentum, nesterov, weight_decay, parameter.size
    launch("optimizer", "sgd_step", parameter, grid, block, *arguments)


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
    if not _in_one_piece(parameter, grad, mean, square):
        plain.adam_step(parameter, grad, mean, square, lr, betas, eps, weight_decay, decoupled, step)
        return
    first, second = betas
    rate, root = lr / (1 - first**step), (1 - second**step) ** 0.5
    added, kept = (0.0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1.0)
    grid, block = for_entries(parameter.size)
    numbers = first, 1 - first, second, 1 - second, rate, root, eps, added, kept, parameter.size
    launch("optimizer", "adam_step", parameter, grid, block, parameter, contiguous(grad), mean, square, *numbers)


def _in_one_piece(parameter: Array, grad: Array, *state: Array) -> bool:
    """Whether what is written lies in one piece, and all is of one type."""
    arrays = parameter, *state
    return all(a.flags.c_contiguous for a in arrays) and {a.dtype for a in arrays} == {grad.dtype}
