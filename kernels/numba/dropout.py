"""Dropout: Philox 4x64-10 counted out in parallel, four entries a block, and a multiplication that selects.

Block b of the stream is the cipher of the number b + 1 (NumPy counts before it encrypts) under the call's key, and
gives the words 4b … 4b + 3. No block needs another, so threads share them; no word is kept, only whether it is below p.
The cipher is ten rounds of two products of 64-bit numbers, both halves of which are used: one instruction, which Numba
has no name for, and so it is given as LLVM's.

Source: Salmon, Moraes, Dror, Shaw (2011), Parallel Random Numbers: As Easy as 1, 2, 3, section 3.3.

Plain twin: `tinycnn.kernels.numpy.dropout`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from tinycnn.arrays import Array
from tinycnn.kernels.numba.chunks import bounds, chunks, flat, share
from tinycnn.kernels.numba.compile import inlined, kernel, parallel_kernel
from tinycnn.kernels.numba.workspace import empty

MULTIPLIERS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
WEYL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)  # what the keys grow by from round to round
ROUNDS = 10
WORDS = 4  # of a block
WORD_WEIGHT = 16  # a word costs as much as this many ReLUs


def dropout_mask(shape: tuple[int, ...], p: float, key: tuple[int, int]) -> Array:
    """True where an entry is kept: where word i, out of 2**64, is at least p · 2**64."""
    mask = empty(shape, np.bool_)
    if p == 1:
        mask.fill(False)  # 2**64 itself is no 64-bit word
        return mask
    blocks = -(-mask.size // WORDS)
    count = chunks(mask.size, blocks, WORD_WEIGHT)
    numbers = np.uint64(key[0]), np.uint64(key[1]), np.uint64(p * 2**64)
    share(_draw, _draw_chunks, count, *numbers, np.uint64(0), flat(mask))
    return mask


def dropout_forward(x: Array, mask: Array, p: float) -> Array:
    """y = x / (1 − p) where kept, else 0."""
    y = empty(x.shape, x.dtype)
    scale = 1 / (1 - p) if p < 1 else 0.0
    share(_select, _select_chunks, chunks(x.size, x.size), flat(x), flat(mask), scale, flat(y))
    return y


dropout_backward = dropout_forward  # the same mask and scale, on dy


@intrinsic
def product(context, a, b):
    """The upper and the lower 64 bits of the 128 of a product."""
    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), _emit_product


def _emit_product(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    word, wide = ir.IntType(64), ir.IntType(128)
    a, b = (builder.zext(argument, wide) for argument in arguments)
    whole = builder.mul(a, b)
    high = builder.trunc(builder.lshr(whole, ir.Constant(wide, 64)), word)
    return context.make_tuple(builder, signature.return_type, (high, builder.trunc(whole, word)))


@inlined
def philox(block, key0, key1):
    """The four words of a block: ten rounds of (c0, c1, c2, c3) -> (hi₁ ^ c1 ^ k0, lo₁, hi₀ ^ c3 ^ k1, lo₀)."""
    c0, c1, c2, c3 = block + np.uint64(1), np.uint64(0), np.uint64(0), np.uint64(0)
    for _ in range(ROUNDS):
        high0, low0 = product(MULTIPLIERS[0], c0)
        high1, low1 = product(MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0
        key0, key1 = key0 + WEYL[0], key1 + WEYL[1]
    return c0, c1, c2, c3


@parallel_kernel
def _draw_chunks(key0, key1, threshold, first, mask, count):
    blocks = (len(mask) + WORDS - 1) // WORDS
    for chunk in prange(count):
        i, j = bounds(chunk, count, blocks)
        _draw(key0, key1, threshold, first + np.uint64(i), mask[i * WORDS : j * WORDS])


@kernel
def _draw(key0, key1, threshold, first, mask):
    whole = len(mask) // WORDS
    for block in range(whole):
        c0, c1, c2, c3 = philox(first + np.uint64(block), key0, key1)
        mask[block * WORDS] = c0 >= threshold
        mask[block * WORDS + 1] = c1 >= threshold
        mask[block * WORDS + 2] = c2 >= threshold
        mask[block * WORDS + 3] = c3 >= threshold
    if whole * WORDS < len(mask):
        last = philox(first + np.uint64(whole), key0, key1)
        for i in range(whole * WORDS, len(mask)):
            mask[i] = last[i - whole * WORDS] >= threshold


@parallel_kernel
def _select_chunks(x, mask, scale, y, count):
    for chunk in prange(count):
        i, j = bounds(chunk, count, len(x))
        _select(x[i:j], mask[i:j], scale, y[i:j])


@kernel
def _select(x, mask, scale, y):
    zero, factor = x.dtype.type(0), x.dtype.type(scale)
    for i in range(len(x)):
        scaled = x[i] * factor
        y[i] = scaled if mask[i] else zero  # not a product with the mask: 0 · NaN is NaN
