"""Which algorithm is the fastest, where one is: the winner of every run, and by more than two runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

RUNS = 5  # that agree, by chance, once in sixteen times where two are equally fast
MARGIN = 1.05  # nearer than this is a tie: by so much a figure moves with where memory lies
WIDE = 1.2  # the same, of fewer runs


class Verdict(NamedTuple):
    """The outcome of one row.

    Attributes
    ----------
    winner
        The fastest; of those in a tie, the one with the least median.
    tied
        Those that it cannot be told apart from, itself first; nothing where it wins.
    ahead
        How many times as long as the winner the next one takes; 1 where there is none.
    """

    winner: str
    tied: tuple[str, ...]
    ahead: float


def verdict(seconds: Mapping[str, Sequence[float]]) -> Verdict:
    """Compare algorithms that were each measured in the same runs.

    Parameters
    ----------
    seconds
        Of each algorithm, a median for each run; one alone stands for all of them.

    Examples
    --------
    >>> verdict({"direct": [3.0, 3.0], "im2col": [2.0, 2.0]})
    Verdict(winner='im2col', tied=(), ahead=1.5)
    >>> verdict({"direct": [3.0, 3.0], "im2col": [2.0, 3.1]}).tied
    ('im2col', 'direct')
    >>> verdict({"direct": [3.0, 3.0], "im2col": [2.8, 2.8]}).tied  # two runs are few
    ('im2col', 'direct')
    """
    most = max(map(len, seconds.values()))
    seconds = {name: [*found] * (most if len(found) == 1 else 1) for name, found in seconds.items()}
    first, *others = sorted(seconds, key=lambda name: median(seconds[name]))
    ratios = {name: [a / b for a, b in zip(seconds[name], seconds[first], strict=True)] for name in others}
    margin = MARGIN if len(seconds[first]) >= RUNS else WIDE
    tied = tuple(name for name, found in ratios.items() if min(found) <= 1 or median(found) < margin)
    ahead = min((median(found) for found in ratios.values()), default=1.0)
    return Verdict(first, (first, *tied) if tied else (), ahead)
