"""What shall be in the caches before it is needed, and what shall not come into them.

A processor guesses what will be read next, from what was read before, but not where a row of one channel's image is
followed by the same row of the next channel's, far away. So loops that know ask for it in time. And what is written
once and not read soon need not drive out what is read again.

Neither changes a number: without them all results are the same, and later.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from tinycnn.kernels.numba.tile import VECTOR_BYTES
from tinycnn.kernels.numba.vectors import pointer

CACHE_LINE = 64  # bytes


@intrinsic
def stream_row(context, source, start, out, out_start, count):
    """Copy whole vectors past the caches, for numbers that nobody reads soon; where they go starts at a cache line."""
    signature = types.void(source, types.intp, out, types.intp, types.intp)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, start, out, out_start, count = arguments
        size = signature.args[0].dtype.bitwidth // 8
        lanes = VECTOR_BYTES // size
        vector = ir.VectorType(context.get_data_type(signature.args[0].dtype), lanes)
        source = pointer(context, builder, signature.args[0], source, start)
        out = pointer(context, builder, signature.args[2], out, out_start)
        past_caches = builder.module.add_metadata([ir.IntType(32)(1)])
        with cgutils.for_range_slice(builder, count.type(0), count, count.type(lanes)) as (index, _):
            here, there = (builder.bitcast(builder.gep(p, [index]), vector.as_pointer()) for p in (source, out))
            stored = builder.store(builder.load(here, align=size), there, align=VECTOR_BYTES)
            stored.set_metadata("nontemporal", past_caches)
        return context.get_dummy_value()

    return signature, emit


@intrinsic(prefer_literal=True)
def prefetch(context, array, start, count, to_write):
    """Ask for so many numbers of a flat array to be brought into the nearest cache; nothing happens beyond its ends."""
    if not isinstance(to_write, types.Literal):
        return None
    signature = types.void(array, types.intp, types.intp, to_write)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, start, count, _ = arguments
        kind, byte, word = signature.args[0], ir.IntType(8).as_pointer(), ir.IntType(32)
        line = CACHE_LINE * 8 // kind.dtype.bitwidth
        ask = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, word, word, word]), "llvm.prefetch.p0i8"
        )
        base = context.make_array(kind)(context, builder, array).data
        flags = word(int(signature.args[3].literal_value)), word(3), word(1)  # for writing or not, nearest, data
        stop = builder.add(start, count)
        with cgutils.for_range_slice(builder, start, stop, start.type(line)) as (index, _):
            builder.call(ask, [builder.bitcast(builder.gep(base, [index]), byte), *flags])
        return context.get_dummy_value()

    return signature, emit


def prefetch_plainly(array: Any, start: int, count: int, to_write: bool) -> None:
    """What `prefetch` does to the numbers: nothing."""


def stream_row_plainly(source: Any, start: int, out: Any, out_start: int, count: int) -> None:
    """What `stream_row` does."""
    out[out_start : out_start + count] = source[start : start + count]
