"""Moving numbers by vectors: each of these by itself, against its plain twin, at any start and of any length."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.cases import normal
from tests.kernels.tile_calls import (
    deal_of,
    run_add_row,
    run_copy,
    run_copy_row,
    run_prefetch,
    run_stream_row,
    run_turn,
    weave_of,
)
from tests.kernels.truth import DTYPES
from tinycnn.kernels.numba import vectors
from tinycnn.kernels.numba.workspace import empty

EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
STARTS = pytest.mark.parametrize(("start", "out_start"), [(0, 0), (1, 3), (7, 5)])
COUNTS = range(70)  # of every length up to some vectors with a rest


def pair(start: int, out_start: int, count: int, dtype) -> tuple[np.ndarray, np.ndarray]:
    """A source and an out with room for so many numbers, and some more."""
    return normal(1, start + count + 2, dtype=dtype), normal(2, out_start + count + 2, dtype=dtype)


@EVERY_DTYPE
@STARTS
def test_a_row_is_copied_and_nothing_beside_it(start, out_start, dtype):
    for count in COUNTS:
        source, out = pair(start, out_start, count, dtype)
        expected = out.copy()
        expected[out_start : out_start + count] = source[start : start + count]
        run_copy_row(source, start, out, out_start, count, dtype(-np.inf))
        np.testing.assert_array_equal(out, expected)


@EVERY_DTYPE
def test_a_row_is_copied_with_the_least_for_what_is_below_and_nan_as_it_is(dtype):
    for count in COUNTS:
        source, out = pair(0, 0, count, dtype)
        source[::5] = np.nan
        source[1::7] = -0.0
        twin = out.copy()
        run_copy_row(source, 0, out, 0, count, dtype(0))
        vectors.copy_row_plainly(source, 0, twin, 0, count, dtype(0))
        np.testing.assert_array_equal(out, twin)
        row = source[:count]
        np.testing.assert_array_equal(out[:count], np.where(np.isnan(row), row, np.maximum(row, 0)))
        assert not np.signbit(out[:count][out[:count] == 0]).any(), "−0 is not above 0"


@EVERY_DTYPE
@STARTS
def test_a_row_is_added_once_and_to_nothing_beside(start, out_start, dtype):
    for count in COUNTS:
        source, out = pair(start, out_start, count, dtype)
        expected, twin = out.copy(), out.copy()
        expected[out_start : out_start + count] += source[start : start + count]
        run_add_row(source, start, out, out_start, count)
        vectors.add_row_plainly(source, start, twin, out_start, count)
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(twin, expected)


@EVERY_DTYPE
@STARTS
def test_a_vector_is_copied_and_nothing_beside_it(start, out_start, dtype):
    lanes = vectors.lanes_of(np.empty(0, dtype))
    source, out = pair(start, out_start, lanes, dtype)
    expected, twin = out.copy(), out.copy()
    expected[out_start : out_start + lanes] = source[start : start + lanes]
    run_copy(source, start, out, out_start)
    vectors.copy_vector_plainly(source, start, twin, out_start)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(twin, expected)


@EVERY_DTYPE
def test_a_row_is_streamed_and_nothing_beside_it(dtype):
    lanes = vectors.lanes_of(np.empty(0, dtype))
    for count in range(0, 4 * lanes, lanes):
        source, out = normal(1, 3 + count, dtype=dtype), empty((1 << 14,), dtype)  # at a whole cache line
        out[:] = 7
        expected = out.copy()
        expected[2 * lanes : 2 * lanes + count] = source[3:]
        run_stream_row(source, 3, out, 2 * lanes, count)
        np.testing.assert_array_equal(out, expected)


@EVERY_DTYPE
def test_to_ask_for_numbers_changes_none_wherever_they_are(dtype):
    array = normal(1, 100, dtype=dtype)
    before = array.copy()
    for start, count in (0, 100), (-(1 << 40), 50), (1 << 40, 50), (90, 1000), (5, 0), (5, -3):
        run_prefetch(array, start, count)
    np.testing.assert_array_equal(array, before)


@EVERY_DTYPE
@pytest.mark.parametrize("pitch", ["less", "lanes", "more"])
def test_rows_are_turned_side_by_side(pitch, dtype):
    lanes = vectors.lanes_of(np.empty(0, dtype))
    pitch = {"less": max(1, lanes - 2), "lanes": lanes, "more": lanes + 3}[pitch]
    for count in (lanes, lanes + 1, 2 * lanes, 3 * lanes + lanes // 2):
        source = normal(1, 500, dtype=dtype)
        begins = np.random.default_rng(2).integers(0, 400 - count, lanes + 1)  # rows overlap, in no order
        out = normal(3, 5 + count * pitch + lanes, dtype=dtype)
        twin, before = out.copy(), out.copy()
        run_turn(source, 9, begins, 1, out, 5, pitch, count)
        vectors.turn_plainly(source, 9, begins, 1, twin, 5, pitch, count)
        np.testing.assert_array_equal(out, twin)
        turned = np.array([source[9 + begin : 9 + begin + count] for begin in begins[1:]]).T  # (count, lanes)
        kept = min(pitch, lanes)
        np.testing.assert_array_equal(out[5 : 5 + count * pitch].reshape(count, pitch)[:, :kept], turned[:, :kept])
        written = 5 + (count - 1) * pitch + lanes
        assert (out[:5] == before[:5]).all()
        assert (out[written:] == before[written:]).all()


@EVERY_DTYPE
@pytest.mark.parametrize(("step", "size"), [(2, 2), (2, 4), (2, 6), (4, 4), (4, 6)])
def test_numbers_are_dealt_to_lanes(step, size, dtype):
    lanes = vectors.lanes_of(np.empty(0, dtype))
    source, out = normal(1, 3 + lanes * (step + 1) + size, dtype=dtype), normal(2, 5 + size * (lanes + 3), dtype=dtype)
    twin, before = out.copy(), out.copy()
    deal_of(step, size)(source, 3, out, 5, lanes + 3)
    vectors.deal_plainly(step, size, source, 3, twin, 5, lanes + 3)
    np.testing.assert_array_equal(out, twin)
    made, left = (array[5:].reshape(size, lanes + 3) for array in (out, before))
    for j in range(size):
        for lane in range(lanes):
            assert made[j, lane] == source[3 + lane * step + j]
    assert (made[:, lanes:] == left[:, lanes:]).all()
    assert (out[:5] == before[:5]).all()


@EVERY_DTYPE
@pytest.mark.parametrize(("step", "given"), [(2, 2), (4, 4), (4, 2)])
def test_lanes_are_woven_to_one_row(step, given, dtype):
    lanes = vectors.lanes_of(np.empty(0, dtype))
    source, out = normal(1, 3 + given * (lanes + 2), dtype=dtype), normal(2, 5 + lanes * step + 3, dtype=dtype)
    twin, before = out.copy(), out.copy()
    weave_of(step, given)(source, 3, lanes + 2, out, 5, dtype(0.5))
    vectors.weave_plainly(step, given, source, 3, lanes + 2, twin, 5, dtype(0.5))
    np.testing.assert_array_equal(out, twin)
    for lane in range(lanes):
        for j in range(step):
            taken = source[3 + j * (lanes + 2) + lane] if j < given else dtype(0)
            assert out[5 + lane * step + j] == taken + dtype(0.5)
    assert (out[:5] == before[:5]).all()
    assert (out[5 + lanes * step :] == before[5 + lanes * step :]).all()
