"""Mistakes that predict the wrong numbers themselves: each is worked out from the slopes and compared with backward's.

The slopes are known by entry of the result. So what backward would give if it ignored the upstream gradient, read it in
another order, kept one window's share or forgot the other outputs can be computed without knowing the operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations, permutations

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.gradcheck.evidence import Evidence
from tinycnn.inspect.gradcheck.report import Cause
from tinycnn.inspect.gradcheck.shares import constant_statistics, missing_terms, one_share, own_output, some_share

LETTERS = {2: "NC", 3: "NCL", 4: "NCHW"}


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
    """The right numbers one place further, but for those that fall off the edge."""
    if not e.is_whole:
        return None
    mine, right = (array.reshape(e.report.shape) for array in (e.gradient, e.slopes))
    for axis, size in enumerate(e.report.shape):
        if size < 3:
            continue
        first, rest = _cut(mine, axis, 0, -1), _cut(mine, axis, 1, None)
        for there, here, told in (
            (first, _cut(right, axis, 1, None), "back"),
            (rest, _cut(right, axis, 0, -1), "on"),
        ):
            if np.any(there) and np.allclose(there, here, 1e-6, 1e-9 * float(np.abs(right).max())):
                return Cause(
                    "shifted", f"the right numbers, moved one place {told} along axis {axis}: check the offset"
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
    """What a factor may come from: 2, or sizes of the input and the result."""
    if abs(ratio - 2) < 1e-6 or abs(ratio - 0.5) < 1e-6:
        return ": a term is counted twice" if ratio > 1 else ": a half too many, or a sum of which one half is missing"
    if e.upstream.size == 1 and abs(ratio - float(e.upstream.reshape(-1)[0])) < 1e-6 * abs(ratio):
        return ", which is grad itself: it is multiplied in twice"
    for shape, whose in ((e.report.shape, "the input"), (e.upstream.shape, "the result")):
        letters = LETTERS.get(len(shape), "")
        for count in range(1, len(shape) + 1):
            for axes in combinations(range(len(shape)), count):
                size = int(np.prod([shape[axis] for axis in axes]))
                names = "·".join(letters[a] if letters else f"shape[{a}]" for a in axes)
                if size > 1 and abs(ratio - size) < 1e-6 * size:
                    return f", {names} of {whose}: a mean is missing"
                if size > 1 and abs(ratio * size - 1) < 1e-6:
                    return f" = 1/{size}, {names} of {whose}: a mean is taken where a sum belongs, or taken twice"
    return ""


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


def _cut(array: Array, axis: int, start: int | None, stop: int | None) -> Array:
    return array[(slice(None),) * axis + (slice(start, stop),)]
