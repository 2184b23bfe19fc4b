"""The stand-in for CuPy's streams, events, graphs and pools of memory.

Kernels run at once. A copy from pinned memory on a stream of its own is made only when somebody waits for it: so what
is read before it has arrived is still NaN, and pinned memory that is written to too early arrives as what was written.

While a stream is captured nothing is done: what would be is kept, and done when the graph is launched. Waiting is
refused, and so is cuBLAS, as CuPy refuses it. A graph holds no memory: launched after its pool is gone, or an array
that it reads or writes, it is what CUDA calls an illegal address.
"""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np

Work = Callable[[], object]
_clock = itertools.count(1)


def now() -> int:
    """The time, which is another whenever it is asked for."""
    return next(_clock)


class CUDARuntimeError(RuntimeError):
    """CuPy's."""


class Event:
    """A place in a stream's work. One that was never recorded has come to pass."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False):
        self.stream: Stream | None = None
        self.place = self.time = 0
        self.seconds = None if disable_timing else 0.0

    def record(self, stream: Stream | None = None) -> None:
        self.stream = stream or current_stream()
        self.place, self.time = self.stream.asked, now()
        if self.seconds is not None:
            self.seconds = perf_counter()

    def synchronize(self) -> None:
        wait("Event.synchronize")
        self.reach()

    def reach(self) -> None:
        """Do what was asked of the stream before this was recorded."""
        if self.stream is not None:
            self.stream.catch_up(self.place)

    def as_it_is(self) -> Event:
        """Another event of the same place, for who waits does not wait for what is recorded later."""
        same = Event()
        same.stream, same.place, same.time = self.stream, self.place, self.time
        return same


def elapsed(start: Event, end: Event) -> float:
    """Milliseconds between two events."""
    assert start.seconds, "an event without timing, or never recorded, has no time"
    assert end.seconds, "an event without timing, or never recorded, has no time"
    return 1e3 * (end.seconds - start.seconds)


_streams: weakref.WeakSet[Any] = weakref.WeakSet()


def unfinished() -> int:
    """How much was asked of streams beside the null one and is not done."""
    return sum(stream.asked - stream.done for stream in _streams if stream is not NULL)


class Stream:
    """Copies, and waits for other streams, in their order; all of it is done when this stream is waited for."""

    def __init__(self, null: bool = False, non_blocking: bool = False):
        self.ptr = 0 if null else now()
        self.non_blocking = non_blocking
        _streams.add(self)
        self.waited = 0  # up to when this stream knows the work of the others to be done
        self.asked = self.done = 0
        self._queue: deque[Work] = deque()

    def __enter__(self) -> Stream:
        _current.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        assert _current.pop() is self

    def ask(self, work: Work) -> None:
        """Put something into the queue."""
        self._queue.append(work)
        self.asked += 1

    def catch_up(self, place: int | None = None) -> None:
        """Do what is in the queue, up to a place."""
        while self.done < (self.asked if place is None else place):
            self._queue.popleft()()
            self.done += 1

    def synchronize(self) -> None:
        wait("Stream.synchronize")
        self.catch_up()

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        self.ask(event.as_it_is().reach)
        self.waited = max(self.waited, event.time)

    def is_capturing(self) -> bool:
        return capture() is not None and _captures[-1].stream is self

    def begin_capture(self, mode: Any = None) -> None:
        if not self.non_blocking:
            raise CUDARuntimeError(
                "cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing"
            )
        _captures.append(Capture(self))

    def end_capture(self) -> Graph:
        made = _captures.pop()
        assert made.stream is self
        if made.is_invalid:
            raise CUDARuntimeError("cudaErrorStreamCaptureInvalidated: operation failed due to a previous error")
        return Graph(made)


NULL = Stream(null=True)
_current = [NULL]


def current_stream() -> Stream:
    return _current[-1]


class Capture:
    """What is asked of a stream while it is captured."""

    def __init__(self, stream: Stream):
        self.stream, self.work = stream, list[Work]()
        self.memory = list[np.ndarray]()  # that was asked for meanwhile: the pool keeps it
        self.used: dict[int, weakref.ref[Any]] = {}  # arrays and pools, by id, so that each is held against once
        self.is_invalid = False

    def keep(self, work: Work, arrays: Iterable[Any]) -> None:
        """Do this when the graph is launched, to these arrays."""
        self.work.append(work)
        for array in arrays:
            owner = array if array.base is None else array.base
            used = owner.pool() if owner.pool is not None else owner
            self.used[id(used)] = weakref.ref(used)


_captures: list[Capture] = []


def capture() -> Capture | None:
    """The one that the current stream is in."""
    return _captures[-1] if _captures and _captures[-1].stream is current_stream() else None


def do(work: Work, arrays: Iterable[Any]) -> None:
    """Do something to arrays, now, or whenever the graph is launched that is being captured."""
    if (capturing := capture()) is not None:
        capturing.keep(work, arrays)
    else:
        current_stream().catch_up()
        work()


def wait(what: str) -> None:
    """As CUDA does while a stream is captured; else wait for the current stream."""
    if (capturing := capture()) is not None:
        capturing.is_invalid = True
        raise CUDARuntimeError(f"cudaErrorStreamCaptureUnsupported: {what} while a stream is captured")
    current_stream().catch_up()


class Graph:
    """What was captured."""

    def __init__(self, made: Capture):
        self._work, self._used, self._memory = made.work, list(made.used.values()), made.memory

    def launch(self, stream: Stream | None = None) -> None:
        if not all(used() is not None for used in self._used):
            raise CUDARuntimeError("cudaErrorIllegalAddress: a graph was launched whose memory had been given back")
        current_stream().catch_up()
        for piece in self._work:
            piece()


class Pool:
    """Of memory: whoever asks gets some; what was given is no more when the pool is no more."""

    def __init__(self, allocator: Any = None):
        pass

    def free_bytes(self) -> int:
        return 0

    def used_bytes(self) -> int:
        return sum(owner._memory.nbytes for owner in _owners.values())

    def malloc(self, size: int) -> Any:
        raise NotImplementedError("arrays of the stand-in only ask whose malloc it is")


_allocators: list[Any] = [None]


@contextmanager
def using_allocator(allocator: Any = None) -> Iterator[None]:
    _allocators.append(allocator)
    try:
        yield
    finally:
        _allocators.pop()


class OutOfMemoryError(MemoryError):
    """CuPy's."""


LIMIT: dict[str, int] = {}
"""``bytes`` that one array may have, where set."""

_owners: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""Arrays that own memory, by its address."""


def allocated(array: Any, memory: np.ndarray) -> weakref.ref[Pool] | None:
    """The pool that an array's new memory is from; None for the default one, which lives for ever."""
    if memory.nbytes > LIMIT.get("bytes", memory.nbytes):
        raise OutOfMemoryError(f"Out of memory allocating {memory.nbytes:,} bytes (allocated so far: 0 bytes).")
    _owners[memory.ctypes.data] = array
    if (capturing := capture()) is not None:
        assert _allocators[-1] is not None, "memory of a graph must come from a pool of its own, which no other asks"
        capturing.memory.append(memory)
    return None if _allocators[-1] is None else weakref.ref(_allocators[-1].__self__)


class PinnedMemoryPointer(np.ndarray):
    """Pinned memory, as a buffer."""


_pinned: weakref.WeakSet[Any] = weakref.WeakSet()


class _Range:
    def __init__(self, memory: np.ndarray):
        self.start = memory.ctypes.data
        self.end = self.start + memory.nbytes


def alloc_pinned_memory(size: int) -> Any:
    memory = np.zeros(size, np.int8).view(PinnedMemoryPointer)
    found = _Range(memory)
    memory.found = found  # type: ignore[attr-defined]
    _pinned.add(found)
    return memory


def is_pinned(array: np.ndarray) -> bool:
    """Whether an array lies in pinned memory."""
    start = array.ctypes.data
    return any(found.start <= start and start + array.nbytes <= found.end for found in _pinned)
