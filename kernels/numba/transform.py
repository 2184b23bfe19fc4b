"""Winograd's transforms of many tiles at once: a tile for each lane of the vectors, the matrix written into the code.

A transform M · tile · Mᵀ is cheap, a few additions for each number, if the zeros and ones of M cost nothing. So M is
known when the code is made: `multiply_lines` emits the instructions of one matrix, and the branch between the matrices
of the tilings is taken once for all tiles of a vector. Number (i, j) of as many tiles as `multiply_tile` has columns
lies side by side.

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
    name = f"llvm.fma.v{lanes}f{8 * size}"
    multiply_add = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)

    def constant(value: float) -> Any:
        return ir.Constant(vector, [float(np.dtype(f"f{size}").type(value))] * lanes)

    def place(array_kind: Any, array: Any, first: Any, apart: Any, line: int, v: int) -> Any:
        data = context.make_array(array_kind)(context, builder, array).data
        index = builder.add(builder.add(first, builder.mul(apart, integer(line))), integer(v * lanes))
        return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

    for v in range(VECTORS):
        lines = [builder.load(place(kind, source, start, step, j, v), align=size) for j in range(matrix.shape[1])]
        for i, row in enumerate(matrix):
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
            builder.store(total, place(out_kind, out, out_start, out_step, i, v), align=size)
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


input_factors = _both_sides("input")
outputs = _both_sides("output")
output_factors = _both_sides("output_gradient")
weight_factors = _both_sides("weight")
weight_gradient = _both_sides("weight_gradient")
