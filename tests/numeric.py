"""Derivatives by central differences, and what "equal" means here. Knows plain arrays alone, nothing of the package."""

from collections.abc import Callable, Sequence

import numpy as np

Array = np.ndarray

STEP = 2.0**-17  # near the cube root of the float64 spacing, where truncation and rounding balance; exact in binary


def central_difference(
    fn: Callable[..., Array], arrays: Sequence[Array], upstream: Array, h: float = STEP
) -> list[Array]:
    """Gradient of Σ upstream · fn(*arrays) with respect to every entry of every array.

    derivative = Σ upstream · (fn(… x + h …) − fn(… x − h …)) / 2h

    The difference is taken before the sum, so that outputs which do not depend on the entry cancel exactly.
    """
    moved = [np.array(array, dtype=np.float64) for array in arrays]  # copies, to be moved one entry at a time
    gradients = [np.empty_like(array) for array in moved]
    for array, gradient in zip(moved, gradients, strict=True):
        for index in np.ndindex(array.shape):
            value = array[index]
            array[index] = value + h
            above = np.array(fn(*moved))
            array[index] = value - h
            below = np.array(fn(*moved))
            array[index] = value
            gradient[index] = (upstream * (above - below)).sum() / (2 * h)
    return gradients


def assert_close(actual: Array, expected: Array, tolerance: float, what: str = "result", scale: float = 0.0) -> None:
    """Same shape, same dtype, same NaN and infinities, and no entry off by more than ``tolerance`` of the largest.

    ``scale`` is for results that are small differences of large terms: the error allowed is at least
    ``tolerance · scale``, where ``scale`` is the size of those terms.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what} has shape {actual.shape}, expected {expected.shape}"
    assert actual.dtype == expected.dtype, f"{what} has dtype {actual.dtype}, expected {expected.dtype}"
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite], err_msg=f"{what}, where it is not finite")
    error = np.abs(np.where(finite, actual, 0) - np.where(finite, expected, 0))
    largest = max(np.abs(expected[finite]).max(initial=0), scale)
    if error.size and not error.max() <= tolerance * largest:  # written so that NaN fails too
        index = np.unravel_index(error.argmax(), error.shape)
        place = tuple(int(i) for i in index)
        raise AssertionError(
            f"{what} at {place} is {actual[index]!r}, expected {expected[index]!r}: "
            f"off by {error[index] / largest if largest else np.inf:.1e} of the largest value, {largest:.3g}"
        )


def inner(a: Array, b: Array) -> float:
    """<a, b> = Σ a · b, of one shape."""
    assert a.shape == b.shape
    return float((a * b).sum())
