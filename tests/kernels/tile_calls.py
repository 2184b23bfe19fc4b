"""The instructions of a tile and of a transform, as functions that Python can call."""

from numba import njit

from tinycnn.kernels.numba.caches import prefetch, stream_row
from tinycnn.kernels.numba.lane_tile import add_lanes, multiply_lanes
from tinycnn.kernels.numba.tile import multiply_spread_tile, multiply_tile
from tinycnn.kernels.numba.transform import multiply_lines, multiply_rows
from tinycnn.kernels.numba.vectors import add_row, copy_row, copy_vector, deal, turn, weave


@njit
def run_tile(a, a_start, b, b_start, offset, offset_start, length, out, out_start, pitch, rows, columns):
    multiply_tile(a, a_start, b, b_start, offset, offset_start, length, out, out_start, pitch, rows, columns)


@njit
def run_spread_tile(a, a_start, across, along, starts, b, b_start, length, out, out_start, pitch, rows, columns):
    multiply_spread_tile(
        a, a_start, across, starts[0], along, starts[1], b, b_start, length, out, out_start, pitch, rows, columns
    )


@njit
def run_lanes(a, a_start, pitch, b, begin, begin_start, place, length, out, out_start, rows):
    multiply_lanes(a, a_start, pitch, b, begin, begin_start, place, length, out, out_start, rows)


@njit
def run_add_lanes(sums, start, out, out_start, count):
    add_lanes(sums, start, out, out_start, count)


@njit
def run_copy(source, start, out, out_start):
    copy_vector(source, start, out, out_start)


@njit
def run_copy_row(source, start, out, out_start, count, least):
    copy_row(source, start, out, out_start, count, least)


@njit
def run_add_row(source, start, out, out_start, count):
    add_row(source, start, out, out_start, count)


@njit
def run_stream_row(source, start, out, out_start, count):
    stream_row(source, start, out, out_start, count)


@njit
def run_prefetch(array, start, count):
    prefetch(array, start, count, False)
    prefetch(array, start, count, True)


@njit
def run_turn(source, start, begins, first, out, out_start, pitch, count):
    turn(source, start, begins, first, out, out_start, pitch, count)


def lines_of(matrix: int):
    """`multiply_lines` of one matrix, whose number is written into the code."""

    @njit
    def run_lines(source, start, step, out, out_start, out_step):
        multiply_lines(matrix, source, start, step, out, out_start, out_step)

    return run_lines


def rows_of(matrix: int):
    """`multiply_rows` of one matrix."""

    @njit
    def run_rows(source, start, pitch, top, bottom, left, right, columns, out, out_pitch):
        multiply_rows(matrix, source, start, pitch, top, bottom, left, right, columns, out, out_pitch)

    return run_rows


def deal_of(step: int, size: int):
    """`deal` with its constants."""

    @njit
    def run_deal(source, start, out, out_start, pitch):
        deal(step, size, source, start, out, out_start, pitch)

    return run_deal


def weave_of(step: int, given: int):
    """`weave` with its constants."""

    @njit
    def run_weave(source, start, pitch, out, out_start, more):
        weave(step, given, source, start, pitch, out, out_start, more)

    return run_weave
