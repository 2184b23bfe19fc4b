"""Pooling by its definition: every window written out cell by cell, sharing nothing with the package."""

from collections.abc import Callable, Iterator

import numpy as np

from tests.cases import PoolCase

Cells = list[tuple[int, int]]


def starts(size: int, kernel: int, stride: int, lead: int, trail: int, ceil_mode: bool) -> list[int]:
    """First cells of all windows along one axis, found by sliding: negative ones begin in the leading pad.

    A window counts while it ends inside the padded input. With ``ceil_mode`` it also counts while fewer cells than a
    stride hang over the end, provided that it begins on the input or its leading pad.
    """
    found, start = [], -lead
    while start + kernel <= size + trail or (ceil_mode and start + kernel < size + trail + stride and start < size):
        found.append(start)
        start += stride
    return found


def windows(case: PoolCase) -> Iterator[tuple[int, int, Cells, int]]:
    """For each output (p, q): its cells on the real input, row by row, and how many lie inside the padded input."""
    top, bottom, left, right = case.padding
    (R, S), (down, across) = case.kernel, case.stride
    for p, first_row in enumerate(starts(case.H, R, down, top, bottom, case.ceil_mode)):
        for q, first_column in enumerate(starts(case.W, S, across, left, right, case.ceil_mode)):
            cells = [(h, w) for h in range(first_row, first_row + R) for w in range(first_column, first_column + S)]
            inside = [(h, w) for h, w in cells if h < case.H + bottom and w < case.W + right]
            yield p, q, [(h, w) for h, w in inside if 0 <= h < case.H and 0 <= w < case.W], len(inside)


def pooled(x: np.ndarray, case: PoolCase, of_window: Callable[[list[np.ndarray], int], np.ndarray]) -> np.ndarray:
    """``of_window(values, padded_count)`` for each window, images and channels along for the ride."""
    outputs = {(p, q): of_window([x[:, :, h, w] for h, w in cells], count) for p, q, cells, count in windows(case)}
    P, Q = 1 + max(p for p, _ in outputs), 1 + max(q for _, q in outputs)
    y = np.empty((*x.shape[:2], P, Q), x.dtype.newbyteorder("="))
    for (p, q), values in outputs.items():
        y[:, :, p, q] = values
    return y


def winners(x: np.ndarray, case: PoolCase) -> np.ndarray:
    """Flat position h·W + w of each window's first maximum: (N, C, P, Q)."""
    found = {}
    for p, q, cells, _ in windows(case):
        for n, c in np.ndindex(*x.shape[:2]):
            best = cells[0]
            for cell in cells[1:]:
                if x[n, c, *cell] > x[n, c, *best]:
                    best = cell
            found[n, c, p, q] = best[0] * case.W + best[1]
    shape = tuple(1 + max(index[axis] for index in found) for axis in range(4))
    return np.array([found[index] for index in np.ndindex(*shape)]).reshape(shape)


def sent_back(grad: np.ndarray, position: np.ndarray, case: PoolCase) -> np.ndarray:
    """Each window's gradient added to the position that won it."""
    dx = np.zeros((*grad.shape[:2], case.H * case.W), grad.dtype)
    for n, c, p, q in np.ndindex(*grad.shape):
        dx[n, c, position[n, c, p, q]] += grad[n, c, p, q]
    return dx.reshape(*grad.shape[:2], case.H, case.W)
