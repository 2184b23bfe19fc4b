"""Where random numbers come from: one seed, and a Philox stream for each thing that is drawn.

A stream depends on (seed, purpose, number) alone: on the number of the call for first weights and dropout masks, which
a counter counts, and on the epoch for what a data set is drawn from. So a dropout mask is the same in every backend, a
run is resumed by storing two integers, and no two things are drawn from the same numbers.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for: the top byte of the second word of its key."""

    LAYERS = 0  # first weights and dropout masks, by call
    ORDER = 1  # of the images, by epoch
    CHANGES = 2  # of augmentation, by epoch
    HOLD_OUT = 3


def stream(seed: int, purpose: Purpose, number: int = 0) -> np.random.Generator:
    """NumPy's generator over the Philox stream of (seed, purpose, number); seed below 2**64, number below 2**56."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, purpose << 56 | number], np.uint64)))


@dataclass
class Generator:
    """Hands out independent streams: the key of each is (seed, number of the call)."""

    seed: int = 0
    calls: int = 0

    def next_key(self) -> tuple[int, int]:
        """Key of the next stream, two 64-bit words for Philox."""
        key = (self.seed, self.calls)
        self.calls += 1
        return key

    def next_stream(self) -> np.random.Generator:
        """NumPy's generator over the next stream."""
        seed, call = self.next_key()
        return stream(seed, Purpose.LAYERS, call)


default_generator = Generator()


def manual_seed(seed: int) -> None:
    """Restart every random choice of the engine (initial weights, dropout masks) from ``seed``.

    Raises
    ------
    ValueError
        When ``seed`` is not an integer from 0 to 2**64 - 1.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.manual_seed(1)
    >>> first = tc.nn.Linear(3, 2).weight.data
    >>> tc.manual_seed(1)
    >>> bool((tc.nn.Linear(3, 2).weight.data == first).all())
    True
    """
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise ValueError(f"manual_seed takes an integer from 0 to 2**64 - 1, got {seed!r}")
    default_generator.seed, default_generator.calls = int(seed), 0
