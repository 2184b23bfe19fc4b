"""Parameters with random gradients for many steps, and an optimiser run through them."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

import tinycnn as tc
from tests.backends import to_backend, to_numpy

Array = np.ndarray

SHAPES = ((4, 3, 2, 2), (5,), (), (33_000,))  # the last is more than one block of the NumPy kernels, and no multiple


class Problem(NamedTuple):
    """Where each parameter starts, and its gradient at each step; None where it has none."""

    start: list[Array]
    gradients: list[list[Array | None]]


@cache
def problem(
    dtype: str = "float64", steps: int = 30, frozen: int = 0, shapes: tuple[tuple[int, ...], ...] = SHAPES
) -> Problem:
    """Noisy gradients from 1e-3 to 10 in size; for the first ``frozen`` steps the second parameter has none."""
    rng = np.random.default_rng(0)
    start = [np.asarray(rng.standard_normal(shape), dtype) for shape in shapes]
    drift = [rng.standard_normal(shape) * 10.0 ** rng.uniform(-3, 1, shape) for shape in shapes]
    gradients: list[list[Array | None]] = []
    for step in range(steps):
        noisy = [np.asarray(mean * rng.normal(1, 2, mean.shape), dtype) for mean in drift]
        gradients.append([None if i == 1 and step < frozen else gradient for i, gradient in enumerate(noisy)])
    return Problem(start, gradients)


def parameters(start: Sequence[Array]) -> list[tc.Tensor]:
    """Tensors that hold copies of these arrays, on the running backend."""
    return [tc.Tensor(to_backend(array.copy()), requires_grad=True) for array in start]


def set_gradients(tensors: Sequence[tc.Tensor], gradients: Sequence[Array | None]) -> None:
    """Give each tensor its gradient, a copy of its own."""
    for tensor, gradient in zip(tensors, gradients, strict=True):
        tensor.grad = None if gradient is None else to_backend(gradient.copy())


def run(optimizer: tc.optim.Optimizer, gradients: Sequence[Sequence[Array | None]]) -> list[Array]:
    """Where the parameters end after a step with each of the gradients."""
    for step in gradients:
        set_gradients(optimizer.params, step)
        optimizer.step()
    return [to_numpy(tensor.data).copy() for tensor in optimizer.params]


def solve(make: Callable[[list[tc.Tensor]], tc.optim.Optimizer], given: Problem) -> list[Array]:
    """Where an optimiser takes the parameters of a problem."""
    return run(make(parameters(given.start)), given.gradients)
