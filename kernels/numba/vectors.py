"""Moving numbers whole vectors at a time, where Numba's loops would take them one by one.

Rows of images and of tiles are short: a loop that LLVM has made for thousands of numbers spends itself on the first few
and the last. So these say in LLVM's own instructions what is loaded, shuffled and stored. Where a row is no whole
number of vectors, the last vector ends where the row does, over numbers that have been moved already; no number beside
the row is touched. `turn` may write more, as its docstring says.

What they do is said plainly by their twins, `copy_row_plainly` and so on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from tinycnn.kernels.numba.compile import inlined
from tinycnn.kernels.numba.tile import VECTOR_BYTES


@inlined
def lanes_of(array: Any) -> int:
    """How many of this array's numbers a vector has."""
    return VECTOR_BYTES // array.itemsize


def pointer(context: Any, builder: Any, kind: Any, array: Any, start: Any) -> Any:
    """Where number ``start`` of a flat array is."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [start])


@intrinsic
def copy_row(context, source, start, out, out_start, count, least):
    """Copy so many numbers, or ``least`` in place of one that is not above it; NaN stays.

    Whole vectors, and a last one that ends where the row does, over numbers already copied; of a row that is shorter
    than a vector, half vectors, and so on.
    """
    signature = types.void(source, types.intp, out, types.intp, types.intp, out.dtype)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, start, out, out_start, count, least = arguments
        size = signature.args[0].dtype.bitwidth // 8
        number, integer = context.get_data_type(signature.args[0].dtype), count.type
        source = pointer(context, builder, signature.args[0], source, start)
        out = pointer(context, builder, signature.args[2], out, out_start)

        def copy(index: Any, lanes: int) -> None:
            vector = ir.VectorType(number, lanes)
            floor = builder.insert_element(ir.Constant(vector, ir.Undefined), least, ir.IntType(32)(0))
            floor = builder.shuffle_vector(floor, floor, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None))
            here, there = (builder.bitcast(builder.gep(p, [index]), vector.as_pointer()) for p in (source, out))
            value = builder.load(here, align=size)
            value = builder.select(builder.fcmp_ordered("<=", value, floor), floor, value)
            builder.store(value, there, align=size)

        after = builder.append_basic_block("after")
        lanes = VECTOR_BYTES // size
        while lanes:
            fits, shorter = builder.append_basic_block(f"by{lanes}"), builder.append_basic_block("shorter")
            builder.cbranch(builder.icmp_signed(">=", count, integer(lanes)), fits, shorter)
            builder.position_at_end(fits)
            last = builder.sub(count, integer(lanes))
            with cgutils.for_range_slice(builder, integer(0), last, integer(lanes)) as (index, _):
                copy(index, lanes)
            copy(last, lanes)
            builder.branch(after)
            builder.position_at_end(shorter)
            lanes //= 2
        builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def add_row(context, source, start, out, out_start, count):
    """Add so many numbers to others: whole vectors, then a half, a quarter, … where the count has one."""
    signature = types.void(source, types.intp, out, types.intp, types.intp)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, start, out, out_start, count = arguments
        size = signature.args[0].dtype.bitwidth // 8
        number, integer = context.get_data_type(signature.args[0].dtype), count.type
        source = pointer(context, builder, signature.args[0], source, start)
        out = pointer(context, builder, signature.args[2], out, out_start)

        def add(index: Any, lanes: int) -> None:
            vector = ir.VectorType(number, lanes)
            here, there = (builder.bitcast(builder.gep(p, [index]), vector.as_pointer()) for p in (source, out))
            total = builder.fadd(builder.load(there, align=size), builder.load(here, align=size))
            builder.store(total, there, align=size)

        lanes = VECTOR_BYTES // size
        done = builder.and_(count, integer(-lanes))
        with cgutils.for_range_slice(builder, integer(0), done, integer(lanes)) as (index, _):
            add(index, lanes)
        while lanes > 1:
            lanes //= 2
            part = builder.and_(count, integer(lanes))
            with builder.if_then(builder.icmp_signed("!=", part, integer(0))):
                add(builder.and_(count, integer(-2 * lanes)), lanes)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def copy_vector(context, source, start, out, out_start):
    """Copy as many numbers as a vector has."""
    signature = types.void(source, types.intp, out, types.intp)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, start, out, out_start = arguments
        size = signature.args[0].dtype.bitwidth // 8
        vector = ir.VectorType(context.get_data_type(signature.args[0].dtype), VECTOR_BYTES // size)
        source = pointer(context, builder, signature.args[0], source, start)
        out = pointer(context, builder, signature.args[2], out, out_start)
        here, there = (builder.bitcast(place, vector.as_pointer()) for place in (source, out))
        builder.store(builder.load(here, align=size), there, align=size)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def turn(context, source, start, begins, first, out, out_start, pitch, count):
    """Put as many rows as a vector has lanes side by side: out[x·pitch + l] = source[start + begins[first + l] + x].

    (out counted from ``out_start``.) x counts to ``count``, which is a vector's lanes at least. Where ``pitch`` is less
    than the lanes, what lies beyond it is overwritten by the next x; of the last x it stays.
    """
    integers = types.intp, types.intp, types.intp
    signature = types.void(source, types.intp, begins, types.intp, out, *integers)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, start, begins, first, out, out_start, pitch, count = arguments
        kinds, integer = signature.args, count.type
        size = kinds[0].dtype.bitwidth // 8
        lanes = VECTOR_BYTES // size
        vector = ir.VectorType(context.get_data_type(kinds[0].dtype), lanes)
        source, begins, out = (
            context.make_array(kind)(context, builder, array).data
            for kind, array in ((kinds[0], source), (kinds[2], begins), (kinds[4], out))
        )
        begins = [builder.load(builder.gep(begins, [builder.add(first, integer(i))])) for i in range(lanes)]
        starts = [builder.add(start, begin) for begin in begins]

        def vector_at(base: Any, index: Any) -> Any:
            return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())

        def move(x: Any) -> None:
            rows = [builder.load(vector_at(source, builder.add(start, x)), align=size) for start in starts]
            for i, row in enumerate(_transposed(builder, rows, 16 // size)):
                goal = builder.add(out_start, builder.mul(builder.add(x, integer(i)), pitch))
                builder.store(row, vector_at(out, goal), align=size)

        last = builder.sub(count, integer(lanes))
        with cgutils.for_range_slice(builder, integer(0), last, integer(lanes)) as (x, _):
            move(x)
        move(last)
        return context.get_dummy_value()

    return signature, emit


@inlined
def turn_rows(
    source: Any, start: int, begins: Any, first: int, rows: int, out: Any, out_start: int, pitch: int, count: int
) -> None:
    """Put so many rows side by side: out[out_start + x·pitch + l] = source[start + begins[first + l] + x].

    The last rows go first: what lies beyond them is overwritten by the others, but of the last x it stays.
    """
    lanes = lanes_of(source)
    for row in range((rows - 1) // lanes * lanes, -1, -lanes):
        turn(source, start, begins, first + row, out, out_start + row, pitch, count)


@intrinsic(prefer_literal=True)
def deal(context, step, size, source, start, out, out_start, pitch):
    """Deal numbers to as many lanes as a vector has: out[out_start + j·pitch + lane] = source[start + lane·step + j].

    j counts to ``size``; it and the step are constants, the step a power of two. The source is read by whole vectors:
    ``lanes · step`` numbers, and for each j from the step on one vector that begins with the last lane's number.
    """
    if not all(isinstance(constant, types.IntegerLiteral) for constant in (step, size)):
        return None
    signature = types.void(step, size, source, types.intp, out, types.intp, types.intp)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, source, start, out, out_start, pitch = arguments
        kinds, integer, apart = signature.args, pitch.type, signature.args[0].literal_value
        number_size = kinds[2].dtype.bitwidth // 8
        vector = ir.VectorType(context.get_data_type(kinds[2].dtype), VECTOR_BYTES // number_size)
        source, out = (
            context.make_array(kind)(context, builder, array).data
            for kind, array in ((kinds[2], source), (kinds[4], out))
        )

        def vector_at(base: Any, index: Any) -> Any:
            return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())

        def load(place: int) -> Any:
            return builder.load(vector_at(source, builder.add(start, integer(place))), align=number_size)

        dealt = _dealt(builder, [load(v * vector.count) for v in range(apart)])
        shift = _mask([lane + 1 for lane in range(vector.count)])
        for j in range(signature.args[1].literal_value):
            if j >= apart:  # what the next lane has `step` before, and the first number beyond the last lane's
                dealt.append(builder.shuffle_vector(dealt[j - apart], load(apart * (vector.count - 1) + j), shift))
            goal = builder.add(out_start, builder.mul(pitch, integer(j)))
            builder.store(dealt[j], vector_at(out, goal), align=number_size)
        return context.get_dummy_value()

    return signature, emit


@intrinsic(prefer_literal=True)
def weave(context, step, given, source, start, pitch, out, out_start, more):
    """The opposite of `deal`: out[out_start + lane·step + j] = source[start + j·pitch + lane] + more, j < ``step``.

    Only ``given`` of these are taken from the source; the others are ``more`` alone.
    """
    if not all(isinstance(constant, types.IntegerLiteral) for constant in (step, given)):
        return None
    signature = types.void(step, given, source, types.intp, types.intp, out, types.intp, source.dtype)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, source, start, pitch, out, out_start, more = arguments
        kinds, integer = signature.args, pitch.type
        size = kinds[2].dtype.bitwidth // 8
        vector = ir.VectorType(context.get_data_type(kinds[2].dtype), VECTOR_BYTES // size)
        first_lane = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
        more = builder.insert_element(ir.Constant(vector, ir.Undefined), more, ir.IntType(32)(0))
        more = builder.shuffle_vector(more, more, first_lane)
        source, out = (
            context.make_array(kind)(context, builder, array).data
            for kind, array in ((kinds[2], source), (kinds[5], out))
        )

        def vector_at(base: Any, index: Any) -> Any:
            return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())

        rows = [more] * signature.args[0].literal_value
        for j in range(signature.args[1].literal_value):
            place = vector_at(source, builder.add(start, builder.mul(pitch, integer(j))))
            rows[j] = builder.fadd(builder.load(place, align=size), more)
        for v, woven in enumerate(_interleaved(builder, rows)):
            goal = builder.add(out_start, integer(v * vector.count))
            builder.store(woven, vector_at(out, goal), align=size)
        return context.get_dummy_value()

    return signature, emit


def _mask(indices: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), indices)


def _dealt(builder: Any, vectors: list[Any]) -> list[Any]:
    """Of n vectors side by side every n-th number, from the first on, from the second on, and so on: n vectors."""
    if len(vectors) == 1:
        return vectors
    lanes = vectors[0].type.count
    pairs = list(zip(vectors[::2], vectors[1::2], strict=True))
    masks = [_mask([first + 2 * lane for lane in range(lanes)]) for first in (0, 1)]
    even, odd = (_dealt(builder, [builder.shuffle_vector(a, b, mask) for a, b in pairs]) for mask in masks)
    return [vector for pair in zip(even, odd, strict=True) for vector in pair]


def _interleaved(builder: Any, rows: list[Any]) -> list[Any]:
    """The numbers of n vectors in turn: n vectors."""
    if len(rows) == 1:
        return rows
    lanes = rows[0].type.count
    even, odd = _interleaved(builder, rows[::2]), _interleaved(builder, rows[1::2])
    low, high = (_mask([start + i // 2 + i % 2 * lanes for i in range(lanes)]) for start in (0, lanes // 2))
    return [builder.shuffle_vector(a, b, half) for a, b in zip(even, odd, strict=True) for half in (low, high)]


def _transposed(builder: Any, rows: list[Any], inner: int) -> list[Any]:
    """A square of vectors, transposed, by shuffles that a processor makes in one cycle.

    First within the 16 bytes that hold so many numbers: each round interleaves the first half of as many rows with the
    second. Then pieces of 16 bytes are transposed, each round those of even place and those of odd.
    """
    lanes = len(rows)
    low, high = (
        _mask([start + i // 2 + i % 2 * lanes for start in range(0, lanes, inner) for i in range(half, half + inner)])
        for half in (0, inner)
    )
    groups = [rows[start : start + inner] for start in range(0, lanes, inner)]
    for _ in range(inner.bit_length() - 1):
        for g, group in enumerate(groups):
            pairs = list(zip(group[: inner // 2], group[inner // 2 :], strict=True))
            groups[g] = [builder.shuffle_vector(a, b, half) for a, b in pairs for half in (low, high)]
    even, odd = (
        _mask([start + i for start in range(first, 2 * lanes, 2 * inner) for i in range(inner)]) for first in (0, inner)
    )

    def exchange(pieces: list[Any]) -> list[Any]:
        if len(pieces) == 1:
            return pieces
        pairs = list(zip(pieces[::2], pieces[1::2], strict=True))
        halves = (exchange([builder.shuffle_vector(a, b, mask) for a, b in pairs]) for mask in (even, odd))
        return [vector for pair in zip(*halves, strict=True) for vector in pair]

    exchanged = [exchange(list(same)) for same in zip(*groups, strict=True)]
    return [vector for column in zip(*exchanged, strict=True) for vector in column]


def copy_row_plainly(source: Any, start: int, out: Any, out_start: int, count: int, least: float) -> None:
    """What `copy_row` does."""
    row = source[start : start + count]
    out[out_start : out_start + count] = np.where(row <= least, out.dtype.type(least), row)


def add_row_plainly(source: Any, start: int, out: Any, out_start: int, count: int) -> None:
    """What `add_row` does."""
    out[out_start : out_start + count] += source[start : start + count]


def copy_vector_plainly(source: Any, start: int, out: Any, out_start: int) -> None:
    """What `copy_vector` does."""
    lanes = lanes_of(out)
    out[out_start : out_start + lanes] = source[start : start + lanes]


def turn_plainly(
    source: Any, start: int, begins: Any, first: int, out: Any, out_start: int, pitch: int, count: int
) -> None:
    """What `turn` does."""
    lanes = lanes_of(out)
    for x in range(count):
        goal = out_start + x * pitch
        out[goal : goal + lanes] = [source[start + int(begins[first + i]) + x] for i in range(lanes)]


def deal_plainly(step: int, size: int, source: Any, start: int, out: Any, out_start: int, pitch: int) -> None:
    """What `deal` does."""
    lanes = lanes_of(out)
    for j in range(size):
        goal = out_start + j * pitch
        out[goal : goal + lanes] = source[start + j : start + j + lanes * step : step][:lanes]


def weave_plainly(
    step: int, given: int, source: Any, start: int, pitch: int, out: Any, out_start: int, more: float
) -> None:
    """What `weave` does."""
    lanes = lanes_of(out)
    for j in range(step):
        row = source[start + j * pitch : start + j * pitch + lanes] if j < given else np.zeros(lanes, out.dtype)
        out[out_start + j : out_start + lanes * step : step] = row + more
