"""Mistakes that predict the wrong numbers themselves: each is worked out from the slopes and compared with backward's.

The slopes are known by entry of the result. So what backward would give if it ignored the upstream gradient, read it in
another order, kept one window's share or forgot the other outputs can be computed without knowing the operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations, permutations, product

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.gradcheck.evidence import LIKENESS, Evidence
from tinycnn.inspect.gradcheck.report import Cause
from tinycnn.inspect.gradcheck.shares import constant_statistics, missing_terms, one_share, own_output, some_share


def not_finite(e: Evidence) -> Cause | None:
    """No number."""
    count = int((~np.isfinite(e.gradient)).sum())
    if not count:
        return None
    return Cause(
        "not finite",
        f"backward gives nan or infinity in {count} of {len(e.gradient)} entries: look for a division by 0, a "
        "logarithm of 0, or memory that was never written (np.empty)",
    )


def at_kinks(e: Evidence) -> Cause | None:
    """Right but at kinks."""
    if e.told[e.is_wrong].any():
        return None
    return Cause(
        "kink",
        "right but at a kink, where it must lie between the left and the right derivative: ReLU's at 0 is 0, by "
        "convention, and a maximum's goes to one of those that tie",
    )


def zero(e: Evidence) -> Cause | None:
    """No gradient at all."""
    if np.any(e.gradient):
        return None
    return Cause("zero", "backward returns zeros; a gradient of ones upstream would hide that for a softmax")


def sign(e: Evidence) -> Cause | None:
    """Turned round."""
    if not e.explains(-e.slopes):
        return None
    return Cause("sign", "every entry has the wrong sign: look for a minus that is missing or one too many")


def constant_ratio(e: Evidence) -> Cause | None:
    """A factor too many or too few."""
    slopes, gradient = e.slopes[e.told], e.gradient[e.told]
    if not np.isfinite(gradient).all() or not np.any(slopes):
        return None
    ratio = float(gradient @ slopes / (slopes @ slopes))
    if abs(ratio - 1) < 1e-5:
        return None
    guess = _guess(ratio, e)
    if (np.count_nonzero(slopes) < 2 and not guess) or not e.explains(ratio * e.slopes):
        return None
    return Cause(
        "constant ratio", f"every entry is {ratio:.6g} times what it should be{guess or ': a factor is wrong'}"
    )


def upstream_ignored(e: Evidence) -> Cause | None:
    """Right for an upstream gradient of ones."""
    if e.parts is None or not e.explains(e.weighted(np.ones_like(e.upstream))):
        return None
    return Cause("upstream ignored", "this is the gradient for an upstream of ones: multiply by grad")


def upstream_twice(e: Evidence) -> Cause | None:
    """Right for the square of the upstream gradient."""
    if e.parts is None or not e.explains(e.weighted(e.upstream**2)):
        return None
    return Cause("upstream twice", "grad is multiplied in twice")


def upstream_sign(e: Evidence) -> Cause | None:
    """Right where the upstream gradient has one sign."""
    if e.parts is None or e.upstream.size < 2:
        return None
    for weights, told in (
        (np.maximum(e.upstream, 0), "is left out where grad is negative"),
        (np.minimum(e.upstream, 0), "is left out where grad is positive"),
        (np.abs(e.upstream), "takes grad without its sign"),
    ):
        if e.explains(e.weighted(weights)) or (e.is_alike and e.explains(weights.reshape(-1)[e.flat])):
            return Cause("upstream sign", f"the gradient {told}: the mask must come from x (x > 0), not from grad")
    return None


def upstream_order(e: Evidence) -> Cause | None:
    """Right for the upstream gradient with its entries at other places."""
    if e.parts is None or e.upstream.size < 2:
        return None
    for told, weights in _rearranged(e.upstream):
        if e.explains(e.weighted(weights)):
            return Cause("upstream order", f"backward reads grad {told}: grad has the result's axes")
    if e.is_whole and e.report.size == e.upstream.size and not e.is_alike:
        column_by_column = np.reshape(e.upstream, e.report.shape, order="F")
        if e.explains(column_by_column.reshape(-1)):
            return Cause("upstream order", "grad is reshaped column by column: forward went row by row (order C)")
    return None


def rotated(e: Evidence) -> Cause | None:
    """The right numbers at other places."""
    if not e.is_whole or e.report.size < 3:
        return None
    for told, other in _rearranged(e.slopes.reshape(e.report.shape)):
        if e.explains(other.reshape(-1)):
            return Cause("rotated", f"the right numbers, {told}")
    return None


def shifted(e: Evidence) -> Cause | None:
    """The right numbers a place or two further, but for those that fall off the edge."""
    if not e.is_whole:
        return None
    mine, right = (array.reshape(e.report.shape) for array in (e.gradient, e.slopes))
    for offsets in _offsets(mine.shape):
        here = tuple(slice(max(0, by), size + min(0, by)) for by, size in zip(offsets, mine.shape, strict=True))
        there = tuple(slice(max(0, -by), size + min(0, -by)) for by, size in zip(offsets, mine.shape, strict=True))
        allowed = LIKENESS * float(np.abs(right).max())
        is_moved = np.any(mine[here]) and np.allclose(mine[here], right[there], LIKENESS, allowed)
        if is_moved and not np.allclose(mine[here], right[here], LIKENESS, allowed):
            told = " and ".join(f"by {by} along axis {axis}" for axis, by in enumerate(offsets) if by)
            return Cause("shifted", f"the right numbers, moved {told}: check where the padding is put on and cut off")
    return None


def summed_too_far(e: Evidence) -> Cause | None:
    """Sums, or means, over axes that have a gradient for each index."""
    if not e.is_whole or e.report.size < 2:
        return None
    right = e.slopes.reshape(e.report.shape)
    axes = [axis for axis, size in enumerate(right.shape) if size > 1]
    for summed in chain.from_iterable(combinations(axes, n) for n in range(1, len(axes) + 1)):
        total = np.broadcast_to(right.sum(summed, keepdims=True), right.shape).reshape(-1)
        count = int(np.prod([right.shape[axis] for axis in summed]))
        for factor, kind in ((1.0, "summed"), (1 / count, "averaged")):
            if e.explains(factor * total):
                return Cause(
                    "summed too far",
                    f"the right numbers are {kind} over {_axes(summed)} of the input, where each index has its own",
                )
    return None


def swapped(e: Evidence) -> Cause | None:
    """The gradient of another input."""
    for other in e.others:
        if other.shape == e.report.shape and len(other.numeric) == len(e.gradient) and e.explains(other.numeric):
            return Cause("swapped", f"this is the gradient of {other.name}: check the order in which they are returned")
    return None


def imprecise(e: Evidence) -> Cause | None:
    """Seven digits."""
    if not e.is_close:
        return None
    return Cause(
        "float32",
        "right to seven digits and no further: something is rounded to float32 on the way, or a small constant such as "
        "an epsilon stands in one pass and not in the other",
    )


HYPOTHESES = (
    not_finite,
    at_kinks,
    imprecise,
    zero,
    sign,
    upstream_ignored,
    upstream_twice,
    upstream_sign,
    constant_ratio,
    swapped,
    shifted,
    summed_too_far,
    upstream_order,
    rotated,
    own_output,
    one_share,
    missing_terms,
    constant_statistics,
    some_share,
)
"""In the order in which they are tried: the first that fits is told."""


def _guess(ratio: float, e: Evidence) -> str:
    """What a factor may come from: numbers of entries of the result or the input, a term counted twice, grad itself."""
    if e.upstream.size == 1 and abs(ratio - float(e.upstream.reshape(-1)[0])) < LIKENESS * abs(ratio):
        return ", which is grad itself: it is multiplied in twice"
    found = [f"a term {'counted twice' if ratio > 1 else 'is halved'}"] if _is_near(ratio, 2) else []
    for shape, whose in ((e.upstream.shape, "the result"), (e.report.shape, "the input")):
        for axes in chain.from_iterable(combinations(range(len(shape)), n) for n in range(1, len(shape) + 1)):
            size = int(np.prod([shape[axis] for axis in axes]))
            if size > 1 and _is_near(ratio, size) and not (e.is_alike and whose == "the input"):
                mean = "a mean forgotten" if ratio > 1 else "a mean where a sum belongs, or taken twice,"
                found.append(f"{mean} over {_axes(axes)} of {whose}")
    return f": {', or '.join(found[:3])}" if found else ""


def _is_near(ratio: float, size: int) -> bool:
    return abs(ratio - size) < LIKENESS * size or abs(ratio * size - 1) < LIKENESS


def _offsets(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """By how much a gradient may be moved: by one or two along an axis, or along both of an image."""
    choices = [(0, 1, -1, 2, -2) if size > 3 else (0, 1, -1) if size > 2 else (0,) for size in shape]
    for axis in range(len(shape)):
        for by in choices[axis][1:]:
            yield tuple(by if a == axis else 0 for a in range(len(shape)))
    if len(shape) > 2:
        lead = (0,) * (len(shape) - 2)
        for down, across in product(choices[-2][1:], choices[-1][1:]):
            yield (*lead, down, across)


def _rearranged(array: Array) -> Iterator[tuple[str, Array]]:
    """The same numbers of the same shape, flipped, transposed, read in another order of axes, or moved by one."""
    axes = [axis for axis, size in enumerate(array.shape) if size > 1]
    for flipped in chain.from_iterable(combinations(axes, n) for n in range(1, len(axes) + 1)):
        yield f"flipped along {_axes(flipped)}", np.flip(array, flipped)
    if array.ndim <= 4:
        for order in permutations(range(array.ndim)):
            if list(order) != sorted(order):
                turned = array.transpose(order)
                told = "transposed" if turned.shape == array.shape else "in the order of memory of axes"
                yield f"{told} {order}", turned.reshape(array.shape)
    for axis in axes:
        for by in dict.fromkeys((1, -1, array.shape[axis] // 2)):
            yield f"moved round by {by} along axis {axis}", np.roll(array, by, axis)


def _axes(axes: Sequence[int]) -> str:
    return ("axis " if len(axes) == 1 else "axes ") + " and ".join(map(str, axes))
