"""Arrays with a fence beside them: bytes that must not change, or a page that must not be touched at all."""

import ctypes
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tinycnn.kernels.numba import channel_lanes, conv_winograd, image_lanes, lane_pooling, launch, pooling, row_lanes

Array = np.ndarray
Empty = Callable[[tuple[int, ...], Any], Array]

# that take memory from the workspace
MODULES = (launch, channel_lanes, image_lanes, row_lanes, lane_pooling, conv_winograd, pooling)
GUARD = 4096  # bytes on each side
NAN = 0xFF  # a byte of which all floating-point numbers made are NaN
PROT_NONE = 0


@contextmanager
def memory_from(empty: Empty) -> Iterator[None]:
    """Let convolutions and pooling take all results and scratch memory from here."""
    with pytest.MonkeyPatch.context() as patch:
        for module in MODULES:
            patch.setattr(module, "empty", empty)
        for module in (launch, image_lanes):
            patch.setattr(module, "zeros", lambda shape, dtype: filled(empty(shape, dtype), 0))
        yield


def filled(array: Array, value: float) -> Array:
    """The array, after it was filled."""
    array[...] = value
    return array


class Guarded:
    """Memory full of NaN, with more NaN on both sides that must stay as it is."""

    def __init__(self) -> None:
        self.buffers: list[Array] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array in the middle of a buffer of its own."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        buffer = np.full(size + 2 * GUARD, NAN, np.uint8)
        self.buffers.append(buffer)
        return buffer[GUARD : GUARD + size].view(dtype).reshape(shape)

    def assert_untouched(self) -> None:
        """No byte of any guard has changed."""
        for buffer in self.buffers:
            assert (buffer[:GUARD] == NAN).all(), f"written before the {buffer.size - 2 * GUARD} bytes of an array"
            assert (buffer[-GUARD:] == NAN).all(), f"written after the {buffer.size - 2 * GUARD} bytes of an array"


_libc = ctypes.CDLL(None, use_errno=True)


class Fenced:
    """Memory that begins or ends where the processor lets nobody read or write: who does is killed at once."""

    def __init__(self, at_end: bool):
        self.at_end = at_end
        self._maps: list[mmap.mmap] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array full of NaN whose last number, or first, lies beside a forbidden page."""
        size, page = int(np.prod(shape)) * np.dtype(dtype).itemsize, mmap.PAGESIZE
        room = -(-max(size, 1) // page) * page
        area = mmap.mmap(-1, room + 2 * page)
        self._maps.append(area)
        memory = np.frombuffer(area, np.uint8)
        memory[...] = NAN
        for start in (0, page + room):
            if _libc.mprotect(ctypes.c_void_p(memory.ctypes.data + start), ctypes.c_size_t(page), PROT_NONE):
                raise OSError(ctypes.get_errno(), "mprotect")
        start = page + room - size if self.at_end else page
        return memory[start : start + size].view(dtype).reshape(shape)

    def copy(self, array: Array) -> Array:
        """The same numbers beside a fence."""
        made = self.empty(array.shape, array.dtype)
        made[...] = array
        return made

    def take_down(self) -> None:
        """Allow the pages again, so that the memory can be given back."""
        for area in self._maps:
            address = ctypes.addressof(ctypes.c_char.from_buffer(area))
            _libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(len(area)), mmap.PROT_READ | mmap.PROT_WRITE)
        self._maps.clear()
