"""Which entries of its arguments each entry of a function's result depends on, found out by changing them.

One entry of one argument is changed at a time, and whatever changes in the result depends on it. That does not look at
how the function is written: loops over single entries and one line for a whole array give the same, and so does a check
that goes about it in quite another way. An entry is moved far up and far down, so that the largest of a window, a ReLU
or a mask of dropout change sides, from the numbers of the case and from others that are neither 0 nor alike: a 0 in the
kernel would hide that a pixel is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array
from tinycnn.learn.case import Case

MOST = 4000
"""Changed arguments that are tried, at most."""

MOVES = 3
"""Of each entry, at most."""

FAR = 4.0
"""How far an entry is moved, of the largest."""

NEAR = 0.5
"""A small move, for functions that no longer feel a large one, as softmax."""

TOLERANCE = 1e-12
"""Of the largest entry of a result: a change below it is one of rounding."""

Results = Mapping[str, Any] | None
"""By name; None where the function raised."""

Reads = dict[str, list[list[int]]]
"""For each argument, for each place of the result the places that it depends on."""


class Probe(NamedTuple):
    """One entry changed.

    Attributes
    ----------
    case
        To be run.
    argument, place
        What was changed.
    base
        Number of the case that it was changed from.
    """

    case: Case
    argument: str
    place: int
    base: int


class Plan(NamedTuple):
    """What is to be run.

    Attributes
    ----------
    bases
        Cases that the others are held against.
    probes
        Those.
    """

    bases: tuple[Case, ...]
    probes: tuple[Probe, ...]


def plan(case: Case) -> Plan | None:
    """What to run to find the dependences of one case; None where it would be too much."""
    generator = np.random.default_rng(1)
    arrays = {name: value for name, value in case.arguments.items() if isinstance(value, np.ndarray)}
    others = {
        name: np.asarray(generator.normal(size=value.shape), value.dtype)
        for name, value in arrays.items()
        if value.dtype.kind == "f"
    }
    bases = (case, Case(case.name, **{**case.arguments, **others}))
    entries = sum(array.size for array in arrays.values())
    if entries * MOVES > MOST:
        return None
    is_small = entries * 2 * MOVES <= MOST
    probes = []
    for number, base in enumerate(bases) if is_small else [(1, bases[1])]:
        for name in arrays:
            array = base.arguments[name]
            for place in range(array.size):
                for value in _moves(array, place):
                    changed = {**base.arguments, name: _with(array, place, value)}
                    probes.append(Probe(Case(case.name, **changed), name, place, number))
    return Plan(bases, tuple(probes))


def reads(plan: Plan, name: str, run: Callable[[Sequence[Case]], Sequence[Results]]) -> Reads | None:
    """For each place of a result, the places of each argument that it depends on.

    Parameters
    ----------
    plan
        From `plan`.
    name
        Of the result.
    run
        Gives the results of all cases.

    Returns
    -------
    dict
        Or None where there are no results to compare.
    """
    found = run([*plan.bases, *(probe.case for probe in plan.probes)])
    if len(found) != len(plan.bases) + len(plan.probes):
        return None
    bases = [_numbers(results, name) for results in found[: len(plan.bases)]]
    size = bases[0].size if bases[0] is not None else 0
    arrays = [key for key, value in plan.bases[0].arguments.items() if isinstance(value, np.ndarray)]
    depends: dict[str, list[set[int]]] = {key: [set() for _ in range(size)] for key in arrays}
    for probe, results in zip(plan.probes, found[len(plan.bases) :], strict=True):
        before, after = bases[probe.base], _numbers(results, name)
        if before is None or after is None or before.shape != after.shape or before.size != size:
            continue
        for place in np.flatnonzero(_changed(before.ravel(), after.ravel())).tolist():
            depends[probe.argument][place].add(probe.place)
    return {key: [sorted(places) for places in each] for key, each in depends.items()} if size else None


def _with(array: Array, place: int, value: float) -> Array:
    changed = array.copy()
    changed.flat[place] = value
    return changed


def _moves(array: Array, place: int) -> list[float]:
    now = array.flat[place]
    if array.dtype.kind != "f":
        return [now + 1, now - 1] if now > 0 else [now + 1]
    far = FAR * (1 + np.abs(array).max())
    return [now + far, now - far, now + NEAR]


def _numbers(results: Results, name: str) -> Array | None:
    value = results.get(name) if results is not None else None
    array = np.asarray(value) if isinstance(value, (int, float, np.ndarray, np.generic)) else None
    return array.astype(np.float64) if array is not None and array.dtype.kind in "fiub" else None


def _changed(before: Array, after: Array) -> Array:
    largest = max((float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) for a in (before, after)), default=0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        is_same = (np.abs(before - after) <= TOLERANCE * largest) | (before == after)
    return ~(is_same | (np.isnan(before) & np.isnan(after)))
