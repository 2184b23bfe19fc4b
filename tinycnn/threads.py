"""How many threads the kernels may use."""

from __future__ import annotations

import os

from tinycnn import checks

MOST = 1024


def set_num_threads(count: int) -> None:
    """Let the BLAS that NumPy's matrix products run on use this many threads, from now on, in the whole process.

    Small networks such as LeNet-5 run best on one: their products are too small to be shared, and threads that wait
    for each other on a busy machine can slow a step down tenfold.

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
    from threadpoolctl import threadpool_limits

    threadpool_limits(checks.count("set_num_threads", "count", count, least=1, most=MOST), user_api="blas")


def num_threads() -> int:
    """Threads that NumPy's BLAS uses now."""
    from threadpoolctl import threadpool_info

    counts = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    return max(counts, default=1)


def cores() -> int:
    """Processor cores that this process may run on."""
    return len(os.sched_getaffinity(0))
