"""Pooling of a row of windows by whole vectors, and its gradient: each number is read once, and nothing guessed.

The windows lie two apart and are 2x2, of max pooling also 3x3. Two vectors of a row of the image hold the first and
second cells of as many windows as a vector has lanes: even numbers and odd ones, which a shuffle parts. The third cells
are the first ones of the next window, so the even numbers moved on by one lane, with one more at the end. Then lane by
lane a window's cells come in order, and one that is larger than the best so far, or NaN where that is none, replaces it
and its place.

Where a row is no whole number of vectors, the last vector ends where the row does, over windows done already; a row
that is shorter than a vector is done by half vectors, and so on. No cell outside of the windows is read, none beside
the row written.

What they do is said plainly by their twins, `max_row_plainly` and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from tinycnn.kernels.numba.tile import VECTOR_BYTES


@intrinsic(prefer_literal=True)
def max_row(context, size, x, start, pitch, y, winner, goal, count):
    """The largest cell of each of ``count`` square windows two apart, and which one it is: r · size + s.

    The first window begins at ``x[start]``, and rows of x are ``pitch`` apart; size is the constant 2 or 3. Results go
    to ``y[goal]`` and ``winner[goal]`` on. All arrays are flat.
    """
    if not isinstance(size, types.IntegerLiteral):
        return None
    signature = types.void(size, x, types.intp, types.intp, y, winner, types.intp, types.intp)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, start, pitch, _, _, goal, count = arguments
        x, y, winner = (_Flat(context, builder, signature.args[i], arguments[i]) for i in (1, 4, 5))
        size, integer, place = signature.args[0].literal_value, count.type, ir.IntType(8 * x.size)

        def cells(row: Any, lanes: int) -> list[Any]:
            """The first cell of each window's row, the second, and the third."""
            a, b = (x.load(builder.add(row, integer(i)), lanes) for i in (0, lanes))
            even, odd = _dealt(builder, a, b)
            if size == 2:
                return [even, odd]
            ends = x.load(builder.add(row, integer(lanes + 1)), lanes)  # with the last third cell
            return [even, odd, builder.shuffle_vector(even, ends, _mask([*range(1, lanes), 2 * lanes - 1]))]

        def pool(q: Any, lanes: int) -> None:
            best = cell = None
            for r in range(size):
                row = builder.add(start, builder.add(builder.mul(pitch, integer(r)), builder.mul(q, integer(2))))
                for s, candidate in enumerate(cells(row, lanes)):
                    here = ir.Constant(ir.VectorType(place, lanes), [r * size + s] * lanes)
                    if best is None:
                        best, cell = candidate, here
                        continue
                    larger = builder.fcmp_unordered(">", candidate, best)  # or one of the two is NaN
                    better = builder.and_(larger, builder.fcmp_ordered("ord", best, best))
                    best, cell = builder.select(better, candidate, best), builder.select(better, here, cell)
            y.store(best, builder.add(goal, q))
            cell = builder.trunc(cell, ir.VectorType(ir.IntType(8 * winner.size), lanes))
            winner.store(cell, builder.add(goal, q))

        _whole_row(builder, count, VECTOR_BYTES // x.size, pool)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def give_row(context, grad, winner, start, dx, goal, pitch, count):
    """Each of ``count`` gradients, from ``start`` on, to the cell of its 2x2 window that won, and 0 to the other three.

    The first window begins at ``dx[goal]``, and rows of dx are ``pitch`` apart. All arrays are flat.
    """
    signature = types.void(grad, winner, types.intp, dx, types.intp, types.intp, types.intp)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, start, _, goal, pitch, count = arguments
        grad, winner, dx = (_Flat(context, builder, signature.args[i], arguments[i]) for i in (0, 1, 3))
        integer, place = count.type, ir.IntType(8 * grad.size)

        def give(q: Any, lanes: int) -> None:
            gradient = grad.load(builder.add(start, q), lanes)
            cell = builder.zext(winner.load(builder.add(start, q), lanes), ir.VectorType(place, lanes))
            for r in (0, 1):
                won = (builder.icmp_unsigned("==", cell, cell.type([2 * r + s] * lanes)) for s in (0, 1))
                even, odd = (builder.select(here, gradient, gradient.type(None)) for here in won)
                row = builder.add(goal, builder.add(builder.mul(pitch, integer(r)), builder.mul(q, integer(2))))
                for i, cells in enumerate(_woven(builder, even, odd)):
                    dx.store(cells, builder.add(row, integer(i * lanes)))

        _whole_row(builder, count, VECTOR_BYTES // grad.size, give)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def mean_row(context, x, start, pitch, y, goal, count):
    """The mean of each of ``count`` 2x2 windows two apart: cells are added to those below, then to their neighbours.

    The first window begins at ``x[start]``, and rows of x are ``pitch`` apart; results go to ``y[goal]`` on.
    """
    signature = types.void(x, types.intp, types.intp, y, types.intp, types.intp)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, start, pitch, _, goal, count = arguments
        x, y = (_Flat(context, builder, signature.args[i], arguments[i]) for i in (0, 3))
        integer = count.type

        def mean(q: Any, lanes: int) -> None:
            row = builder.add(start, builder.mul(q, integer(2)))
            places = row, builder.add(row, integer(lanes))
            sums = [builder.fadd(x.load(i, lanes), x.load(builder.add(i, pitch), lanes)) for i in places]
            total = builder.fadd(*_dealt(builder, *sums))
            y.store(builder.fmul(total, total.type([0.25] * lanes)), builder.add(goal, q))

        _whole_row(builder, count, VECTOR_BYTES // x.size, mean)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def spread_row(context, grad, start, dx, goal, pitch, count):
    """A quarter of each of ``count`` gradients, from ``start`` on, to the four cells of its 2x2 window.

    The first window begins at ``dx[goal]``, and rows of dx are ``pitch`` apart.
    """
    signature = types.void(grad, types.intp, dx, types.intp, types.intp, types.intp)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, start, _, goal, pitch, count = arguments
        grad, dx = (_Flat(context, builder, signature.args[i], arguments[i]) for i in (0, 2))
        integer = count.type

        def spread(q: Any, lanes: int) -> None:
            gradient = grad.load(builder.add(start, q), lanes)
            part = builder.fmul(gradient, gradient.type([0.25] * lanes))
            row = builder.add(goal, builder.mul(q, integer(2)))
            for i, cells in enumerate(_woven(builder, part, part)):
                place = builder.add(row, integer(i * lanes))
                dx.store(cells, place)
                dx.store(cells, builder.add(place, pitch))

        _whole_row(builder, count, VECTOR_BYTES // grad.size, spread)
        return context.get_dummy_value()

    return signature, emit


class _Flat:
    """A flat array, to load vectors from and store them to."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any):
        self.builder, self.size = builder, kind.dtype.bitwidth // 8  # bytes of a number
        self.data = context.make_array(kind)(context, builder, array).data

    def load(self, index: Any, lanes: int) -> Any:
        return self.builder.load(self._at(index, lanes), align=self.size)

    def store(self, vector: Any, index: Any) -> None:
        self.builder.store(vector, self._at(index, vector.type.count), align=self.size)

    def _at(self, index: Any, lanes: int) -> Any:
        first = self.builder.gep(self.data, [index])
        return self.builder.bitcast(first, ir.VectorType(self.data.type.pointee, lanes).as_pointer())


def _whole_row(builder: Any, count: Any, lanes: int, emit: Callable[[Any, int], None]) -> None:
    """Emit code for windows 0 to ``count`` by the widest vectors that fit, of which the last one ends at ``count``."""
    integer, after = count.type, builder.append_basic_block("after")
    while lanes:
        fits, shorter = builder.append_basic_block(f"by{lanes}"), builder.append_basic_block("shorter")
        builder.cbranch(builder.icmp_signed(">=", count, integer(lanes)), fits, shorter)
        builder.position_at_end(fits)
        last = builder.sub(count, integer(lanes))
        with cgutils.for_range_slice(builder, integer(0), last, integer(lanes)) as (q, _):
            emit(q, lanes)
        emit(last, lanes)
        builder.branch(after)
        builder.position_at_end(shorter)
        lanes //= 2
    builder.branch(after)
    builder.position_at_end(after)


def _dealt(builder: Any, a: Any, b: Any) -> list[Any]:
    """The even numbers of two vectors side by side, and the odd ones."""
    return [builder.shuffle_vector(a, b, _mask(range(s, 2 * a.type.count, 2))) for s in (0, 1)]


def _woven(builder: Any, even: Any, odd: Any) -> list[Any]:
    """The opposite of `_dealt`: two vectors side by side."""
    lanes = even.type.count
    numbers = [i // 2 + i % 2 * lanes for i in range(2 * lanes)]
    return [builder.shuffle_vector(even, odd, _mask(half)) for half in (numbers[:lanes], numbers[lanes:])]


def _mask(lanes: Iterable[int]) -> Any:
    indices = list(lanes)
    return ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), indices)


def max_row_plainly(size: int, x: Any, start: int, pitch: int, y: Any, winner: Any, goal: int, count: int) -> None:
    """What `max_row` does."""
    for q in range(count):
        cells = [x[start + r * pitch + 2 * q + s] for r in range(size) for s in range(size)]
        winner[goal + q] = cell = int(np.argmax(cells))  # the first one of equals, and NaN before all numbers
        y[goal + q] = cells[cell]


def give_row_plainly(grad: Any, winner: Any, start: int, dx: Any, goal: int, pitch: int, count: int) -> None:
    """What `give_row` does."""
    for q in range(count):
        for r, s in np.ndindex(2, 2):
            won = winner[start + q] == 2 * r + s
            dx[goal + r * pitch + 2 * q + s] = grad[start + q] if won else 0


def mean_row_plainly(x: Any, start: int, pitch: int, y: Any, goal: int, count: int) -> None:
    """What `mean_row` does."""
    for q in range(count):
        columns = [x[start + 2 * q + s] + x[start + pitch + 2 * q + s] for s in (0, 1)]
        y[goal + q] = y.dtype.type(0.25) * (columns[0] + columns[1])


def spread_row_plainly(grad: Any, start: int, dx: Any, goal: int, pitch: int, count: int) -> None:
    """What `spread_row` does."""
    for q in range(count):
        for r, s in np.ndindex(2, 2):
            dx[goal + r * pitch + 2 * q + s] = grad.dtype.type(0.25) * grad[start + q]
