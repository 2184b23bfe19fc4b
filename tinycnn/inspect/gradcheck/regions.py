"""Mistakes that are told by where the gradient is wrong: at the border, under overlapping windows, in one channel."""

from __future__ import annotations

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.gradcheck.evidence import Evidence
from tinycnn.inspect.gradcheck.report import Cause

MOST = 0.9
"""Part of a region that must be wrong for the region to be the cause."""

DEPTH = 2
"""How many rows or columns a border may have."""


def overlap(e: Evidence) -> Cause | None:
    """Wrong exactly where several windows read an entry."""
    if e.parts is None or e.upstream.ndim < 3:
        return None
    positions = (e.parts.reshape(len(e.parts), *e.upstream.shape) != 0).any(axis=(1, 2))  # (k, P, Q)
    windows = positions.reshape(len(e.parts), -1).sum(axis=1)
    wrong, alone = windows[e.is_wrong], (windows == 1) & e.told
    shared = (windows > 1) & e.told
    if not alone.any() or e.is_wrong[alone].any() or (wrong < 2).any() or e.is_wrong[shared].mean() < MOST:
        return None
    return Cause(
        "overwritten",
        'wrong only where windows overlap: an entry must sum what all of them send, so write "+=" for "="',
    )


def border(e: Evidence) -> Cause | None:
    """Wrong only near the edge of the image."""
    if e.report.is_fast or len(e.report.shape) < 3:
        return None
    for depth in range(1, DEPTH + 1):
        distance = np.min([_to_edge(e, axis) for axis in _image_axes(e)], axis=0)
        near = distance < depth
        if e.is_wrong[near].any() and not e.is_wrong[~near].any() and (e.told & ~near & (e.slopes != 0)).any():
            return Cause(
                "border",
                f"right inside, wrong only within {depth} of the image's border{_side(e)}: look at how the padding is "
                "put on in forward and cut off in backward",
            )
    return None


def one_part(e: Evidence) -> Cause | None:
    """Wrong only at one index, or in one half, of one axis."""
    if e.report.is_fast:
        return None
    return next(filter(None, (_one_part(e, axis) for axis in range(len(e.report.shape)))), None)


def one_channel(e: Evidence) -> Cause | None:
    """The same of the axes that are not the image's: told before a border, which a small channel may lie in."""
    if e.report.is_fast or len(e.report.shape) < 3:
        return None
    return next(filter(None, (_one_part(e, axis) for axis in range(2))), None)


def formula(e: Evidence) -> Cause | None:
    """An operation that works entry by entry has another derivative."""
    if not e.is_entrywise or e.copies:
        return None
    i = int(np.flatnonzero(e.is_wrong)[0])
    x = float(e.values.reshape(-1)[e.flat[i]])
    if e.is_alike:
        upstream = float(e.upstream.reshape(-1)[e.flat[i]])
        told = f"backward / grad is {e.gradient[i] / upstream:.6g}, and the slope there is {e.slopes[i] / upstream:.6g}"
    else:
        told = f"backward gives {e.gradient[i]:.6g}, and the slope is {e.slopes[i]:.6g}"
    return Cause(
        "formula", f"each output depends on one entry alone, but the derivative is another: at x = {x:.6g} {told}"
    )


def wrong_entry(e: Evidence) -> Cause | None:
    """An output that copies an entry sends its gradient elsewhere."""
    if not e.copies or not (e.is_wrong & (e.gradient != 0) & (e.slopes == 0)).any():
        return None
    return Cause(
        "wrong entry",
        "each output is a copy of one entry, which alone gets its gradient: backward sends it to others, or to more",
    )


def bias_only(e: Evidence) -> Cause | None:
    """All right but the bias."""
    is_added = len(e.report.shape) == 1 and e.copies
    if not is_added or not e.others or any(other.counts["wrong"] for other in e.others):
        return None
    return Cause(
        "bias only",
        "every other input is right: each bias is added to every position of its channel, so its gradient is grad "
        "summed over images and positions",
    )


REGIONS = (overlap, wrong_entry, one_channel, border, one_part, formula, bias_only)
"""In the order in which they are tried."""


def _one_part(e: Evidence, axis: int) -> Cause | None:
    size, place = e.report.shape[axis], e.report.indices[:, axis]
    bad = np.unique(place[e.is_wrong])
    elsewhere = ~np.isin(place, bad) & e.told & (e.slopes != 0)
    is_run = bad[-1] - bad[0] + 1 == len(bad) <= (size + 1) // 2 and len(e.report.shape) > 1
    within = np.isin(place, bad) & e.told & (e.slopes != 0)
    if (
        size < 2
        or elsewhere.sum() < 2
        or not (len(bad) == 1 or is_run)
        or e.is_wrong[within].sum() < MOST * within.sum()
    ):
        return None
    where = f"index {bad[0]}" if len(bad) == 1 else f"{bad[0]} to {bad[-1]}"
    return Cause("one part", f"wrong only at {where} of axis {axis}{_letter(e, axis)}, right elsewhere")


def _image_axes(e: Evidence) -> range:
    return range(2, len(e.report.shape))


def _to_edge(e: Evidence, axis: int) -> Array:
    place = e.report.indices[:, axis]
    return np.minimum(place, e.report.shape[axis] - 1 - place)


def _side(e: Evidence) -> str:
    """The one side that is wrong, if it is one."""
    names = ("first row", "last row", "first column", "last column")[-2 * len(_image_axes(e)) :]
    sides = ((axis, end) for axis in _image_axes(e) for end in (0, e.report.shape[axis] - 1))
    for name, (axis, end) in zip(names, sides, strict=True):
        if (e.report.indices[e.is_wrong, axis] == end).all():
            return f", in its {name}"
    return ""


def _letter(e: Evidence, axis: int) -> str:
    return f" ({'NCHW'[axis]} of NCHW)" if len(e.report.shape) == 4 and e.report.name == "x" else ""
