"""How the simple kernels share their work: consecutive chunks of the outermost axis, one a thread, or all in one.

To start threads and wait for them costs some microseconds, more than most of LeNet-5's smaller arrays take in all. So
each kernel is compiled as a loop over all that it is given, and called with everything where there is one chunk; where
there are several, a second kernel calls it with slices, within ``numba.prange``. That one costs a second to compile,
and only where it is needed. The loop sees whole arrays and runs from 0 to their length, and so Numba leaves out what it
must otherwise compute for each index that could be negative, and vectorises.

No number is made of two chunks' numbers: how many threads there are changes no bit of any result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinycnn.arrays import Array
from tinycnn.kernels.numba.compile import inlined
from tinycnn.kernels.numba.threads import ALONE, limit
from tinycnn.kernels.numba.workspace import contiguous

# Entries (of a loop that does next to nothing with each) from which threads pay: on two cores of an AMD EPYC a region
# costs 3 to 5 µs, and ReLU alone on 64Ki float32 entries takes 7 µs from the cache and 15 µs from memory.
SERIAL = 1 << 16


def chunks(entries: int, items: int, weight: int = 1) -> int:
    """Into how many chunks to cut ``items``, which hold all ``entries``, each ``weight`` times the work of a ReLU's."""
    if entries * weight < SERIAL:
        return 1
    return max(1, min(limit(), items))


def share(loop: Callable[..., None], loops: Callable[..., None], count: int, *arguments: Any) -> None:
    """Run a loop over everything at once, or over ``count`` chunks in threads."""
    if count == 1:
        loop(*arguments)
    else:
        with ALONE:
            loops(*arguments, count)


@inlined
def bounds(chunk, count, items):
    """First item of a chunk, and the first of the next."""
    return chunk * items // count, (chunk + 1) * items // count


def flat(x: Array) -> Array:
    """The same in one row: (…) -> (entries,)."""
    return contiguous(x).reshape(-1)
