"""From slopes to verdicts: one input after the other, entry by entry or along random directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tinycnn.arrays import Array, beside, to_numpy
from tinycnn.inspect.gradcheck.draws import Draw, stream
from tinycnn.inspect.gradcheck.quotient import NOISE_FACTOR, STEPS, Move, Slope, looked_at_twice, slope
from tinycnn.inspect.gradcheck.replay import Point, Replay
from tinycnn.inspect.gradcheck.report import InputReport
from tinycnn.inspect.gradcheck.sample import entries
from tinycnn.tensor import Tensor

RELATIVE_TOLERANCE = 1e-8
DIRECTIONS = 2
"""Random ones for each input in fast mode: one alone would miss a mistake that is at right angles to it."""

ASIDE = 1e-3
"""Relative distance to a place beside a kink where several branches meet."""

MOST_DOUBT = 1e-3
"""Relative: a quotient that may be off by more says little of what it agrees with."""

VERDICT_OF = ["on a kink", "wrong", "both zero", "below noise", "below noise", "below noise", "right"]

MOST_PARTS = 4_000_000
"""Numbers, entries times results, that are kept for the diagnosis."""


NOTHING = np.zeros(0)


class Moves(NamedTuple):
    """How to move along a direction by steps of the usual size; and by steps of the entry's own, for a second look."""

    usual: Move
    closer: Move | None = None


class Judged(NamedTuple):
    """The report of one input, and what a diagnosis needs.

    Attributes
    ----------
    report
        Without causes.
    parts
        (k, results) of how much of each slope comes by each entry of the result; None where that is too much to keep.
    """

    report: InputReport
    parts: Array | None


class Judge:
    """Holds gradients against slopes.

    Parameters
    ----------
    replay
        Runs the function.
    names
        Of its checked tensors.
    upstream
        Of the result's shape.
    gradients
        What backward gave for each of ``replay.checked``.
    seed
        Of samples and directions.
    is_fast
        Whether inputs are judged along random directions.
    """

    def __init__(
        self,
        replay: Replay,
        names: Sequence[str],
        upstream: Array,
        gradients: Sequence[Array],
        seed: int,
        is_fast: bool,
    ):
        self.replay, self.names, self.upstream, self.gradients = replay, names, upstream, gradients
        self.seed, self.is_fast = seed, is_fast
        self.base = replay.point()
        self._eps = float(np.finfo(upstream.dtype).eps)
        self._first = 0

    def judged(self, number: int) -> Judged:
        """Judge one input."""
        return self._by_directions(number) if self.is_fast else self._by_entries(number)

    def _by_entries(self, number: int) -> Judged:
        """Judge one input in its entries, all or a sample."""
        tensor, gradient = self.replay.checked[number], self.gradients[number]
        indices = entries(tensor.shape, self.seed)
        places = [tuple(map(int, index)) for index in indices]
        size = typical(tensor.data)
        moves = [Moves(self._entry(tensor, place, size), self._entry(tensor, place, 0.0)) for place in places]
        analytic = np.array([gradient[place] for place in places], np.float64)
        keep = len(places) * self.upstream.size <= MOST_PARTS
        slopes, verdicts, tolerances = self._compared(moves, analytic, self.base, keep)
        crowded = [k for k, s in enumerate(slopes) if verdicts[k] == "wrong" and self._is_crowd(s, analytic[k])]
        if crowded:
            beside = self._beside(number, [places[k] for k in crowded])
            verdicts[[k for k, verdict in zip(crowded, beside, strict=True) if verdict != "wrong"]] = "on a kink"
        parts = np.stack([s.parts for s in slopes]) if keep else None
        return Judged(_report(self.names[number], tensor.shape, indices, analytic, slopes, verdicts, tolerances), parts)

    def _by_directions(self, number: int) -> Judged:
        """Judge one input along random directions in which all entries move."""
        tensor, gradient = self.replay.checked[number], self.gradients[number]
        directions = self._directions(number)
        analytic = np.array([float((gradient * direction).sum()) for direction in directions])
        moves = [Moves(self._along(tensor, direction)) for direction in directions]
        slopes, verdicts, tolerances = self._compared(
            moves, analytic, self.base, False, _rounding(gradient, to_numpy(tensor.data))
        )
        if any(found.is_kink for found in slopes):
            beside = self._beside(number, None)
            for k, found in enumerate(slopes):
                if found.is_kink and np.isfinite(analytic[k]):
                    verdicts[k] = "on a kink" if beside[k] == "right" else beside[k]
        indices = np.arange(DIRECTIONS).reshape(-1, 1)
        report = _report(self.names[number], tensor.shape, indices, analytic, slopes, verdicts, tolerances)
        return Judged(replace(report, is_fast=True), None)

    def quotient(self, number: int, place: tuple[int, ...], step: float) -> float:
        """The central quotient of one entry at one step, whatever branches it meets."""
        tensor = self.replay.checked[number]
        size = typical(tensor.data)
        move, scale = self._entry(tensor, place, size), max(abs(float(tensor.data[place])), size)
        above, below = (move(signed)[0].values for signed in (step, -step))
        return float(self.upstream.reshape(-1) @ (above - below)) / (2 * step * scale)

    def _compared(
        self, moves: Sequence[Moves], analytic: Array, base: Point, keep_parts: bool, rounding: float = 0.0
    ) -> tuple[list[Slope], Array, Array]:
        """Slopes, verdicts and tolerances; what seems wrong is looked at twice."""
        upstream = self.upstream.reshape(-1)
        slopes: list[Slope] = []
        finite = np.abs(analytic[np.isfinite(analytic)])
        floor = NOISE_FACTOR * self._eps * float(finite.max()) if finite.size else 0.0  # backward rounds too
        for usual, closer in moves:
            found = slope(usual, base, upstream, self._eps, self._first)
            if self.is_fast:
                self._first = max(0, STEPS.index(found.step) - 1)  # the next direction has as many branches to keep
            found = replace(found, doubt=found.doubt + NOISE_FACTOR * rounding / found.step)
            if closer is not None and _verdict(analytic, len(slopes), found) == "wrong":
                near = slope(closer, base, upstream, self._eps)
                found = near if _verdict(analytic, len(slopes), near) != "wrong" else found
            if _verdict(analytic, len(slopes), found) == "wrong":
                found = looked_at_twice(found, usual, base, upstream, self._eps)
                found = replace(found, doubt=found.doubt + floor)
            slopes.append(found if keep_parts else replace(found, parts=NOTHING))
        return slopes, *_verdicts(analytic, slopes)

    def _is_crowd(self, found: Slope, analytic: float) -> bool:
        """Whether so many branches may meet at this kink that its range says little, and backward is not far off it."""
        if found.lower is None or found.upper is None or found.flips == 1:
            return False
        if not found.flips and self.replay.functions == 1:
            return False  # one Function, which tells of no branches: its range is right
        width = found.upper - found.lower
        return min(found.lower, 0.0) - width <= analytic <= max(found.upper, 0.0) + width

    def _directions(self, number: int) -> list[Array]:
        x = to_numpy(self.replay.checked[number].data).astype(np.float64)
        sizes, rng = np.maximum(np.abs(x), typical(x)), stream(self.seed, Draw.DIRECTIONS, number)
        return [np.where(rng.random(x.shape) < 0.5, -sizes, sizes) for _ in range(DIRECTIONS)]

    def _entry(self, tensor: Tensor, place: tuple[int, ...], size: float) -> Move:
        """Move one entry, by steps relative to its value or the typical one, whichever is larger."""
        value = float(tensor.data[place])
        scale = max(abs(value), size) or typical(tensor.data)

        def move(step: float) -> tuple[Point, float]:
            target = float(tensor.dtype.type(value + step * scale))
            tensor.data[place] = target
            try:
                return self.replay.away(), target - value
            finally:
                tensor.data[place] = value

        return move

    def _along(self, tensor: Tensor, direction: Array) -> Move:
        data = tensor.data

        def move(step: float) -> tuple[Point, float]:
            tensor.data = data + beside((step * direction).astype(data.dtype), data)
            try:
                return self.replay.away(), step
            finally:
                tensor.data = data

        return move

    def _beside(self, number: int, places: Sequence[tuple[int, ...]] | None) -> list[str]:
        """The verdicts on these entries, or on the directions, a little aside, where no branches meet.

        Where several branches meet in one entry, as where the maxima of two windows tie, the choices of backward need
        not lie between the derivatives to the left and to the right, and be a right choice in each.
        """
        rng = stream(self.seed, Draw.ASIDE)
        here = [tensor.data for tensor in self.replay.checked]
        try:
            for tensor in self.replay.checked:
                aside = ASIDE * typical(tensor.data) * rng.standard_normal(tensor.shape)
                tensor.data = tensor.data + beside(aside.astype(tensor.dtype), tensor.data)
            return self._verdicts_here(number, places)
        except Exception:  # the function refuses to go there
            return ["wrong"] * (DIRECTIONS if places is None else len(places))
        finally:
            for tensor, data in zip(self.replay.checked, here, strict=True):
                tensor.data = data

    def _verdicts_here(self, number: int, places: Sequence[tuple[int, ...]] | None) -> list[str]:
        tensor, base = self.replay.checked[number], self.replay.point()
        found = self.replay.gradients(self.upstream)[number]
        gradient = np.zeros(tensor.shape) if found is None else found
        if places is None:
            directions = self._directions(number)
            analytic = np.array([float((gradient * direction).sum()) for direction in directions])
            moves = [Moves(self._along(tensor, direction)) for direction in directions]
        else:
            analytic = np.array([gradient[place] for place in places], np.float64)
            moves = [Moves(self._entry(tensor, place, typical(tensor.data))) for place in places]
        rounding = _rounding(gradient, to_numpy(tensor.data)) if places is None else 0.0
        _, verdicts, _ = self._compared(moves, analytic, base, False, rounding)
        return [str(verdict) for verdict in verdicts]


def typical(data: Array) -> float:
    """The size of a typical entry, to which steps are relative: root mean square of those that are not 0, else 1.

    Examples
    --------
    >>> typical(np.array([0.0, -3.0, 3.0, 0.0])), typical(np.zeros(2))
    (3.0, 1.0)
    """
    sizes = np.abs(to_numpy(data))
    sizes = sizes[(sizes > 0) & np.isfinite(sizes)].astype(np.float64)
    if not sizes.size:
        return 1.0
    largest = float(sizes.max())  # whose square may be beyond all numbers
    return largest * float(np.sqrt(np.mean((sizes / largest) ** 2)))


def _rounding(gradient: Array, x: Array) -> float:
    """How far the rounding of where a direction leads takes its slope, times the step."""
    return float(np.finfo(np.float64).eps * np.linalg.norm((gradient * x).reshape(-1)))


def _verdict(analytic: Array, number: int, found: Slope) -> str:
    verdicts, _ = _verdicts(analytic[number : number + 1], [found])
    return str(verdicts[0])


def _verdicts(analytic: Array, slopes: Sequence[Slope]) -> tuple[Array, Array]:
    """The verdict of each entry, and the difference that is allowed."""
    numeric = np.array([s.value for s in slopes])
    doubt = np.array([s.doubt for s in slopes])
    is_kink = np.array([s.is_kink for s in slopes], bool)
    lower, upper = _ranges(slopes)
    largest = np.maximum(np.where(np.isfinite(analytic), np.abs(analytic), 0), np.abs(numeric))
    tolerance = RELATIVE_TOLERANCE * np.where(is_kink, np.maximum(np.abs(lower), np.abs(upper)), largest) + doubt
    with np.errstate(invalid="ignore"):
        within = np.isfinite(analytic) & (analytic >= lower - tolerance) & (analytic <= upper + tolerance)
        close = np.isfinite(analytic) & (np.abs(analytic - numeric) <= tolerance)
        conditions = [
            is_kink & within,
            is_kink,
            (analytic == 0) & (numeric == 0),
            np.isfinite(analytic) & ~np.isfinite(numeric),
            np.isfinite(analytic) & (largest > 0) & (largest <= doubt),
            close & (doubt > MOST_DOUBT * largest),
            close,
        ]
    return np.select(conditions, VERDICT_OF, "wrong"), tolerance


def _ranges(slopes: Sequence[Slope]) -> tuple[Array, Array]:
    lower = np.array([np.nan if s.lower is None else s.lower for s in slopes])
    upper = np.array([np.nan if s.upper is None else s.upper for s in slopes])
    return lower, upper


def _report(
    name: str,
    shape: tuple[int, ...],
    indices: Array,
    analytic: Array,
    slopes: Sequence[Slope],
    verdicts: Array,
    tolerances: Array,
) -> InputReport:
    lower, upper = _ranges(slopes)
    numeric, steps = np.array([s.value for s in slopes]), np.array([s.step for s in slopes])
    return InputReport(name, shape, indices, analytic, numeric, lower, upper, tolerances, steps, verdicts)
