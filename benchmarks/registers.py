"""Fused multiply-adds that wait for nothing: what the float32 peak of a core is measured with.

A core starts two vector instructions a cycle, each of which takes four or five: so ten sums must be under way at any
time. Here SUMS of them stay in registers, and nothing is read or written until the end.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinycnn.kernels.numba.tile import VECTOR_BYTES

SUMS = 12  # of the 16 registers that all processors with vectors of 32 bytes have
LANES = VECTOR_BYTES // 4
FLOPS = 2 * SUMS * LANES
"""Operations of one step of `spin`."""


@intrinsic
def _multiply_and_add(context, steps):
    """x = 0.5 x + 1 for SUMS vectors, so many times; gives the first number of their sum."""
    return types.float32(steps), _emit


def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    (steps,) = arguments
    vector, integer = ir.VectorType(ir.FloatType(), LANES), steps.type
    function = ir.FunctionType(vector, [vector] * 3)
    multiply_add = cgutils.get_or_insert_function(builder.module, function, f"llvm.fma.v{LANES}f32")
    half, one = (ir.Constant(vector, [value] * LANES) for value in (0.5, 1.0))
    before, loop, done = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(integer)
    sums = [builder.phi(vector) for _ in range(SUMS)]
    following = builder.add(step, integer(1))
    added = [builder.call(multiply_add, [total, half, one]) for total in sums]
    step.add_incoming(integer(0), before)
    step.add_incoming(following, loop)
    for start, (total, more) in enumerate(zip(sums, added, strict=True)):
        total.add_incoming(ir.Constant(vector, [float(start)] * LANES), before)  # all differ, or one would do for all
        total.add_incoming(more, loop)
    builder.cbranch(builder.icmp_signed("<", following, steps), loop, done)
    builder.position_at_end(done)
    whole = added[0]
    for more in added[1:]:
        whole = builder.fadd(whole, more)
    return builder.extract_element(whole, ir.IntType(32)(0))


@numba.njit(nogil=True)
def spin(steps: int) -> float:
    """Keep a core busy with so many steps of FLOPS operations."""
    return _multiply_and_add(steps)
