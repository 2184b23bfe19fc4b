"""Winograd's transforms of many tiles at once: a tile for each lane of the vectors, the matrix written into the code.

A transform M · tile · Mᵀ is cheap, a few additions for each number, if the zeros and ones of M cost nothing. So M is
known when the code is made: `multiply_lines` emits the instructions of one matrix, and the branch between the matrices
of the tilings is taken once for all tiles of a vector. Number (i, j) of as many tiles as `multiply_tile` has columns
lies side by side.

The rows of an image are transformed before they are dealt to the lanes, by `multiply_rows`: as they lie, cells of all
tiles of a run are one row, of which neighbours share cells, and what lies over an edge is masked in the load. The
other side, across, follows by `multiply_lines`.

Plain twin: `_both_sides` in `tinycnn.kernels.numpy.conv_winograd`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinycnn.kernels.numba.compile import inlined
from tinycnn.kernels.numba.tile import VECTOR_BYTES, VECTORS
from tinycnn.kernels.numba.vectors import deal
from tinycnn.kernels.numpy.winograd_transform import TILINGS, transform

_SIDES = {
    "input": lambda t: t.BT,
    "output": lambda t: t.AT,
    "output_gradient": lambda t: t.AT.T,
    "weight": lambda t: t.G,
    "weight_gradient": lambda t: t.G.T,
}
MATRICES = [side(transform(*tiling)) for side in _SIDES.values() for tiling in TILINGS]


@intrinsic(prefer_literal=True)
def multiply_lines(context, matrix, source, start, step, out, out_start, out_step):
    """Write out[i] = Σ_j MATRICES[matrix][i, j] · source[j], each a line of a tile's columns, lines ``step`` apart."""
    if not isinstance(matrix, types.IntegerLiteral):
        return None
    values = MATRICES[matrix.literal_value]
    integers = types.intp, types.intp
    signature = types.void(matrix, source, *integers, out, *integers)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emit(context, builder, signature, arguments, values)

    return signature, emit


def _emit(context: Any, builder: Any, signature: Any, arguments: Any, matrix: Any) -> Any:
    _, source, start, step, out, out_start, out_step = arguments
    kind, out_kind = signature.args[1], signature.args[4]
    size = kind.dtype.bitwidth // 8
    lanes, integer = VECTOR_BYTES // size, start.type
    vector = ir.VectorType(context.get_data_type(kind.dtype), lanes)

    def place(array_kind: Any, array: Any, first: Any, apart: Any, line: int, v: int) -> Any:
        data = context.make_array(array_kind)(context, builder, array).data
        index = builder.add(builder.add(first, builder.mul(apart, integer(line))), integer(v * lanes))
        return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

    for v in range(VECTORS):
        lines = [builder.load(place(kind, source, start, step, j, v), align=size) for j in range(matrix.shape[1])]
        for i, total in enumerate(_sums(builder, matrix, lines)):
            builder.store(total, place(out_kind, out, out_start, out_step, i, v), align=size)
    return context.get_dummy_value()


def _sums(builder: Any, matrix: Any, lines: list[Any]) -> list[Any]:
    """The matrix times as many vectors as it has columns."""
    vector = lines[0].type
    bits = {"float": 32, "double": 64}[str(vector.element)]
    name = f"llvm.fma.v{vector.count}f{bits}"
    multiply_add = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)

    def constant(value: float) -> Any:
        return ir.Constant(vector, [float(np.dtype(f"f{bits // 8}").type(value))] * vector.count)

    totals = []
    for row in matrix:
        total = None
        for value, line in zip(row, lines, strict=True):
            if value == 0:
                continue
            if total is None:
                total = line if value == 1 else builder.fmul(constant(value), line)
            elif value == 1:
                total = builder.fadd(total, line)
            elif value == -1:
                total = builder.fsub(total, line)
            else:
                total = builder.call(multiply_add, [constant(value), line, total])
        totals.append(total)
    return totals


@intrinsic(prefer_literal=True)
def multiply_rows(context, matrix, source, start, pitch, top, bottom, left, right, columns, out, out_pitch):
    """Write out[i, x] = Σ_j MATRICES[matrix][i, j] · source[start + j · pitch + x] for so many columns x.

    Where j is not one of the rows from top to bottom − 1, or x of the columns from left to right − 1, there is a zero,
    and nothing is read; ``right`` is beyond ``left``. Whole vectors are written.
    """
    if not isinstance(matrix, types.IntegerLiteral):
        return None
    values = MATRICES[matrix.literal_value]
    signature = types.void(matrix, source, *[types.intp] * 7, out, types.intp)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emit_rows(context, builder, signature, arguments, values)

    return signature, emit


def _emit_rows(context: Any, builder: Any, signature: Any, arguments: Any, matrix: Any) -> Any:
    _, source, start, pitch, top, bottom, left, right, columns, out, out_pitch = arguments
    kind, out_kind = signature.args[1], signature.args[9]
    size = kind.dtype.bitwidth // 8
    lanes, integer, word = VECTOR_BYTES // size, start.type, ir.IntType(32)
    number = context.get_data_type(kind.dtype)
    vector, words, mask = ir.VectorType(number, lanes), ir.VectorType(word, lanes), ir.VectorType(ir.IntType(1), lanes)
    source = context.make_array(kind)(context, builder, source).data
    out = context.make_array(out_kind)(context, builder, out).data
    name = f"llvm.masked.load.v{lanes}f{8 * size}.p0v{lanes}f{8 * size}"
    load = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector.as_pointer(), word, mask, vector]), name
    )

    def in_all_lanes(value: Any) -> Any:
        one = builder.insert_element(ir.Constant(words, ir.Undefined), builder.trunc(value, word), word(0))
        return builder.shuffle_vector(one, one, ir.Constant(words, None))

    def of_row(base: Any, row: int, apart: Any, index: Any) -> Any:
        place = builder.add(builder.mul(apart, integer(row)), index)
        return builder.bitcast(builder.gep(base, [place]), vector.as_pointer())

    source = builder.gep(source, [start])
    inside = [
        builder.and_(builder.icmp_signed("<=", top, integer(j)), builder.icmp_signed("<", integer(j), bottom))
        for j in range(matrix.shape[1])
    ]
    wide = [in_all_lanes(builder.select(i, builder.sub(right, left), integer(0))) for i in inside]
    with cgutils.for_range_slice(builder, integer(0), columns, integer(lanes)) as (index, _):
        # Counted from the left end, columns before it are beyond the right end too, as numbers without a sign.
        first = in_all_lanes(builder.sub(index, left))
        counted = builder.add(first, ir.Constant(words, list(range(lanes))))
        lines = []
        for j in range(matrix.shape[1]):
            there = builder.icmp_unsigned("<", counted, wide[j])
            place = of_row(source, j, pitch, index)
            lines.append(builder.call(load, [place, word(size), there, ir.Constant(vector, None)]))
        for i, total in enumerate(_sums(builder, matrix, lines)):
            builder.store(total, of_row(out, i, out_pitch, index), align=size)
    return context.get_dummy_value()


def _both_sides(side: str) -> Callable[..., None]:
    """M · tile · Mᵀ for the matrix of this side of each tiling: source line (i, j) to out line (i, j)."""
    first = list(_SIDES).index(side) * len(TILINGS)
    zero, one, two = first, first + 1, first + 2
    rows = tuple(MATRICES[first + t].shape[0] for t in range(3))
    columns = tuple(MATRICES[first + t].shape[1] for t in range(3))

    def both_sides(tiling, source, start, down, across, between, out, out_start, out_line):
        width = VECTORS * VECTOR_BYTES // source.itemsize
        m, n = rows[tiling], columns[tiling]
        for j in range(n):
            if tiling == 0:
                multiply_lines(zero, source, start + j * across, down, between, j * width, n * width)
            elif tiling == 1:
                multiply_lines(one, source, start + j * across, down, between, j * width, n * width)
            else:
                multiply_lines(two, source, start + j * across, down, between, j * width, n * width)
        for i in range(m):
            if tiling == 0:
                multiply_lines(zero, between, i * n * width, width, out, out_start + i * m * out_line, out_line)
            elif tiling == 1:
                multiply_lines(one, between, i * n * width, width, out, out_start + i * m * out_line, out_line)
            else:
                multiply_lines(two, between, i * n * width, width, out, out_start + i * m * out_line, out_line)

    # Machine code that several processes have kept is linked by name: of one name, the first would stand for all.
    both_sides.__name__ = both_sides.__qualname__ = f"both_sides_of_{side}"
    return inlined(both_sides)


def _of_rows(side: str) -> tuple[Callable[..., None], ...]:
    """M · tile · Mᵀ of tiles that are neighbours in an image, in three steps.

    The first multiplies by M from the left, whole rows of the image at a time, what tiles share once; the second deals
    the numbers of these rows to lanes; the third multiplies by Mᵀ from the right.
    """
    first = list(_SIDES).index(side) * len(TILINGS)
    zero, one, two = first, first + 1, first + 2
    (step0, step1, step2), (size0, size1, size2) = zip(
        *((t.m, MATRICES[first + i].shape[1]) for i, t in enumerate(TILINGS)), strict=True
    )
    a = tuple(t.a for t in TILINGS)

    def down(tiling, source, start, pitch, top, bottom, left, right, columns, out, out_pitch):
        if tiling == 0:
            multiply_rows(zero, source, start, pitch, top, bottom, left, right, columns, out, out_pitch)
        elif tiling == 1:
            multiply_rows(one, source, start, pitch, top, bottom, left, right, columns, out, out_pitch)
        else:
            multiply_rows(two, source, start, pitch, top, bottom, left, right, columns, out, out_pitch)

    def dealt(tiling, rows, rows_pitch, cells, lane, pitch):
        for i in range(a[tiling]):
            if tiling == 0:
                deal(step0, size0, rows, i * rows_pitch, cells, i * size0 * pitch + lane, pitch)
            elif tiling == 1:
                deal(step1, size1, rows, i * rows_pitch, cells, i * size1 * pitch + lane, pitch)
            else:
                deal(step2, size2, rows, i * rows_pitch, cells, i * size2 * pitch + lane, pitch)

    def across(tiling, cells, pitch, out, out_start, out_line):
        for i in range(a[tiling]):
            goal = out_start + i * a[tiling] * out_line
            if tiling == 0:
                multiply_lines(zero, cells, i * size0 * pitch, pitch, out, goal, out_line)
            elif tiling == 1:
                multiply_lines(one, cells, i * size1 * pitch, pitch, out, goal, out_line)
            else:
                multiply_lines(two, cells, i * size2 * pitch, pitch, out, goal, out_line)

    for step in (down, dealt, across):  # see above
        step.__name__ = step.__qualname__ = f"{step.__name__}_of_{side}"
    return inlined(down), inlined(dealt), inlined(across)


input_down, input_dealt, input_across = _of_rows("input")
gradient_down, gradient_dealt, gradient_across = _of_rows("output_gradient")
outputs = _both_sides("output")
weight_factors = _both_sides("weight")
weight_gradient = _both_sides("weight_gradient")
