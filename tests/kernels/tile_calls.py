"""The instructions of a tile and of a transform, as functions that Python can call."""

from numba import njit

from tinycnn.kernels.numba.tile import copy_columns, multiply_tile
from tinycnn.kernels.numba.transform import multiply_lines


@njit
def run_tile(a, a_start, b, b_start, offset, offset_start, length, out, out_start, pitch, rows):
    multiply_tile(a, a_start, b, b_start, offset, offset_start, length, out, out_start, pitch, rows)


@njit
def run_copy(source, start, out, out_start):
    copy_columns(source, start, out, out_start)


def lines_of(matrix: int):
    """`multiply_lines` of one matrix, whose number is written into the code."""

    @njit
    def run_lines(source, start, step, out, out_start, out_step):
        multiply_lines(matrix, source, start, step, out, out_start, out_step)

    return run_lines
