"""The instructions of pooling, as functions that Python can call."""

from numba import njit

from tinycnn.kernels.numba.pool_rows import give_row, max_row, mean_row, spread_row


@njit
def run_max_row_of_2(x, start, pitch, y, winner, goal, count):
    max_row(2, x, start, pitch, y, winner, goal, count)


@njit
def run_max_row_of_3(x, start, pitch, y, winner, goal, count):
    max_row(3, x, start, pitch, y, winner, goal, count)


@njit
def run_give_row(grad, winner, start, dx, goal, pitch, count):
    give_row(grad, winner, start, dx, goal, pitch, count)


@njit
def run_mean_row(x, start, pitch, y, goal, count):
    mean_row(x, start, pitch, y, goal, count)


@njit
def run_spread_row(grad, start, dx, goal, pitch, count):
    spread_row(grad, start, dx, goal, pitch, count)


MAX_ROW = {2: run_max_row_of_2, 3: run_max_row_of_3}
