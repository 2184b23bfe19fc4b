"""Mistakes in which terms of the sum are counted.

The gradient of an entry is a sum over all entries of the result that depend on it, and the slopes are known by entry of
the result. Summed over some axes of the result they are the shares of its images, channels or positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.gradcheck.evidence import Evidence
from tinycnn.inspect.gradcheck.report import Cause

AXES = {2: ("images", "classes"), 4: ("images", "channels", "rows", "columns")}
MOST_TERMS = 200
"""Of a sum whose weights are solved for."""


def own_output(e: Evidence) -> Cause | None:
    """Right for the diagonal alone."""
    if e.parts is None or not e.is_alike or e.is_entrywise:
        return None
    if not e.explains(e.parts[np.arange(len(e.parts)), e.flat]):
        return None
    return Cause(
        "own output only",
        "only the output at the entry's own place is counted, but others depend on it too (softmax, norms): the terms "
        "off the diagonal are missing",
    )


def one_share(e: Evidence) -> Cause | None:
    """Right for the first or the last of several terms."""
    for kept, shares in _shares(e):
        several = np.count_nonzero(shares, axis=1) > 1
        for chosen in (_last(shares), _first(shares)):
            if several.any() and e.explains(shares[np.arange(len(shares)), chosen]):
                is_one = len(set(chosen[several & e.told])) == 1 and (shares[several] != 0).all()
                return _missing(e, kept) if is_one else _overwritten(e, kept)
    return None


def some_share(e: Evidence) -> Cause | None:
    """Each entry right for one term or another, or for none."""
    for kept, shares in _shares(e):
        several = np.count_nonzero(shares, axis=1) > 1
        nearest = np.take_along_axis(shares, np.abs(shares - e.gradient[:, None]).argmin(axis=1)[:, None], 1)[:, 0]
        nearest = np.where(several, nearest, e.slopes)
        if (several & e.is_wrong & (e.gradient != 0)).any() and e.explains(np.where(e.gradient, nearest, 0)):
            return _overwritten(e, kept)
    return None


def missing_terms(e: Evidence) -> Cause | None:
    """Right for some of the terms: which, is solved for."""
    for kept, shares in _shares(e):
        is_sum = (np.count_nonzero(shares[e.is_wrong], axis=1) > 1).all()
        weights = _solved(e, shares) if is_sum else None
        if weights is not None:
            shape = [e.upstream.shape[axis] for axis in kept]
            places = [tuple(map(int, np.unravel_index(i, shape))) for i in np.flatnonzero(weights < 0.5)]
            told = ", ".join(str(place[0] if len(place) == 1 else place) for place in places[:3])
            more = " …" if len(places) > 3 else ""
            return _missing(e, kept, f", numbers {told}{more} are left out")
    for axis, offsets, shares in _by_offset(e):
        weights = _solved(e, shares)
        if weights is not None:
            told = ", ".join(f"{offset:+d}" for offset in np.array(offsets)[weights < 0.5][:3])
            return Cause(
                "missing terms",
                f"what the outputs at {told} along axis {axis} owe to an entry is left out: its window must hold all "
                "outputs whose window holds the entry",
            )
    return None


def constant_statistics(e: Evidence) -> Cause | None:
    """Right for a mean, a variance or a norm that does not depend on the input."""
    if not e.is_alike or e.is_entrywise or not np.isfinite(e.gradient).all():
        return None
    upstream, x, y = (array.reshape(-1)[e.flat] for array in (e.upstream, e.values, e.result))
    with np.errstate(all="ignore"):
        told = any(e.explains(upstream * scale) for scale in (y / x, y, 1.0))
    if not told and not any(_differs_in_statistics(e, upstream, x, axis) for axis in range(len(e.report.shape))):
        return None
    return Cause(
        "constant statistics",
        "a mean, variance, norm or sum is taken for a constant: it depends on x too, which adds terms to the gradient",
    )


def _shares(e: Evidence) -> Iterator[tuple[Sequence[int], Array]]:
    """For each choice of axes of the result, (k, terms) the shares of their positions, summed over the other axes."""
    if e.parts is None or e.upstream.size < 2:
        return
    by_entry = e.parts.reshape(-1, *e.upstream.shape)
    axes = [axis for axis, size in enumerate(e.upstream.shape) if size > 1]
    for kept in chain.from_iterable(combinations(axes, n) for n in range(1, len(axes) + 1)):
        summed = tuple(axis + 1 for axis in range(e.upstream.ndim) if axis not in kept)
        yield kept, by_entry.sum(summed).reshape(len(by_entry), -1)


def _by_offset(e: Evidence) -> Iterator[tuple[int, list[int], Array]]:
    """For each axis, the shares by how far an output lies from the entry along it."""
    if e.parts is None or not e.is_alike:
        return
    by_entry = e.parts.reshape(-1, *e.upstream.shape)
    for axis, size in enumerate(e.upstream.shape):
        others = tuple(a + 1 for a in range(e.upstream.ndim) if a != axis)
        along = by_entry.sum(others)  # (k, size)
        place = e.report.indices[:, axis]
        offsets = [d for d in range(1 - size, size) if size > 1]
        columns = [
            np.where((place + d >= 0) & (place + d < size), along[np.arange(len(along)), (place + d) % size], 0)
            for d in offsets
        ]
        used = [i for i, column in enumerate(columns) if column.any()]
        if len(used) > 1:
            yield axis, [offsets[i] for i in used], np.stack([columns[i] for i in used], axis=1)


def _solved(e: Evidence, shares: Array) -> Array | None:
    """The weights of the terms where they are all 0 or 1, some of each, and no others would do."""
    told = e.told
    if not 1 < shares.shape[1] <= min(MOST_TERMS, told.sum()) or not np.isfinite(e.gradient[told]).all():
        return None
    weights, _, rank, _ = np.linalg.lstsq(shares[told], e.gradient[told], rcond=1e-9)
    nearest = np.round(weights)
    is_choice = np.abs(weights - nearest).max() < 1e-3 and set(nearest) == {0.0, 1.0}
    return nearest if rank == shares.shape[1] and is_choice and e.explains(shares @ nearest) else None


def _differs_in_statistics(e: Evidence, upstream: Array, x: Array, axis: int) -> bool:
    """Whether both gradients are a·u + b + c·x with the same a, channel by channel, as in every normalisation."""
    place = e.report.indices[:, axis]
    for index in np.unique(place):
        here = place == index
        if here.sum() < 5:
            return False
        columns = np.stack([upstream[here], np.ones(here.sum()), x[here]], axis=1)
        factors = [np.linalg.lstsq(columns, gradient[here], rcond=None)[0] for gradient in (e.gradient, e.slopes)]
        fits = [
            np.allclose(columns @ f, gradient[here], 1e-4, 1e-6 * float(np.abs(gradient[here]).max()))
            for f, gradient in zip(factors, (e.gradient, e.slopes), strict=True)
        ]
        if not all(fits) or abs(factors[0][0] - factors[1][0]) > 1e-4 * abs(factors[1][0]):
            return False
    return True


def _last(shares: Array) -> Array:
    return shares.shape[1] - 1 - np.argmax(shares[:, ::-1] != 0, axis=1)


def _first(shares: Array) -> Array:
    return np.argmax(shares != 0, axis=1)


def _names(e: Evidence, kept: Sequence[int]) -> str:
    names = AXES.get(e.upstream.ndim)
    return " and ".join(names[axis] if names else f"axis {axis}" for axis in kept)


def _missing(e: Evidence, kept: Sequence[int], which: str = "") -> Cause:
    told = which or ", only one is counted"
    return Cause("missing terms", f"of the result's {_names(e, kept)}{told}: sum the gradient over all of them")


def _overwritten(e: Evidence, kept: Sequence[int]) -> Cause:
    return Cause(
        "overwritten",
        f'an entry that several of the result\'s {_names(e, kept)} read keeps the share of one of them: write "+=" '
        'for "="',
    )
