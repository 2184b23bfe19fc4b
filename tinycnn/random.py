"""Where random numbers come from: one seed, one counter of calls, and a Philox stream for each call.

A stream depends on (seed, call number) alone, so a dropout mask is the same in every backend and a run is resumed by
storing two integers.
"""

from dataclasses import dataclass

import numpy as np


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
        return np.random.Generator(np.random.Philox(key=np.array(self.next_key(), dtype=np.uint64)))


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
