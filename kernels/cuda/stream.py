"""What the GPU does by itself while the program goes on: copies beside the computing, and graphs of kernels.

A stream is a queue of work for the GPU; what lies in two of them may run at once, and an event in one is what the other
can wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from typing import Any, TypeVar

import cupy
import numpy as np

from tinycnn.arrays import Array
from tinycnn.gpu import capturing
from tinycnn.kernels.cuda.device import explained

Batch = tuple[Array, Array]
Made = TypeVar("Made")
ALIGNMENT = 256  # bytes that arrays in pinned memory start at multiples of, as in the GPU's


class Lane:
    """Pinned memory: the operating system never moves it, so the GPU fetches from it while the program goes on."""

    def __init__(self) -> None:
        self._memory: Any = None
        self._size = 0
        self._free = cupy.cuda.Event(disable_timing=True)
        self.arrived = cupy.cuda.Event(disable_timing=True)

    def send(self, arrays: Sequence[Array], stream: Any) -> list[Array]:
        """Let a stream copy arrays to the GPU. They are there when ``arrived`` has come to pass."""
        self.arrived.synchronize()  # what was sent last has left the pinned memory
        starts = np.cumsum([0, *(-(-array.nbytes // ALIGNMENT) * ALIGNMENT for array in arrays)]).tolist()
        if starts[-1] > self._size:
            self._memory, self._size = cupy.cuda.alloc_pinned_memory(starts[-1]), starts[-1]
        dtypes = [array.dtype.newbyteorder("=") for array in arrays]
        with explained():
            there = [cupy.empty(array.shape, dtype) for array, dtype in zip(arrays, dtypes, strict=True)]
        self._free.record()  # memory that is free to the program may still be read by kernels that have not run yet
        stream.wait_event(self._free)
        for array, dtype, start, target in zip(arrays, dtypes, starts, there, strict=False):
            pinned = np.frombuffer(self._memory, dtype, array.size, start).reshape(array.shape)
            pinned[...] = array
            target.set(pinned, stream=stream)
        self.arrived.record(stream)
        return there


def arriving(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Batches on the GPU, each copied while the one before it is computed on.

    Two lanes of pinned memory take turns: one is filled while the GPU fetches from the other.

    Parameters
    ----------
    batches
        Images and targets in main memory.

    Returns
    -------
    iterator
        The same batches, in the same order; a batch is taken from ``batches`` before the one before it is handed over.
    """
    stream = cupy.cuda.Stream(non_blocking=True)
    lanes = cycle((Lane(), Lane()))
    sent: tuple[Lane, Batch] | None = None
    try:
        for batch in batches:
            lane = next(lanes)
            images, targets = lane.send(batch, stream)
            if sent is not None:
                yield _arrived(*sent)
            sent = lane, (images, targets)
        if sent is not None:
            yield _arrived(*sent)
    finally:
        stream.synchronize()  # also where nobody wants the rest: memory is given back, and copies go on into it


def _arrived(lane: Lane, batch: Batch) -> Batch:
    """A batch that whatever is computed from now on finds complete."""
    cupy.cuda.get_current_stream().wait_event(lane.arrived)
    return batch


class Graph:
    """Kernels and all that lies between them, recorded once and started again by a single call.

    Parameters
    ----------
    work
        Called once, to be recorded: nothing of it is done. It may not wait for the GPU, so it reads no number from it.
        The numbers that kernels are given, and where their arrays lie, are recorded too.

    Attributes
    ----------
    made
        What ``work`` returned: arrays that hold results after each `launch`.

    Raises
    ------
    RuntimeError
        CUDA's or CuPy's, where something in ``work`` cannot be recorded.
    """

    def __init__(self, work: Callable[[], Made]):
        # Nobody else may get the memory in between, so it comes from a pool that lives as long as the graph.
        self._pool = cupy.cuda.MemoryPool()
        stream = cupy.cuda.Stream(non_blocking=True)
        with stream, cupy.cuda.using_allocator(self._pool.malloc), capturing():
            stream.begin_capture()
            try:
                self.made = work()
            except BaseException:
                with suppress(cupy.cuda.runtime.CUDARuntimeError):  # the first error is the one to tell
                    stream.end_capture()
                raise
            self._graph = stream.end_capture()

    def launch(self) -> None:
        """Do on the current stream what was recorded."""
        self._graph.launch()
