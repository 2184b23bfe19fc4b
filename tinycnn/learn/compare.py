"""Whether results are what they should be, and where the first is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array


class Difference(NamedTuple):
    """What is wrong with a result.

    Attributes
    ----------
    result
        Its name.
    kind
        "missing", "none", "type", "shape" or "value".
    place
        Of the first wrong entry, where it is a value.
    """

    result: str
    kind: str
    place: tuple[int, ...] = ()


def difference(
    expected: Mapping[str, Any], got: Mapping[str, Any], kinds: Mapping[str, str], tolerance: float
) -> Difference | None:
    """The first result that is wrong; None where all are right."""
    for name, right in expected.items():
        if name not in got:
            return Difference(name, "missing")
        if kinds[name] == "none" and right is not None:
            return Difference(name, "none")
        if isinstance(right, str) or right is None:
            if kinds[name] not in ("text", "none"):
                return Difference(name, "type")
            if got[name] != right:
                return Difference(name, "value")
            continue
        if kinds[name] != "array":
            return Difference(name, "type")
        wrong = _first_wrong(np.asarray(right), got[name], tolerance)
        if wrong is not None:
            return Difference(name, *wrong)
    return None


def _first_wrong(right: Array, mine: Array, tolerance: float) -> tuple[str, tuple[int, ...]] | None:
    if right.shape != mine.shape:
        return "shape", ()
    numbers, own = right.astype(np.float64), mine.astype(np.float64)
    finite = np.abs(numbers[np.isfinite(numbers)])
    allowed = tolerance * (float(finite.max(initial=0.0)) or 1.0)
    with np.errstate(invalid="ignore"):
        same = (np.abs(numbers - own) <= allowed) | (numbers == own) | (np.isnan(numbers) & np.isnan(own))
    if same.all():
        return None
    return "value", tuple(int(i) for i in np.argwhere(~same)[0])
