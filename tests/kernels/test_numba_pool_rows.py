"""Rows of windows pooled by vectors: each instruction against its plain twin, of any length, at any start."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.cases import normal
from tests.kernels.pool_calls import MAX_ROW, run_give_row, run_mean_row, run_spread_row
from tests.kernels.truth import DTYPES
from tinycnn.kernels.numba import pool_rows

EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
STARTS = pytest.mark.parametrize(("start", "goal"), [(0, 0), (1, 3), (7, 5)])
COUNTS = range(70)  # of every length up to some vectors with a rest


def assert_max_row_is_its_twin(size, x, start, pitch, goal, count):
    y, winner = normal(2, goal + count + 2, dtype=x.dtype), np.full(goal + count + 2, 77, np.uint8)
    expected, expected_winner = y.copy(), winner.copy()
    MAX_ROW[size](x, start, pitch, y, winner, goal, count)
    pool_rows.max_row_plainly(size, x, start, pitch, expected, expected_winner, goal, count)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(winner, expected_winner)


@EVERY_DTYPE
@STARTS
@pytest.mark.parametrize("size", [2, 3])
def test_a_row_of_windows_is_pooled_and_nothing_written_beside_it(size, start, goal, dtype):
    for count in COUNTS:
        pitch = 2 * count + size
        x = normal(1, start + size * pitch, dtype=dtype)
        assert_max_row_is_its_twin(size, x, start, pitch, goal, count)


@EVERY_DTYPE
@pytest.mark.parametrize("size", [2, 3])
def test_the_first_of_equals_wins_and_the_first_nan_before_all(size, dtype):
    values = np.array([np.nan, -np.inf, np.inf, -1, 0, -0.0, 1], dtype)
    for few in (values, values[3:], values[:2], values[1:2]):
        x = few[np.random.default_rng(1).integers(0, len(few), 3 * 200)]
        for count in (1, 3, 16, 97):
            assert_max_row_is_its_twin(size, x, 0, 200, 0, count)


@pytest.mark.parametrize("size", [2, 3])
def test_the_twin_is_the_definition(size):
    x = normal(1, 3, 20)
    y, winner = np.empty(9), np.empty(9, np.uint8)
    pool_rows.max_row_plainly(size, x.reshape(-1), 0, 20, y, winner, 0, 9)
    for q in range(9):
        window = x[:size, 2 * q : 2 * q + size]
        assert y[q] == window.max() == window.reshape(-1)[winner[q]]


@EVERY_DTYPE
@STARTS
def test_a_row_of_gradients_is_given_to_the_winners_and_nothing_beside_them(start, goal, dtype):
    for count in COUNTS:
        grad = normal(1, start + count, dtype=dtype)
        winner = np.random.default_rng(count).integers(0, 4, start + count).astype(np.uint8)
        pitch = 2 * count + 3
        dx = normal(2, goal + 2 * pitch, dtype=dtype)
        expected = dx.copy()
        run_give_row(grad, winner, start, dx, goal, pitch, count)
        pool_rows.give_row_plainly(grad, winner, start, expected, goal, pitch, count)
        np.testing.assert_array_equal(dx, expected)
        rows = dx[goal : goal + 2 * pitch].reshape(2, pitch)[:, : 2 * count]  # (2, 2 · count)
        given = rows.reshape(2, count, 2).transpose(1, 0, 2).reshape(count, 4)
        np.testing.assert_array_equal(given, np.eye(4)[winner[start:]] * grad[start:, None])


@EVERY_DTYPE
@STARTS
def test_a_row_of_means_is_made_and_nothing_written_beside_it(start, goal, dtype):
    for count in COUNTS:
        pitch = 2 * count + 1
        x, y = normal(1, start + pitch + 2 * count, dtype=dtype), normal(2, goal + count + 2, dtype=dtype)
        expected = y.copy()
        run_mean_row(x, start, pitch, y, goal, count)
        pool_rows.mean_row_plainly(x, start, pitch, expected, goal, count)
        np.testing.assert_array_equal(y, expected)
        upper, lower = (x[start + r * pitch :][: 2 * count].reshape(count, 2) for r in (0, 1))
        np.testing.assert_allclose(y[goal : goal + count], (upper + lower).sum(1) / 4, rtol=0, atol=1e-6)


@EVERY_DTYPE
@STARTS
def test_a_row_of_gradients_is_spread_over_its_windows_and_nothing_beside_them(start, goal, dtype):
    for count in COUNTS:
        pitch = 2 * count + 3
        grad, dx = normal(1, start + count, dtype=dtype), normal(2, goal + 2 * pitch, dtype=dtype)
        expected, twin = dx.copy(), dx.copy()
        run_spread_row(grad, start, dx, goal, pitch, count)
        pool_rows.spread_row_plainly(grad, start, twin, goal, pitch, count)
        for r in (0, 1):
            expected[goal + r * pitch :][: 2 * count] = np.repeat(grad[start:] / 4, 2)
        np.testing.assert_array_equal(dx, expected)
        np.testing.assert_array_equal(twin, expected)
