"""Make and call two small kernels as tinycnn.kernels.numba makes its own, in a process in which nothing is warm.

``python compile_driver.py`` prints what they gave and where they were kept; with "nobody" it makes them as a user who
may not write where others keep things, and with "twice" it calls one of them with a second type.
"""

import sys
import warnings

from tests.rights import without_rights
from tinycnn.kernels.numba import compile as compiling


def double(array):
    """Twice each number, in place."""
    for i in range(len(array)):
        array[i] *= 2


def triple(array):
    """Three times each number, in place."""
    for i in range(len(array)):
        array[i] *= 3


def main(*words: str) -> None:
    """Make the kernels, call them, and tell."""
    import numpy as np

    for function in (double, triple):
        function.__module__ = "tinycnn.kernels.numba.threads"  # as if it stood there
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        if "nobody" in words:
            with without_rights():
                made = [compiling.kernel(function) for function in (double, triple)]
        else:
            made = [compiling.kernel(function) for function in (double, triple)]
        for dtype in (np.float64, np.float32) if "twice" in words else (np.float64,):
            array = np.arange(5, dtype=dtype)
            for kernel in made:
                kernel(array)
            print(array.tolist())
    for kernel in made:
        print("kept in", kernel.stats.cache_path)
        print("found", sum(kernel.stats.cache_hits.values()))
    print("compiled", compiling.has_compiled())
    for warning in told:
        print(f"{warning.category.__name__}: {warning.message}")


if __name__ == "__main__":
    main(*sys.argv[1:])
