"""The compiled convolutions as plain Python: the same loops, run by the interpreter, so that a line can be replaced."""

import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tinycnn.kernels.numba import (
    caches,
    channel_lanes,
    correlation,
    lane_pooling,
    pool_rows,
    threads,
    transform,
    vectors,
)
from tinycnn.kernels.numba.lane_tile import add_lanes, add_lanes_plainly, multiply_lanes, multiply_lanes_plainly
from tinycnn.kernels.numba.tile import (
    multiply_spread_tile,
    multiply_spread_tile_plainly,
    multiply_tile,
    multiply_tile_plainly,
    tile_columns,
)


def multiply_flat_tile(a, a_start, b, b_start, offset, offset_start, length, out, out_start, pitch, rows, columns):
    """What `multiply_tile` computes, of arrays of any shape."""
    a, b, out = (array.reshape(-1) for array in (a, b, out))
    multiply_tile_plainly(a, a_start, b, b_start, offset, offset_start, length, out, out_start, pitch, rows, columns)


def multiply_flat_spread_tile(
    a, a_start, across, across_start, along, along_start, b, b_start, length, out, out_start, pitch, rows, columns
):
    """What `multiply_spread_tile` computes, of arrays of any shape."""
    a, b, out = (array.reshape(-1) for array in (a, b, out))
    multiply_spread_tile_plainly(
        a, a_start, across, across_start, along, along_start, b, b_start, length, out, out_start, pitch, rows, columns
    )


def multiply_flat_lanes(a, a_start, pitch, b, begin, begin_start, place, length, out, out_start, rows):
    """What `multiply_lanes` computes, of arrays of any shape."""
    a, b, out = (array.reshape(-1) for array in (a, b, out))
    multiply_lanes_plainly(a, a_start, pitch, b, begin, begin_start, place, length, out, out_start, rows)


def multiply_lines_plainly(matrix, source, start, step, out, out_start, out_step):
    """What `multiply_lines` computes."""
    values = transform.MATRICES[matrix].astype(source.dtype)
    columns = tile_columns(source.dtype)
    lines = [source[start + j * step : start + j * step + columns].copy() for j in range(values.shape[1])]
    for i, row in enumerate(values):
        total = sum(value * line for value, line in zip(row, lines, strict=True))
        out[out_start + i * out_step : out_start + i * out_step + columns] = total


def multiply_rows_plainly(matrix, source, start, pitch, top, bottom, left, right, columns, out, out_pitch):
    """What `multiply_rows` computes."""
    values = transform.MATRICES[matrix].astype(source.dtype)
    lanes = vectors.lanes_of(source)
    rows = np.zeros((values.shape[1], -(-columns // lanes) * lanes), source.dtype)
    for j in range(max(0, top), min(len(rows), bottom)):
        for x in range(max(0, left), min(rows.shape[1], right)):
            rows[j, x] = source[start + j * pitch + x]
    for i, row in enumerate(values @ rows):
        out[i * out_pitch : i * out_pitch + len(row)] = row


INTRINSICS = {
    add_lanes: add_lanes_plainly,
    multiply_lanes: multiply_flat_lanes,
    multiply_spread_tile: multiply_flat_spread_tile,
    multiply_tile: multiply_flat_tile,
    pool_rows.mean_row: pool_rows.mean_row_plainly,
    transform.multiply_lines: multiply_lines_plainly,
    transform.multiply_rows: multiply_rows_plainly,
    caches.prefetch: caches.prefetch_plainly,
    caches.stream_row: caches.stream_row_plainly,
    vectors.add_row: vectors.add_row_plainly,
    vectors.copy_vector: vectors.copy_vector_plainly,
    vectors.copy_row: vectors.copy_row_plainly,
    vectors.deal: vectors.deal_plainly,
    vectors.turn: vectors.turn_plainly,
    vectors.weave: vectors.weave_plainly,
}


def with_attributes(loop: Callable[..., None]) -> Callable[..., None]:
    """The loop, given each record as Numba gives it: with its fields as attributes, one called T among them."""

    def run(*arguments: Any) -> None:
        loop(*(records(a) if getattr(getattr(a, "dtype", None), "names", None) else a for a in arguments))

    def records(array: Any) -> list[Any]:
        return [namedtuple("Record", array.dtype.names)(*record) for record in array.tolist()]

    return run


def forget_plans() -> None:
    """Let all correlations be planned again: what right code has planned would hide wrong code."""
    plans = correlation.forward_correlation, correlation.backward_correlations, correlation.column_gradient
    for plan in (*plans, channel_lanes.correlation_in_lanes, lane_pooling.tap_offsets):
        plan.cache_clear()


@contextmanager
def interpreted() -> Iterator[None]:
    """Let Python run all loops of the convolutions until the end of the block."""
    plain = {id(intrinsic): twin for intrinsic, twin in INTRINSICS.items()}
    forget_plans()
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith("tinycnn.kernels.numba"):
                for decorator in {"kernel", "parallel_kernel", "inlined"} & vars(module).keys():
                    patch.setattr(module, decorator, lambda function: function)  # a line replaced stays Python too
                for attribute, value in list(vars(module).items()):
                    if hasattr(value, "py_func") and id(value) not in plain:
                        is_parallel = value.targetoptions.get("parallel")
                        plain[id(value)] = with_attributes(value.py_func) if is_parallel else value.py_func
                    if id(value) in plain:
                        patch.setattr(module, attribute, plain[id(value)])
        patch.setattr(threads, "_limit", [3])  # of which each does its share when its turn comes
        patch.setattr(threads, "set_limit", lambda count: None)  # whatever tests before have asked for
        patch.setattr(threads, "GRAIN", 1)
        patch.setattr(threads, "set_num_threads", lambda count: None)
        with np.errstate(all="ignore"):  # numbers beyond a band's are computed with the rest, and read by nobody
            yield
    forget_plans()
