"""The one inner loop: a small tile of a matrix product, held in vector registers.

    out[i, j] += Σ_l a[l, i] · b[offset[l] + j]        i < rows, j < columns

A core multiplies and adds two vectors a cycle, but only if its operands are in registers already: so rows x 2 vectors
of sums stay in registers from the first l to the last, and are added to `out` then (sums of sums, whose rounding grows
more slowly than that of one long sum). Each step loads two vectors of b, broadcasts as many numbers of a as there are
rows to whole vectors and makes 2 · rows fused multiply-adds of them: with ROWS, the most that registers have room for,
more than enough to hide the loads. `a` is packed, so that the numbers of one l lie side by side. Row l of `b` begins
where `offset[l]` says: a packed column block of im2col and an image read in place by direct convolution are then the
same to this loop. A matrix is cut into panels of equal height, one of HEIGHTS, for each of which there is a loop: of 16
rows, two panels of 14 would waste nearly half the work (LeNet-5's second convolution), two of 8 waste none.

Where the vectors lie along b's columns decides what need not be moved. With `multiply_tile` they lie along outputs, and
`a` is the weight. With `multiply_spread_tile` they lie along channels, b is packed, and the numbers of a, which are
broadcast anyway, are taken from wherever they are: an image read in place, whatever the stride.

    out[i, j] += Σ_l a[along[l] + across[i]] · b[l · columns of a tile + j]

Numba's own loops cannot say "keep these in registers", so the loops are given as LLVM's instructions. They read and
write without bounds checks: whole vectors, always. `multiply_tile_plainly` and `multiply_spread_tile_plainly` are what
they compute, in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinycnn.kernels.numba.compile import HOST

VECTOR_BYTES = 64 if HOST.get("avx512f") else 32 if HOST.get("avx2") else 16
VECTORS = 2
ROWS = 14 if VECTOR_BYTES == 64 else 6  # 28 or 12 sums, of 32 or 16 registers
HEIGHTS = range(1, ROWS + 1)
# How far before it is used a number of `a` is asked for, which the processor does not do by itself beyond the end of a
# page or panel. Winograd's factors of 512 x 512 kernels, 38 MB: 134 GFLOP/s a core without, 159, 195, 208 and 208 with
# 512, 1024, 2048 and 4096 bytes; where `a` is in the cache, no difference (AMD EPYC, Zen 5, whose peak is 291).
AHEAD = 2048  # bytes


def cut(rows: int, most: int = ROWS) -> tuple[int, int]:
    """Into how many panels to cut so many rows, and their height, at most so much."""
    panels = -(-rows // most)
    return panels, -(-rows // panels)


def tile_columns(dtype: Any) -> int:
    """Columns of a tile: the numbers in two vectors."""
    return VECTORS * VECTOR_BYTES // np.dtype(dtype).itemsize


@intrinsic
def multiply_tile(context, a, a_start, b, b_start, offset, offset_start, length, out, out_start, pitch, rows, columns):
    """Add one tile of a product to ``out``, all arrays flat; row i of the tile starts at ``out_start + i * pitch``.

    The rows are one of HEIGHTS. Whole vectors of columns are computed: one where it holds so many, else two.
    """
    integers = (a_start, b_start, offset_start, length, out_start, pitch, rows, columns)
    if not all(isinstance(integer, types.Integer) for integer in integers):
        return None
    start = length = types.intp
    return types.void(a, start, b, start, offset, start, length, out, start, length, length, length), _emit


def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The instructions of `multiply_tile`."""
    a, a_start, b, b_start, offset, offset_start, length, out, out_start, pitch, rows, columns = arguments
    a_kind, _, b_kind, _, offset_kind, _, _, out_kind, *_ = signature.args
    size, integer = a_kind.dtype.bitwidth // 8, length.type
    a, b, offset, out = (
        _pointer(context, builder, kind, array, start)
        for kind, array, start in (
            (a_kind, a, a_start),
            (b_kind, b, b_start),
            (offset_kind, offset, offset_start),
            (out_kind, out, out_start),
        )
    )
    byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    prefetch = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte, word, word, word]), "llvm.prefetch.p0i8"
    )

    def ask_for(place: Any) -> None:  # to read, into the nearest cache, data
        builder.call(prefetch, [builder.bitcast(place, byte), word(0), word(3), word(1)])

    def line(step: Any) -> Any:
        return builder.gep(b, [builder.load(builder.gep(offset, [step]))])

    def factors(step: Any, height: int) -> Callable[[int], Any]:
        panel = builder.gep(a, [builder.mul(step, integer(height))])
        ask_for(builder.gep(panel, [integer(AHEAD // size)]))
        return lambda i: builder.gep(panel, [integer(i)])

    _emit_loops(context, builder, a_kind.dtype, line, factors, length, out, pitch, rows, columns, ask_for)
    return context.get_dummy_value()


@intrinsic
def multiply_spread_tile(
    context, a, a_start, across, across_start, along, along_start, b, b_start, length, out, out_start, pitch, rows,
    columns,
):  # fmt: skip
    """Add one tile of a product to ``out``, all arrays flat; ``across`` and ``along`` say where a's numbers are.

    The rows are one of HEIGHTS. Whole vectors of columns are computed: one where it holds so many, else two; b's rows
    have two.
    """
    integer = types.intp
    starts = integer, across, integer, along, integer, b, integer
    return types.void(a, *starts, integer, out, integer, integer, integer, integer), _emit_spread


def _emit_spread(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The instructions of `multiply_spread_tile`."""
    *places, length, out, out_start, pitch, rows, columns = arguments
    kinds, integer = signature.args, length.type
    pairs = zip(kinds[:8:2], places[::2], places[1::2], strict=True)
    a, across, along, b = (_pointer(context, builder, *pair) for pair in pairs)
    width = tile_columns(f"f{kinds[0].dtype.bitwidth // 8}")

    def line(step: Any) -> Any:
        return builder.gep(b, [builder.mul(step, integer(width))])

    def factors(step: Any, height: int) -> Callable[[int], Any]:
        start = builder.gep(a, [builder.load(builder.gep(along, [step]))])

        def factor(i: int) -> Any:
            # As an atomic load, which is an ordinary one to the processor, this stays where it is used. LLVM would
            # load all before the loop, for which there are not registers enough, and keep sums in memory instead:
            # 112 GFLOP/s on two threads instead of 230, of 254 (AMD EPYC, Zen 4).
            place = builder.gep(across, [integer(i)])
            return builder.gep(start, [builder.load_atomic(place, ordering="monotonic", align=8)])

        return factor

    out = _pointer(context, builder, kinds[9], out, out_start)
    _emit_loops(context, builder, kinds[0].dtype, line, factors, length, out, pitch, rows, columns)
    return context.get_dummy_value()


def _pointer(context: Any, builder: Any, kind: Any, array: Any, start: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [start])


def _emit_loops(
    context: Any,
    builder: Any,
    dtype: Any,
    line: Callable[[Any], Any],
    factors: Callable[[Any, int], Callable[[int], Any]],
    length: Any,
    out: Any,
    pitch: Any,
    rows: Any,
    columns: Any,
    ask_for: Callable[[Any], None] | None = None,
) -> None:
    """The instructions: for each height, with one vector and with two, a loop, and a choice among them.

    ``line`` says where row l of b begins, ``factors`` where the numbers of a for it are.
    """
    size = dtype.bitwidth // 8
    lanes, integer = VECTOR_BYTES // size, length.type
    vector = ir.VectorType(context.get_data_type(dtype), lanes)
    nothing, first_lane = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
    letter = f"llvm.fma.v{lanes}f{8 * size}"
    multiply_add = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), letter)

    def vectors_at(base: Any, vectors: int) -> list[Any]:
        places = [builder.gep(base, [integer(v * lanes)]) for v in range(vectors)]
        return [builder.bitcast(place, vector.as_pointer()) for place in places]

    def load(places: list[Any]) -> list[Any]:
        return [builder.load(place, align=size) for place in places]

    def broadcast(place: Any) -> Any:
        return builder.shuffle_vector(
            builder.insert_element(nothing, builder.load(place), ir.IntType(32)(0)), nothing, first_lane
        )

    def emit_loop(height: int, vectors: int) -> None:
        """Multiply and add for each l, then add the sums to ``out``."""
        before, loop, done = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("done")
        if ask_for:
            for i in range(height):
                for place in vectors_at(builder.gep(out, [builder.mul(pitch, integer(i))]), vectors):
                    ask_for(place)
        builder.branch(loop)
        builder.position_at_end(loop)
        step = builder.phi(integer)
        step.add_incoming(integer(0), before)
        sums = [[builder.phi(vector) for _ in range(vectors)] for _ in range(height)]
        numbers = load(vectors_at(line(step), vectors))
        factor, added = factors(step, height), []
        for i in range(height):
            spread = broadcast(factor(i))
            added.append([builder.call(multiply_add, [spread, numbers[v], sums[i][v]]) for v in range(vectors)])
            for v in range(vectors):
                sums[i][v].add_incoming(ir.Constant(vector, None), before)
                sums[i][v].add_incoming(added[i][v], loop)
        following = builder.add(step, integer(1))
        step.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, length), loop, done)
        builder.position_at_end(done)
        for i, totals in enumerate(added):
            row = vectors_at(builder.gep(out, [builder.mul(pitch, integer(i))]), vectors)
            for place, already, total in zip(row, load(row), totals, strict=True):
                builder.store(builder.fadd(already, total), place, align=size)

    after = builder.append_basic_block("after")
    narrow = builder.icmp_signed("<=", columns, integer(lanes))
    choice = builder.switch(builder.select(narrow, rows, builder.add(rows, integer(ROWS))), after)
    for height, vectors in product(HEIGHTS, (1, VECTORS)):
        block = builder.append_basic_block(f"height{height}")
        choice.add_case(integer(height if vectors == 1 else height + ROWS), block)
        builder.position_at_end(block)
        emit_loop(height, vectors)
        builder.branch(after)
    builder.position_at_end(after)


def multiply_tile_plainly(
    a: Any,
    a_start: int,
    b: Any,
    b_start: int,
    offset: Any,
    offset_start: int,
    length: int,
    out: Any,
    out_start: int,
    pitch: int,
    rows: int,
    columns: int,
) -> None:
    """What `multiply_tile` computes."""
    lanes = tile_columns(out.dtype) // VECTORS
    columns = lanes if columns <= lanes else VECTORS * lanes
    for step in range(length):
        row = b_start + offset[offset_start + step]
        for i in range(rows):
            start = out_start + i * pitch
            out[start : start + columns] += a[a_start + step * rows + i] * b[row : row + columns]


def multiply_spread_tile_plainly(
    a: Any,
    a_start: int,
    across: Any,
    across_start: int,
    along: Any,
    along_start: int,
    b: Any,
    b_start: int,
    length: int,
    out: Any,
    out_start: int,
    pitch: int,
    rows: int,
    columns: int,
) -> None:
    """What `multiply_spread_tile` computes."""
    width = tile_columns(out.dtype)
    columns = width // VECTORS if columns <= width // VECTORS else width
    for step in range(length):
        line, place = b_start + step * width, a_start + int(along[along_start + step])
        for i in range(rows):
            start = out_start + i * pitch
            out[start : start + columns] += a[place + int(across[across_start + i])] * b[line : line + columns]
