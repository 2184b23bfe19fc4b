"""Run every compiled convolution with each array beside a page that may not be touched: who does is killed.

Run in a process of its own: ``python -m tests.kernels.fence_driver``. The vector instructions of `multiply_tile` and
`multiply_lines` check no bounds, and where they reach beyond an array nothing shows as a rule.
"""

import faulthandler
import sys
from types import ModuleType

import numpy as np

from tests.kernels.extremes import EXTREMES
from tests.kernels.fences import Fenced, memory_from
from tests.kernels.truth import DTYPES, Drawn, all_passes
from tinycnn.kernels.numba import conv_direct, conv_im2col, conv_winograd, threads
from tinycnn.kernels.numpy.winograd_transform import refusal


def modules(geometry) -> list[ModuleType]:
    """Algorithms that run a geometry."""
    return [conv_direct, conv_im2col, *([] if refusal(geometry) else [conv_winograd])]


def main(argument: str) -> None:
    """Run all, or with the argument "overrun" one tile that reads a number too many."""
    faulthandler.enable()
    threads.GRAIN = 1
    if argument == "overrun":
        overrun()
    for name, geometry in EXTREMES.items():
        for dtype in DTYPES:
            given = Drawn(geometry, seed=3).arrays(dtype)
            for module in modules(geometry):
                told = f"{module.__name__.rpartition('.')[2]} {np.dtype(dtype)} {name}"
                print(told, file=sys.stderr, flush=True)  # the last line names who was killed
                expected = all_passes(module, given, geometry)
                for at_end in (True, False):
                    fenced = Fenced(at_end)
                    with memory_from(fenced.empty):
                        made = all_passes(module, {key: fenced.copy(a) for key, a in given.items()}, geometry)
                    made = [array.copy() for array in made]
                    fenced.take_down()
                    same = [a.tobytes() == b.tobytes() for a, b in zip(made, expected, strict=True)]
                    assert all(same), f"{told}: other bits where other memory is used, {same}"
    print("all inside")


def overrun() -> None:
    """One tile whose last vector begins a number too late."""
    from tests.kernels.tile_calls import run_tile
    from tinycnn.kernels.numba.tile import ROWS, tile_columns

    fenced, width = Fenced(at_end=True), tile_columns(np.float32)
    a, b, out = (fenced.empty((size,), np.float32) for size in (ROWS, width, ROWS * width))
    print("inside", file=sys.stderr, flush=True)
    run_tile(a, 0, b, 0, np.zeros(1, np.int64), 0, 1, out, 0, width, ROWS, width)
    print("beyond", file=sys.stderr, flush=True)
    run_tile(a, 0, b, 1, np.zeros(1, np.int64), 0, 1, out, 0, width, ROWS, width)


if __name__ == "__main__":
    main(*sys.argv[1:] or [""])
