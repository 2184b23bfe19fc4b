"""How many threads a piece of work is worth: as many as allowed, but one where starting the others costs more."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from threading import RLock

from numba import config, get_num_threads, set_num_threads, threading_layer

GRAIN = 1 << 18  # multiply-adds a thread: 10 µs at 50 GFLOP/s, where a parallel region costs 3 to 5
get_num_threads()  # loads the threading layer, so that it can be asked for
ALONE: AbstractContextManager[object] = RLock() if threading_layer() == "workqueue" else nullcontext()
"""Held while loops run in parallel: Numba's workqueue ends the process where two threads start loops at once."""
_limit = [config.NUMBA_NUM_THREADS]


def limit() -> int:
    """Threads that kernels may use."""
    return _limit[0]


def set_limit(count: int) -> None:
    """Let kernels use so many threads, or as many as Numba was started with, where that is less."""
    _limit[0] = min(count, config.NUMBA_NUM_THREADS)


class team:
    """Let the parallel loops inside run on as many threads as the work and its number of pieces are worth.

    ``with team(work, pieces) as threads`` says how many. A class, as entering a generator's block takes a microsecond
    more, and a small layer's pass enters several.
    """

    def __init__(self, work: int, pieces: int):
        self._count = max(1, min(_limit[0], pieces, work // GRAIN))

    def __enter__(self) -> int:
        ALONE.__enter__()
        self._allowed = get_num_threads()
        if self._count != self._allowed:
            set_num_threads(self._count)
        return self._count

    def __exit__(self, *error: object) -> None:
        if self._count != self._allowed:
            set_num_threads(self._allowed)
        ALONE.__exit__(None, None, None)
