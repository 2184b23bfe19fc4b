"""How many threads a piece of work is worth: as many as allowed, but one where starting the others costs more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
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


@contextmanager
def team(work: int, pieces: int) -> Iterator[int]:
    """Let the parallel loops inside run on as many threads as the work and its number of pieces are worth."""
    count = max(1, min(_limit[0], pieces, work // GRAIN))
    allowed = get_num_threads()
    with ALONE:
        if count == allowed:
            yield count
            return
        set_num_threads(count)
        try:
            yield count
        finally:
            set_num_threads(allowed)
