"""Random numbers of a gradient check: a stream for each use, none of which is that of the bare seed.

Inputs are often drawn from the bare seed, and an upstream gradient that equals its input hides where they are mixed up.
"""

from enum import IntEnum

import numpy as np


class Draw(IntEnum):
    """What a stream is for."""

    UPSTREAM = 1
    DIRECTIONS = 2
    ASIDE = 3
    SAMPLE = 4


def stream(seed: int, use: Draw, number: int = 0) -> np.random.Generator:
    """A generator that depends on all three."""
    return np.random.default_rng((seed, use, number))
