"""The most that this machine can do: float32 operations a second in registers, bytes a second from main memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np

from tinycnn.benchmarks.processes import worker

ROUNDS = 8  # the best counts: whatever else the machine does can only slow one down
SECONDS = 0.04  # of one round
STREAM = 1 << 24  # floats in each of three arrays, 64 MiB: more than the caches of most processors hold
PIECE = 1 << 16  # floats that one call of NumPy adds
MATRIX = 2048


def peaks(threads: int) -> dict[str, Any]:
    """Measure both, on so many threads, in a process of their own.

    Returns
    -------
    dict
        ``flops`` a second, ``bytes`` a second, and ``flops_by``: ``"fused multiply-adds in registers"``, or
        ``"sgemm"`` where Numba is absent, which is what NumPy's BLAS reaches and so no upper bound.
    """
    with worker("the measurement of the peaks", Machine, threads, threads=threads) as asked:
        found: dict[str, Any] = asked.ask("peaks")
        return found


class Machine:
    """Measures, in the worker's process."""

    def __init__(self, threads: int):
        self.threads = threads

    def peaks(self) -> dict[str, Any]:
        """See `peaks`."""
        try:
            flops, by = self._in_registers(), "fused multiply-adds in registers"
        except ModuleNotFoundError:
            flops, by = self._sgemm(), "sgemm"
        return {"flops": flops, "flops_by": by, "bytes": self._added(), "threads": self.threads}

    def _in_registers(self) -> float:
        from tinycnn.benchmarks.registers import FLOPS, spin

        spin(1 << 16)
        spin(1 << 16)
        start = perf_counter()
        spin(1 << 16)
        count = max(1, int((1 << 16) * SECONDS / (perf_counter() - start)))
        with _in_parallel([lambda: spin(count)] * self.threads) as run:
            return FLOPS * count * self.threads / _best(run)

    def _sgemm(self) -> float:
        a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
        out = np.empty_like(a)
        return 2 * MATRIX**3 / _best(lambda: np.matmul(a, a, out))

    def _added(self) -> float:
        """Bytes of c = a + b, two read and one written, without the reading of c that most caches add."""
        a, b, c = np.ones(STREAM, np.float32), np.ones(STREAM, np.float32), np.empty(STREAM, np.float32)

        def add(part: slice) -> None:
            for start in range(part.start, part.stop, PIECE):
                piece = slice(start, min(start + PIECE, part.stop))
                np.add(a[piece], b[piece], out=c[piece])

        bounds = np.linspace(0, STREAM, self.threads + 1).astype(int).tolist()
        parts = [slice(*ends) for ends in pairwise(bounds)]
        with _in_parallel([partial(add, part) for part in parts]) as run:
            return 3 * a.nbytes / _best(run)


def _best(run: Callable[[], Any]) -> float:
    """Seconds of the fastest of some calls."""
    taken = []
    for _ in range(ROUNDS):
        start = perf_counter()
        run()
        taken.append(perf_counter() - start)
    return min(taken)


@contextmanager
def _in_parallel(runs: Sequence[Callable[[], Any]]) -> Iterator[Callable[[], Any]]:
    """A function that runs all of them at once, each in a thread that waits for it."""
    with ThreadPoolExecutor(len(runs)) as pool:
        yield lambda: [future.result() for future in [pool.submit(run) for run in runs]]
