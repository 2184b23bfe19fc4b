"""How long work takes on a GPU, by CUDA's events, and the most that the GPU can do."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import numpy as np

import tinycnn as tc

FLUSH = 1 << 29  # bytes written before a sample, several times an L2 cache
WARM_UP = 3  # calls: kernels are compiled, memory is asked for
MATRIX = 8192  # rows and columns of the product that tells the peak
COPIED = 1 << 30  # bytes of the copy that does

Run = Callable[[], Any]


class Clock(NamedTuple):
    """Times work on the current GPU, in the same way for CuPy and for PyTorch.

    Before each sample more memory is written than the L2 cache holds. The work finds nothing of its arrays there; and
    Python gets ahead of the GPU, which is busy, so that what it takes to start a kernel is not measured, unless the
    work has many that are short.

    Attributes
    ----------
    flush
        Writes that memory.
    event
        Makes an event.
    milliseconds
        Between two events that have come to pass.
    """

    flush: Run
    event: Callable[[], Any]
    milliseconds: Callable[[Any, Any], float]

    def warm_up(self, run: Run) -> None:
        """Let what happens once happen now."""
        for _ in range(WARM_UP):
            run()

    def samples(self, run: Run, count: int) -> list[float]:
        """Seconds of each of so many calls."""
        pairs = [(self.event(), self.event()) for _ in range(count)]
        for start, end in pairs:
            self.flush()
            start.record()
            run()
            end.record()
        pairs[-1][1].synchronize()
        return [self.milliseconds(start, end) / 1e3 for start, end in pairs]


def cupy_clock() -> Clock:
    """For work that CuPy starts."""
    import cupy

    other = cupy.empty(FLUSH, np.uint8)
    return Clock(lambda: other.fill(0), cupy.cuda.Event, cupy.cuda.get_elapsed_time)


def torch_clock() -> Clock:
    """For work that PyTorch starts."""
    import torch

    other = torch.empty(FLUSH, dtype=torch.uint8, device="cuda")
    return Clock(other.zero_, lambda: torch.cuda.Event(enable_timing=True), lambda start, end: start.elapsed_time(end))


def peaks(clock: Clock, samples: int) -> dict[str, float]:
    """The most that this GPU was seen to do a second.

    Returns
    -------
    dict
        Operations in ``float32`` and in ``tf32``, of a large product of matrices by cuBLAS; ``bytes``, of a copy.
    """
    import cupy

    from tinycnn.kernels.cuda.product import matmul

    rng = np.random.default_rng(0)
    a, b = (cupy.asarray(rng.random((MATRIX, MATRIX), np.float32) - np.float32(0.5)) for _ in range(2))
    seconds = {}
    for mode, allowed in (("float32", False), ("tf32", True)):
        with tc.allow_tf32(allowed):
            clock.warm_up(lambda: matmul(a, b))
            seconds[mode] = median(clock.samples(lambda: matmul(a, b), samples))
    x, y = cupy.zeros(COPIED, np.uint8), cupy.zeros(COPIED, np.uint8)
    clock.warm_up(lambda: cupy.copyto(y, x))
    copying = median(clock.samples(lambda: cupy.copyto(y, x), samples))
    return {mode: 2 * MATRIX**3 / taken for mode, taken in seconds.items()} | {"bytes": 2 * COPIED / copying}
