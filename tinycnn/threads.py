"""How many threads the kernels may use, and that those of Numba and of the BLAS are never awake at once."""

from __future__ import annotations

import os
import sys
from typing import Any

from tinycnn import checks

MOST = 1024
_asked: list[int] = []  # the number last set; none at first
_at_first: list[int] = []  # threads of the BLAS before it was first held
_running = {"backend": "numpy"}
_known: dict[str, int] = {}  # what `remembered_threads_of` found since the last change


def set_num_threads(count: int) -> None:
    """Let the kernels use this many threads, from now on, in the whole process.

    On the numpy backend these are the threads of the BLAS that NumPy's matrix products run on; on numba they are
    Numba's, at most as many as it was started with (the cores, or NUMBA_NUM_THREADS), and the BLAS is held at one:
    threads of two kinds that wait for each other on the same cores can slow a step down tenfold.

    Parameters
    ----------
    count
        From 1 to 1024; more than there are cores makes all slower, as they wait for each other.

    Raises
    ------
    ValueError, TypeError
        For anything else.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.set_num_threads(1)
    """
    _asked[:] = [checks.count("set_num_threads", "count", count, least=1, most=MOST)]
    _apply()


def share_out(backend: str) -> None:
    """Give the threads to this backend; called when it is chosen, and when it is first used."""
    _running["backend"] = backend
    _apply()


def num_threads() -> int:
    """Threads that the kernels of the backend in use may use now."""
    return threads_of(_running["backend"])


def threads_of(backend: str) -> int:
    """Threads that the kernels of a loaded backend may use now."""
    return int(_numba_threads().limit()) if backend == "numba" else _blas_threads()


def remembered_threads_of(backend: str) -> int:
    """What `threads_of` said first after the last change made here: to ask the BLAS takes as long as a small layer."""
    if backend not in _known:
        _known[backend] = threads_of(backend)
    return _known[backend]


def cores() -> int:
    """Processor cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def _apply() -> None:
    from threadpoolctl import threadpool_limits

    _known.clear()
    _at_first[:] = _at_first or [_blas_threads()]
    if _running["backend"] == "numba":
        threadpool_limits(1, user_api="blas")
        for count in _asked:
            _numba_threads().set_limit(count)
    else:
        threadpool_limits((_asked or _at_first)[0], user_api="blas")


def _blas_threads() -> int:
    from threadpoolctl import threadpool_info

    counts = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    return max(counts, default=1)


def _numba_threads() -> Any:
    return sys.modules["tinycnn.kernels.numba.threads"]  # loaded with the backend, and by nothing else
