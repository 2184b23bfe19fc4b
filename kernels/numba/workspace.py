"""Memory that lives across steps: arrays whose memory is used again once nobody holds them.

A fresh large array costs a page fault every 4 KiB, often more than the work done on it. So kernels take their results
and their scratch memory from here. A buffer is free again when nothing but this list refers to it: every view of an
array refers to the array that owns the memory, and so the interpreter's own count of references says when.
"""

from __future__ import annotations

import math
import sys
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np

from tinycnn.arrays import Array, Recycled

SMALLEST = 1 << 15  # bytes; below, the allocator of NumPy keeps memory itself
PATIENCE = 2048  # requests after which a buffer that nobody asked for again is given back; a VGG step makes hundreds
ALIGNMENT = 64  # bytes of a cache line


class _Buffer:
    """A piece of memory, and when it was asked for last."""

    __slots__ = ("last", "memory", "start")

    def __init__(self, size: int):
        self.memory = Recycled(size + ALIGNMENT, np.uint8)
        self.start = -self.memory.ctypes.data % ALIGNMENT
        self.last = 0


class Workspace:
    """Buffers by size, handed out again when free."""

    def __init__(self) -> None:
        self._buffers: dict[int, list[_Buffer]] = {}
        self._lock = Lock()
        self._requests = 0

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array with undefined contents, as `numpy.empty` gives it."""
        dtype = np.dtype(dtype)
        needed = math.prod(shape) * dtype.itemsize
        if needed < SMALLEST:
            return np.empty(shape, dtype)
        with self._lock:
            buffer = self._free(_rounded(needed))
            self._requests += 1
            buffer.last = self._requests
            if self._requests % PATIENCE == 0:
                self._give_back()
            return np.ndarray(shape, dtype, buffer.memory, buffer.start)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array of zeros."""
        array = self.empty(shape, dtype)
        array.fill(0)
        return array

    def release(self) -> None:
        """Let go of all buffers; arrays in use keep their memory by themselves."""
        with self._lock:
            self._buffers.clear()

    @property
    def bytes(self) -> int:
        """Memory held, in use or free."""
        with self._lock:
            return sum(buffer.memory.nbytes for buffers in self._buffers.values() for buffer in buffers)

    def _free(self, size: int) -> _Buffer:
        buffers = self._buffers.setdefault(size, [])
        for buffer in buffers:
            if sys.getrefcount(buffer.memory) == 2:  # the buffer's own reference and this call's
                return buffer
        buffers.append(_Buffer(size))
        return buffers[-1]

    def _give_back(self) -> None:
        """Let go of what nobody has asked for in a long time; arrays in use keep their memory by themselves."""
        for buffers in self._buffers.values():
            buffers[:] = [buffer for buffer in buffers if self._requests - buffer.last < PATIENCE]


@lru_cache(maxsize=4096)
def _rounded(size: int) -> int:
    """The next of sixteen sizes between two powers of two, so that nearly equal requests share buffers."""
    step = 1 << max(0, size.bit_length() - 5)
    return -(-size // step) * step


WORKSPACE = Workspace()
empty, zeros = WORKSPACE.empty, WORKSPACE.zeros


def contiguous(array: Array) -> Array:
    """The array as the compiled kernels take it, C-contiguous and writable though they do not write: itself or a copy.

    Numba compiles a second version for read-only arrays, which are too rare to wait for.
    """
    return array if array.flags.carray else np.array(array, order="C")
