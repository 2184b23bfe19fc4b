"""How the difference quotient depends on its step: too large and the curve bends, too small and digits are lost."""

from __future__ import annotations

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.gradcheck.judge import Judge
from tinycnn.inspect.gradcheck.report import Sweep

STEPS = tuple(10.0**-k for k in range(1, 13))
ENTRIES = 20
"""Of an input, evenly spread, of whose errors the median is shown."""


def swept(judge: Judge, number: int, indices: Array) -> Sweep:
    """The error of one input's quotients against what backward gave, by step.

    Parameters
    ----------
    judge
        Of the check.
    number
        Of the input.
    indices
        (k, ndim) entries to choose from; those whose gradient is 0 tell nothing.
    """
    tensor, gradient = judge.replay.checked[number], judge.gradients[number]
    places = [place for place in (tuple(map(int, index)) for index in indices) if gradient[place]]
    places = places[:: max(1, len(places) // ENTRIES)][:ENTRIES]
    errors = []
    for place in places:
        analytic = float(gradient[place])
        found = np.array([judge.quotient(number, place, step) for step in STEPS])
        errors.append(np.abs(found - analytic) / np.maximum(np.abs(found), abs(analytic)))
    medians = np.median(errors, axis=0) if errors else np.full(len(STEPS), np.nan)
    return Sweep(str(tensor.dtype), STEPS, tuple(map(float, medians)))
