"""The inner loop where the lanes of a vector are summed over: a small tile of scalar products, held in registers.

    out[i, j, lane] += Σ_s a[i · pitch + s · lanes + lane] · b[begin[j] + place[s] + lane]

With images as lanes (see `image_lane_loops`), the gradient of a weight is such a sum: s runs over the outputs of a
block of images, row i of `a` is a channel of dy, and column j is what the weight's tap meets. Each sum is a vector, one
partial sum a lane: nothing is broadcast, and each step makes rows · columns fused multiply-adds of rows + columns
loads. As in `tile`, all sums stay in registers, and one register each is left for the numbers of one side, and one for
a number of the other: so many columns does `columns_beside` find room for. When all is summed, `add_lanes` adds up the
lanes of each sum.

`multiply_lanes_plainly` and `add_lanes_plainly` are what they compute, in Python.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinycnn.kernels.numba.tile import VECTOR_BYTES
from tinycnn.kernels.numba.vectors import lanes_of, pointer

REGISTERS = 32 if VECTOR_BYTES == 64 else 16
LANE_ROWS = 6 if VECTOR_BYTES == 64 else 3
LANE_HEIGHTS = range(1, LANE_ROWS + 1)


def columns_beside(rows: int) -> int:
    """How many columns a tile of so many rows has: as many as registers have room for."""
    return (REGISTERS - 1 - rows) // rows


def cut_lanes(rows: int, columns: int) -> tuple[int, int]:
    """Into how many panels to cut so many rows, and their height: that which makes the fewest products."""

    def products(height: int) -> int:
        return -(-rows // height) * -(-columns // columns_beside(height)) * height * columns_beside(height)

    height = min(LANE_HEIGHTS, key=lambda height: (products(height), -height))
    return -(-rows // height), height


@intrinsic
def multiply_lanes(context, a, a_start, pitch, b, begin, begin_start, place, length, out, out_start, rows):
    """Add one tile of sums to the vectors of ``out``, all arrays flat; row i has those from i · columns on.

    Row i of ``a`` starts at ``a_start + i · pitch``. The rows are one of LANE_HEIGHTS, with `columns_beside` them.
    """
    integer = types.intp
    return types.void(a, integer, integer, b, begin, integer, place, integer, out, integer, integer), _emit


def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The instructions: a loop for each height, and a choice among them."""
    a, a_start, pitch, b, begin, begin_start, place, length, out, out_start, rows = arguments
    a_kind, _, _, b_kind, begin_kind, _, place_kind, _, out_kind, *_ = signature.args
    size = a_kind.dtype.bitwidth // 8
    lanes, integer, number = VECTOR_BYTES // size, length.type, context.get_data_type(a_kind.dtype)
    vector = ir.VectorType(number, lanes)

    def declare(name: str, result: Any, parameters: list[Any]) -> Any:
        return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, parameters), name)

    multiply_add = declare(f"llvm.fma.v{lanes}f{8 * size}", vector, [vector] * 3)

    def load(base: Any, index: Any) -> Any:
        return builder.load(builder.bitcast(builder.gep(base, [index]), vector.as_pointer()), align=size)

    def emit_loop(height: int) -> None:
        """Multiply and add for each step, then add the sums to ``out``."""
        columns = columns_beside(height)
        lines = [builder.gep(b, [builder.load(builder.gep(begin, [integer(j)]))]) for j in range(columns)]
        channels = [builder.gep(a, [builder.mul(pitch, integer(i))]) for i in range(height)]
        before, loop, done = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        step = builder.phi(integer)
        step.add_incoming(integer(0), before)
        sums = [[builder.phi(vector) for _ in range(columns)] for _ in range(height)]
        factors = [load(channel, builder.mul(step, integer(lanes))) for channel in channels]
        here = builder.load(builder.gep(place, [step]))
        added: list[list[Any]] = [[] for _ in range(height)]
        for j, line in enumerate(lines):
            cell = load(line, here)
            for i in range(height):
                added[i].append(builder.call(multiply_add, [factors[i], cell, sums[i][j]]))
                sums[i][j].add_incoming(ir.Constant(vector, None), before)
                sums[i][j].add_incoming(added[i][j], loop)
        following = builder.add(step, integer(1))
        step.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, length), loop, done)
        builder.position_at_end(done)
        for index, value in enumerate(value for row in added for value in row):
            goal = builder.bitcast(builder.gep(out, [integer(index * lanes)]), vector.as_pointer())
            builder.store(builder.fadd(builder.load(goal, align=size), value), goal, align=size)

    a, b, begin, place, out = (
        pointer(context, builder, kind, array, first)
        for kind, array, first in (
            (a_kind, a, a_start),
            (b_kind, b, integer(0)),
            (begin_kind, begin, begin_start),
            (place_kind, place, integer(0)),
            (out_kind, out, out_start),
        )
    )
    after = builder.append_basic_block("after")
    choice = builder.switch(rows, after)
    for height in LANE_HEIGHTS:
        block = builder.append_basic_block(f"height{height}")
        choice.add_case(integer(height), block)
        builder.position_at_end(block)
        emit_loop(height)
        builder.branch(after)
    builder.position_at_end(after)
    return context.get_dummy_value()


def multiply_lanes_plainly(
    a: Any, a_start: int, pitch: int, b: Any, begin: Any, begin_start: int, place: Any, length: int, out: Any,
    out_start: int, rows: int,
) -> None:  # fmt: skip
    """What `multiply_lanes` computes."""
    lanes, columns = lanes_of(out), columns_beside(rows)
    for step in range(length):
        for i in range(rows):
            factors = a[a_start + i * pitch + step * lanes :][:lanes]
            for j in range(columns):
                start = int(begin[begin_start + j]) + int(place[step])
                at = out_start + (i * columns + j) * lanes
                out[at : at + lanes] += factors * b[start : start + lanes]


@intrinsic
def add_lanes(context, sums, start, out, out_start, count):
    """Add the total of each of so many vectors, whose lanes are added up by halves, to a number of ``out``."""
    signature = types.void(sums, types.intp, out, types.intp, types.intp)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, start, out, out_start, count = arguments
        size = signature.args[0].dtype.bitwidth // 8
        lanes, integer = VECTOR_BYTES // size, count.type
        sums = pointer(context, builder, signature.args[0], sums, start)
        out = pointer(context, builder, signature.args[2], out, out_start)
        vector = ir.VectorType(context.get_data_type(signature.args[0].dtype), lanes)
        with cgutils.for_range(builder, count) as loop:
            here = builder.gep(sums, [builder.mul(loop.index, integer(lanes))])
            value, left = builder.load(builder.bitcast(here, vector.as_pointer()), align=size), lanes
            while left > 1:
                left //= 2
                low, high = (
                    ir.Constant(ir.VectorType(ir.IntType(32), left), list(range(first, first + left)))
                    for first in (0, left)
                )
                halves = (builder.shuffle_vector(value, value, half) for half in (low, high))
                value = builder.fadd(*halves)
            goal = builder.gep(out, [loop.index])
            total = builder.extract_element(value, ir.IntType(32)(0))
            builder.store(builder.fadd(builder.load(goal), total), goal)
        return context.get_dummy_value()

    return signature, emit


def add_lanes_plainly(sums: Any, start: int, out: Any, out_start: int, count: int) -> None:
    """What `add_lanes` computes."""
    lanes = lanes_of(out)
    for index in range(count):
        value = sums[start + index * lanes :][:lanes]
        while len(value) > 1:
            value = value[: len(value) // 2] + value[len(value) // 2 :]
        out[out_start + index] += value[0]
