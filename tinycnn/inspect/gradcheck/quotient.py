"""The slope of a function along one direction, by difference quotients.

With a step h a central quotient errs by about h² where the function bends and by rounding / h, so no one step suits all
functions. From large to small steps, the first two that agree are believed, and what they still differ by is how far.
A step is not believed where another branch won on the way (the watched ones: signs in ReLU, winners in pooling), nor
where the quotient to the right and the one to the left stay apart as the step shrinks, which is how a kink looks that
nobody told of. Where that holds for every step there is a kink within the smallest of them: then there is no slope but
a range, from the left derivative to the right one. It is taken entry by entry of the result, for in each of them
another branch may win.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.gradcheck.replay import Point

STEPS = tuple(10.0**-k for k in range(3, 11))
"""Relative to the scale of what is moved."""

KINK_STEP = 1e-8
"""At which one-sided derivatives are read: they err by about h and by rounding / h."""

AGREEMENT = 1e-6
NOISE_FACTOR = 16.0

NEAR = (0.5, 0.7, 0.9, 1.3, 1.7)
"""Times a step: others that must give the same."""

FAR = (1.0, -1.0, 10.0, -10.0)
"""Relative steps that show on which results an entry has an effect at all."""

GROWTH = 3.0
"""A gap that grows by more, where the step shrinks by ten, is rounding's, which grows tenfold; a kink's stays."""

Move = Callable[[float], tuple[Point, float]]
"""The function a step away, and how long that step was once rounded."""


@dataclass(frozen=True)
class Slope:
    """What the quotients came to.

    Attributes
    ----------
    value
        The derivative, weighted by the upstream gradient.
    parts
        The same, by entry of the result.
    doubt
        How far the value may be off for rounding, and for what two steps differ by.
    step
        The one believed.
    lower, upper
        The range at a kink, else None.
    flips
        At a kink: how many branches change within the step, as far as they are watched.
    """

    value: float
    parts: Array
    doubt: float
    step: float
    lower: float | None = None
    upper: float | None = None
    flips: int = 0

    @property
    def is_kink(self) -> bool:
        """Whether there is only a range."""
        return self.lower is not None


@dataclass(frozen=True)
class Quotients:
    """Right, left and central quotients at one step, by entry of the result and times the upstream gradient."""

    step: float
    flips: int
    right: Array
    left: Array
    parts: Array
    noise: float
    value: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.parts.sum()))

    @cached_property
    def gap(self) -> float:
        """How far right and left are apart."""
        return float(np.abs(self.right - self.left).sum())

    @property
    def is_clean(self) -> bool:
        """Whether the same branches won all the way, and all is finite."""
        return not self.flips and np.isfinite(self.value) and np.isfinite(self.gap)

    def keeps_gap_of(self, larger: Quotients) -> bool:
        """Whether right and left stay apart although the step shrank: the gap of a bend would shrink with it."""
        noise = 2 * NOISE_FACTOR * self.noise + AGREEMENT * float(np.abs(self.parts).sum())
        return 0.5 * larger.gap < self.gap <= GROWTH * larger.gap and self.gap > noise

    def rounding(self, larger: Quotients) -> float:
        """How far rounding takes the value: more than the result's own where the gap grows as the step shrinks."""
        estimated = NOISE_FACTOR * self.noise
        return max(estimated, self.gap) if self.gap > GROWTH * larger.gap else estimated

    def agrees_with(self, larger: Quotients) -> bool:
        """Whether both can be believed."""
        if not (self.is_clean and larger.is_clean) or self.keeps_gap_of(larger):
            return False
        difference, largest = abs(self.value - larger.value), max(abs(self.value), abs(larger.value))
        return difference <= AGREEMENT * largest + self.rounding(larger)

    def slope(self, larger: Quotients) -> Slope:
        """The better of two central quotients, and how far it can be believed.

        Where they differ by more than rounding, the curve bends: the smaller step errs by a hundredth of that, and a
        tenth is allowed for. Else rounding is all, of which the larger step has less.
        """
        difference, rounding = abs(self.value - larger.value), self.rounding(larger)
        if difference > rounding:
            return Slope(self.value, self.parts, rounding + 0.1 * difference, self.step)
        return Slope(larger.value, larger.parts, NOISE_FACTOR * larger.noise + 1.1 * difference, larger.step)

    def range(self) -> Slope:
        """Between the one-sided derivatives, in each entry of the result unless one branch alone changes."""
        sides = np.stack([self.left, self.right])
        if self.flips == 1:
            sides = sides.sum(axis=1, keepdims=True)
        lower, upper = sides.min(axis=0), sides.max(axis=0)
        return Slope(
            self.value,
            self.parts,
            2 * NOISE_FACTOR * self.noise,
            self.step,
            float(lower.sum()),
            float(upper.sum()),
            self.flips,
        )


def slope(move: Move, base: Point, upstream: Array, eps: float, first: int = 0) -> Slope:
    """Find the slope along one direction.

    Parameters
    ----------
    move
        Gives the function at a signed step along it, relative to its scale.
    base
        The function where it is checked.
    upstream
        Weights of the result's entries, flat.
    eps
        Relative rounding of the numbers the function works with.
    first
        Which of `STEPS` to begin with.
    """
    tried: list[Quotients] = []
    for step in STEPS[first:]:
        here = quotients(move, base, upstream, step, eps)
        if not tried and not here.flips and not here.parts.any() and here.gap == 0:
            return here.slope(here)  # nothing moved, so nothing moves at smaller steps
        if tried and here.agrees_with(tried[-1]):
            return here.slope(tried[-1])
        tried.append(here)
    return _unsettled(tried)


def looked_at_twice(found: Slope, move: Move, base: Point, upstream: Array, eps: float) -> Slope:
    """Doubt a slope that contradicts backward by all that can be said against it.

    Two things do not show in two steps that agree: terms inside the function that are larger than its result, whose
    rounding scatters the quotients of steps near by; and results that depend on what was moved too little to move.

    Parameters
    ----------
    found
        What `slope` found.
    move, base, upstream, eps
        As for `slope`.
    """
    near = [quotients(move, base, upstream, found.step * factor, eps) for factor in NEAR]
    sides = [np.array([float(getattr(q, side).sum()) for q in near]) for side in ("left", "right")]
    values = np.array([found.value, *(q.value for q in near)])
    if not np.isfinite([*sides[0], *sides[1], *values]).all():
        return found
    scatter = NOISE_FACTOR * float(np.ptp(values)) / 2
    if found.lower is not None and found.upper is not None:
        blurred = NOISE_FACTOR * float(max(np.ptp(side) for side in sides))
        if found.flips or found.upper - found.lower > blurred:
            return replace(found, doubt=found.doubt + scatter)
        scatter += found.upper - found.lower
    far = [move(step) for step in FAR]
    reached = np.any([point.values != base.values for point, _ in far], axis=0)  # also where it is not finite
    unmoved = float(np.abs(upstream * base.values)[reached].sum()) * eps / (2 * found.step * far[0][1])
    return Slope(float(np.median(values)), found.parts, found.doubt + scatter + NOISE_FACTOR * unmoved, found.step)


def quotients(move: Move, base: Point, upstream: Array, step: float, eps: float) -> Quotients:
    """The quotients at one step."""
    above, up = move(step)
    below, down = move(-step)
    up, down = np.float64(up), np.float64(down)  # 0 where float32 loses the step
    with np.errstate(all="ignore"):  # what is not finite is seen to by `is_clean`
        right = upstream * (above.values - base.values) / up
        left = upstream * (base.values - below.values) / -down
        parts = upstream * (above.values - below.values) / (up - down)
        moved = above.values != below.values
        blurred = moved if moved.any() else np.ones_like(moved)  # nothing moved: perhaps for want of digits
        size = np.maximum(np.abs(above.values), np.abs(base.values))
        noise = float(np.abs(upstream * size)[blurred].sum() * eps / (up - down))
    return Quotients(step, base.flips(above, below), right, left, parts, noise)


def _unsettled(tried: list[Quotients]) -> Slope:
    """No two steps agree: at a kink a range, else the two that come closest, and how far they are apart."""
    pairs = [(a, b) for a, b in pairwise(tried) if a.is_clean and b.is_clean]
    kinks = [b for a, b in pairs if b.keeps_gap_of(a)]
    flipping = [q for q in tried if q.flips and np.isfinite(q.gap)]
    if not pairs and flipping and not tried[-1].is_clean:
        return min(flipping, key=_from_kink_step).range()
    if len(kinks) > 1:  # one may be rounding's
        return min(kinks, key=_from_kink_step).range()
    if pairs:
        larger, smaller = min(pairs, key=lambda pair: abs(pair[0].value - pair[1].value) + pair[1].noise)
        return smaller.slope(larger)
    last = tried[-1]
    return replace(last.slope(last), doubt=NOISE_FACTOR * last.noise + last.gap)


def _from_kink_step(quotients: Quotients) -> float:
    return abs(np.log10(quotients.step / KINK_STEP))
