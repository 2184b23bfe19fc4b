"""The instructions of a tile and of Winograd's transforms by themselves, against what they are said to compute."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.cases import normal
from tests.kernels.interpreted import multiply_rows_plainly
from tests.kernels.tile_calls import lines_of, rows_of, run_add_lanes, run_lanes, run_spread_tile, run_tile
from tests.kernels.truth import DTYPES
from tinycnn.kernels.numba import transform
from tinycnn.kernels.numba.lane_tile import (
    LANE_HEIGHTS,
    REGISTERS,
    add_lanes_plainly,
    columns_beside,
    cut_lanes,
    multiply_lanes_plainly,
)
from tinycnn.kernels.numba.tile import (
    HEIGHTS,
    ROWS,
    VECTOR_BYTES,
    VECTORS,
    cut,
    multiply_spread_tile_plainly,
    multiply_tile_plainly,
    tile_columns,
)
from tinycnn.kernels.numpy.conv_winograd import _both_sides
from tinycnn.kernels.numpy.winograd_transform import TILINGS
from tinycnn.kernels.numpy.winograd_transform import transform as matrices

EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
SIDES = {
    "outputs": lambda t: t.AT,
    "weight_factors": lambda t: t.G,
    "weight_gradient": lambda t: t.G.T,
}


@EVERY_DTYPE
def test_a_tile_holds_two_vectors_of_columns(dtype):
    assert tile_columns(dtype) * np.dtype(dtype).itemsize == VECTORS * VECTOR_BYTES
    assert 2 * ROWS in (12, 28)


@pytest.mark.parametrize("rows", [1, 2, ROWS, ROWS + 1, 16, 64, 96, 120, 512])
def test_panels_are_of_equal_height_and_hold_all_rows_with_as_few_to_spare_as_can_be(rows):
    panels, height = cut(rows)
    assert height in HEIGHTS
    assert panels == -(-rows // ROWS)
    assert 0 <= panels * height - rows < panels


@EVERY_DTYPE
@pytest.mark.parametrize("rows", HEIGHTS)
@pytest.mark.parametrize("vectors", [1, VECTORS])
@pytest.mark.parametrize("pitch", [0, 37], ids=["side by side", "wide"])
@pytest.mark.parametrize("length", [1, 7, 300])
@pytest.mark.parametrize("starts", [(0, 0, 0, 0), (5, 1, 7, 3)], ids=["zero", "odd"])
def test_a_tile_is_its_plain_twin_at_any_start_and_pitch(starts, length, pitch, rows, vectors, dtype):
    columns = tile_columns(dtype) // VECTORS * vectors
    pitch += columns
    a_start, b_start, offset_start, out_start = starts
    a = normal(1, a_start + length * rows + 3, dtype=dtype)
    offset = np.random.default_rng(2).integers(0, 400, offset_start + length + 1)  # rows overlap, in no order
    b = normal(3, b_start + 400 + columns + 3, dtype=dtype)
    out = normal(4, out_start + rows * pitch + 5, dtype=dtype)
    given = [array.tobytes() for array in (a, b, offset)]
    expected, size = out.astype(np.float64), np.abs(out.astype(np.float64))
    where = (a_start, length, b_start, offset_start, out_start)

    def plainly(a, b, made):
        # The twin counts its columns by the dtype of out, so it is given float64 as a view of so many columns.
        for step in range(length):
            row = b_start + offset[offset_start + step]
            for i in range(rows):
                begin = out_start + i * pitch
                made[begin : begin + columns] += a[a_start + step * rows + i] * b[row : row + columns]

    plainly(a.astype(np.float64), b.astype(np.float64), expected)
    plainly(abs(a).astype(np.float64), abs(b).astype(np.float64), size)
    twin = out.copy()
    multiply_tile_plainly(a, a_start, b, b_start, offset, offset_start, length, twin, out_start, pitch, rows, columns)
    run_tile(a, a_start, b, b_start, offset, offset_start, length, out, out_start, pitch, rows, columns)
    allowed = (2 + np.sqrt(length)) * np.finfo(dtype).eps * size
    assert (abs(out - expected) <= allowed).all(), where
    assert (abs(twin - expected) <= allowed).all(), where
    touched = np.zeros(out.size, bool)
    for i in range(rows):
        touched[out_start + i * pitch : out_start + i * pitch + columns] = True
    assert (out[~touched] == expected[~touched]).all(), "a number beside the tile was changed"
    assert [array.tobytes() for array in (a, b, offset)] == given


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("vectors", range(1, VECTORS + 1))
@pytest.mark.parametrize("rows", HEIGHTS)
def test_a_tile_of_numbers_from_anywhere_is_the_product_and_touches_nothing_else(rows, vectors, dtype):
    width = tile_columns(dtype)
    columns = width // VECTORS * vectors
    draw = np.random.default_rng(rows)
    for length in (1, 2, 37):
        across, along = draw.integers(0, 50, rows + 2), draw.integers(0, 50, length + 3)  # in no order
        a = normal(1, 4 + 100, dtype=dtype)
        b, out = normal(2, 5 + length * width, dtype=dtype), normal(3, 7 + rows * (width + 3), dtype=dtype)
        given = [array.tobytes() for array in (a, b, across, along)]
        factors = a[4 + across[2:, None] + along[None, 3:]].astype(np.float64)
        lines = b[5:].reshape(length, width)[:, :columns].astype(np.float64)
        expected, size = out.astype(np.float64), np.abs(out.astype(np.float64))
        tile = np.s_[:, :columns]
        expected[7:].reshape(rows, width + 3)[tile] += factors @ lines
        size[7:].reshape(rows, width + 3)[tile] += abs(factors) @ abs(lines)
        twin, allowed = out.copy(), (2 + np.sqrt(length)) * np.finfo(dtype).eps * size
        multiply_spread_tile_plainly(a, 4, across, 2, along, 3, b, 5, length, twin, 7, width + 3, rows, columns)
        run_spread_tile(a, 4, across, along, (2, 3), b, 5, length, out, 7, width + 3, rows, columns)
        assert (abs(out - expected) <= allowed).all(), length
        assert (abs(twin - expected) <= allowed).all(), length
        beside = np.ones(out.size, bool)
        beside[7:].reshape(rows, width + 3)[tile] = False
        assert (out[beside] == expected[beside]).all(), "a number beside the tile was changed"
        assert [array.tobytes() for array in (a, b, across, along)] == given


@pytest.mark.parametrize("rows", [1, 2, 6, 7, 16, 64, 120])
@pytest.mark.parametrize("columns", [1, 9, 25, 150, 400])
def test_panels_of_lanes_hold_all_rows_with_the_fewest_products(rows, columns):
    panels, height = cut_lanes(rows, columns)
    assert height in LANE_HEIGHTS
    assert 0 <= panels * height - rows < height

    def products(height):
        tiles = -(-rows // height) * -(-columns // columns_beside(height))
        return tiles * height * columns_beside(height)

    assert products(height) == min(map(products, LANE_HEIGHTS))


def test_sums_over_lanes_leave_registers_for_both_sides():
    for rows in LANE_HEIGHTS:
        assert REGISTERS - rows <= rows * columns_beside(rows) + rows + 1 <= REGISTERS


@EVERY_DTYPE
@pytest.mark.parametrize("rows", LANE_HEIGHTS)
@pytest.mark.parametrize("length", [1, 7, 300])
@pytest.mark.parametrize("starts", [(0, 0, 0), (5, 3, 7)], ids=["zero", "odd"])
def test_sums_over_lanes_are_their_plain_twin_at_any_start(starts, length, rows, dtype):
    lanes, columns = tile_columns(dtype) // VECTORS, columns_beside(rows)
    a_start, begin_start, out_start = starts
    rng = np.random.default_rng(2)
    pitch = length * lanes + 5
    a = normal(1, a_start + rows * pitch + 3, dtype=dtype)
    begin = rng.integers(0, 200, begin_start + columns + 1).astype(np.uint64)  # columns overlap, in no order
    place = rng.integers(0, 200, length + 1)
    b = normal(3, 400 + lanes, dtype=dtype)
    out = normal(4, out_start + rows * columns * lanes + 5, dtype=dtype)
    given = [array.tobytes() for array in (a, b, begin, place)]
    lines = a[a_start : a_start + rows * pitch].astype(np.float64).reshape(rows, pitch)[:, : length * lanes]
    factors = lines.reshape(rows, length, 1, lanes).swapaxes(0, 1)
    reach = np.add.outer(place[:length], begin[begin_start : begin_start + columns].astype(np.int64))
    cells = b.astype(np.float64)[reach[:, None, :, None] + np.arange(lanes)]  # (length, 1, columns, lanes)
    expected, size = out.astype(np.float64), np.abs(out.astype(np.float64))
    where = slice(out_start, out_start + rows * columns * lanes)
    expected[where] += (factors * cells).sum(0).reshape(-1)
    size[where] += np.abs(factors * cells).sum(0).reshape(-1)
    twin = out.copy()
    multiply_lanes_plainly(a, a_start, pitch, b, begin, begin_start, place, length, twin, out_start, rows)
    run_lanes(a, a_start, pitch, b, begin, begin_start, place, length, out, out_start, rows)
    allowed = (2 + np.sqrt(length)) * np.finfo(dtype).eps * size
    for made in (out, twin):
        assert (abs(made - expected) <= allowed).all()
        assert (made[:out_start] == expected[:out_start]).all()
        assert (made[where.stop :] == expected[where.stop :]).all()
    assert [array.tobytes() for array in (a, b, begin, place)] == given


@EVERY_DTYPE
@pytest.mark.parametrize("count", [0, 1, 7])
def test_lanes_are_added_up_as_by_their_plain_twin_at_any_start(count, dtype):
    lanes = tile_columns(dtype) // VECTORS
    sums, out = normal(1, 3 + count * lanes + 2, dtype=dtype), normal(2, 5 + count + 2, dtype=dtype)
    before, twin = (sums.tobytes(), out.copy()), out.copy()
    run_add_lanes(sums, 3, out, 5, count)
    add_lanes_plainly(sums, 3, twin, 5, count)
    assert out.tobytes() == twin.tobytes()
    assert sums.tobytes() == before[0]
    exact = sums[3 : 3 + count * lanes].astype(np.float64).reshape(count, lanes).sum(1)
    np.testing.assert_allclose(out[5 : 5 + count], before[1][5 : 5 + count] + exact, 0, 16 * np.finfo(dtype).eps)
    out[5 : 5 + count] = before[1][5 : 5 + count]
    assert out.tobytes() == before[1].tobytes()


@EVERY_DTYPE
@pytest.mark.parametrize("number", [0, 4, 8, 11, 14])
def test_lines_are_multiplied_by_the_matrix_at_any_start_and_distance(number, dtype):
    matrix, columns = transform.MATRICES[number].astype(np.float64), tile_columns(dtype)
    m, n = matrix.shape
    source, out = normal(1, 7 + n * (columns + 5), dtype=dtype), normal(2, 3 + m * (columns + 1), dtype=dtype)
    before = out.copy()
    lines_of(number)(source, 7, columns + 5, out, 3, columns + 1)
    taken = source[7:].reshape(n, columns + 5)[:, :columns].astype(np.float64)
    made = out[3:].reshape(m, columns + 1)
    expected, size = matrix @ taken, abs(matrix) @ abs(taken)
    assert (abs(made[:, :columns] - expected) <= 4 * np.finfo(dtype).eps * size).all()
    assert (made[:, columns] == before[3:].reshape(m, columns + 1)[:, columns]).all()
    assert (out[:3] == before[:3]).all()


@EVERY_DTYPE
@pytest.mark.parametrize("number", [0, 1, 5, 10])
@pytest.mark.parametrize(
    ("top", "bottom", "left", "right"),
    [(0, 9, 0, 99), (1, 3, 2, 30), (-7, 2, -50, 1), (2, 9, 99, 120), (5, 5, 0, 9), (-3, 0, 0, 9), (0, 9, 7, 7)],
)
def test_rows_are_multiplied_by_the_matrix_with_zeros_around_what_exists(top, bottom, left, right, number, dtype):
    matrix, lanes = transform.MATRICES[number].astype(np.float64), tile_columns(dtype) // VECTORS
    m, n = matrix.shape
    width, pitch = 3 * lanes, 3 * lanes + 2
    rows = normal(1, n, width, dtype=dtype)
    i, x = np.ogrid[:n, :width]
    is_there = (i >= top) & (i < bottom) & (x >= left) & (x < right)
    source = np.full(7 + n * pitch, np.nan, dtype)
    source[7:].reshape(n, pitch)[:, :width] = np.where(is_there, rows, np.nan)
    out, twin = (np.full(m * pitch, 0.5, dtype) for _ in range(2))
    rows_of(number)(source, 7, pitch, top, bottom, left, right, width - 1, out, pitch)
    multiply_rows_plainly(number, source, 7, pitch, top, bottom, left, right, width - 1, twin, pitch)
    taken = np.where(is_there, rows, 0).astype(np.float64)
    for made in (out.reshape(m, pitch), twin.reshape(m, pitch)):
        error = abs(made[:, :width] - matrix @ taken)
        assert (error <= 4 * np.finfo(dtype).eps * (abs(matrix) @ abs(taken))).all()
        assert (made[:, width:] == 0.5).all()


@EVERY_DTYPE
@pytest.mark.parametrize("t", TILINGS, ids=[f"F({t.m}, {t.r})" for t in TILINGS])
@pytest.mark.parametrize("side", SIDES)
def test_a_transform_from_both_sides_is_its_plain_twin(side, t, dtype):
    matrix, columns = SIDES[side](matrices(t.m, t.r)), tile_columns(dtype)
    m, n = matrix.shape
    tiles = normal(1, n, n, columns, dtype=dtype)
    down, across = n * (columns + 2), columns + 2
    source = np.full(3 + n * down, np.nan, dtype)
    source[3:].reshape(n, n, columns + 2)[:, :, :columns] = tiles
    between = np.full(m * n * columns, np.nan, dtype)
    out = np.full(5 + m * m * (columns + 1), np.nan, dtype)
    getattr(transform, side)(TILINGS.index(t), source, 3, down, across, between, out, 5, columns + 1)
    made = out[5:].reshape(m, m, columns + 1)
    expected = _both_sides(matrix, tiles.astype(np.float64))
    size = _both_sides(abs(matrix), abs(tiles).astype(np.float64))
    assert (abs(made[:, :, :columns] - expected) <= 8 * np.finfo(dtype).eps * size).all()
    assert np.isnan(made[:, :, columns]).all()
    assert np.isnan(out[:5]).all()
