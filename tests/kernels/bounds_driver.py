"""Run the compiled convolutions with every index checked, after an index too far in a small kernel is shown to be told.

Run in a process of its own, with NUMBA_BOUNDSCHECK=1, NUMBA_FULL_TRACEBACKS=1 and an empty folder as NUMBA_CACHE_DIR:
``python -m tests.kernels.bounds_driver all|planted|some``.

A serial kernel raises IndexError. A parallel one does so too late: on the calling thread the error becomes a
SystemError with IndexError as its cause, and on another thread it is lost. But with full tracebacks each index that is
too far is printed, from any thread, by the compiled code itself; so whoever runs this must look for TOLD in its output.
"""

import sys
from types import ModuleType

import numpy as np
from numba import config, prange, set_num_threads

from tests.kernels.extremes import EXTREMES, NAMED
from tests.kernels.fence_driver import modules
from tests.kernels.truth import DTYPES, Drawn, Truth
from tests.kernels.truth import all_passes as passes_of
from tinycnn.kernels.numba import conv_direct, conv_im2col, threads
from tinycnn.kernels.numba.compile import inlined, kernel, parallel_kernel
from tinycnn.kernels.numpy import conv_im2col as plain

TOLD = "IndexError: index"
SOME = ("stride and dilation", "negative pads", "sums of 257", "a band and one position", "many groups")


@kernel
def serial_overrun(array):
    """One index too far, in a kernel without threads."""
    for i in range(len(array) + 1):
        array[i] = 1


@inlined
def overrun_share(array, thread, count):
    """A thread's share of an array, and the last thread's with an index too far."""
    end = (thread + 1) * len(array) // count + (thread == count - 1)
    for i in range(thread * len(array) // count, end):
        array[i] = 1


@parallel_kernel
def parallel_overrun(array, count):
    """One index too far, in the last of several threads."""
    for thread in prange(count):
        overrun_share(array, np.int64(thread), count)


def plant(call, *arguments) -> None:
    """Call a kernel that goes too far, and say how that ended."""
    print(f"{call.__name__} on {arguments[1:] or 1}:", flush=True)
    try:
        call(*arguments)
        print("nothing was raised", flush=True)
    except (IndexError, SystemError) as error:
        print(f"raised {type(error).__name__}", flush=True)


def overruns() -> None:
    """Too far in a serial kernel, on the thread that calls, and on another."""
    array = np.zeros(16)[:8]  # what lies beyond is there, so that nothing but the check can notice
    plant(serial_overrun, array)
    for count in (1, 2):
        set_num_threads(count)
        plant(parallel_overrun, array, count)


def run(module: ModuleType, name: str, dtype) -> None:
    """All passes over one geometry on one thread and on several, with the right results."""
    truth = Truth(Drawn(EXTREMES[name], seed=5), dtype, plain)
    algorithm = module.__name__.rpartition("_")[2]
    print(f"{algorithm}, {np.dtype(dtype)}, {name}", flush=True)
    for count in range(1, config.NUMBA_NUM_THREADS + 1):
        threads.set_limit(count)
        made = passes_of(module, truth.given, truth.geometry)
        for actual, expected, allowed in zip(made, truth.results, truth.allowed(algorithm), strict=True):
            assert (np.abs(actual - expected) <= allowed).all()


def main(what: str) -> None:
    """Run the planted overruns, or some geometries in float32 without Winograd, or everything."""
    assert config.BOUNDSCHECK, "NUMBA_BOUNDSCHECK=1 is not set"
    assert config.FULL_TRACEBACKS, "NUMBA_FULL_TRACEBACKS=1 is not set"
    if what == "planted":
        overruns()
        return
    threads.GRAIN = 1
    for name in NAMED.keys() & SOME if what == "some" else EXTREMES:
        for dtype in DTYPES[:1] if what == "some" else DTYPES:
            for module in modules(EXTREMES[name]):
                if what == "all" or module in (conv_direct, conv_im2col):
                    run(module, name, dtype)
    print("all inside")


if __name__ == "__main__":
    main(sys.argv[1])
