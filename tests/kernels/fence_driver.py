"""Run convolution and pooling with each array beside a page that may not be touched: who does is killed.

Run in a process of its own: ``python -m tests.kernels.fence_driver``. The vector instructions check no bounds, and
where they reach beyond an array nothing shows as a rule.
"""

import faulthandler
import sys
from itertools import product
from types import ModuleType

import numpy as np

from tests.kernels.extremes import EXTREMES
from tests.kernels.fences import Fenced, memory_from
from tests.kernels.test_numba_lane_pooling import SMALL, both_ways
from tests.kernels.truth import DTYPES, Drawn, all_passes
from tinycnn.geometry import PoolGeometry, pool_geometry
from tinycnn.kernels import numpy as NUMPY
from tinycnn.kernels.numba import conv_direct, conv_im2col, conv_winograd, pooling, threads
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
    pools()
    pools_of_lanes()
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


def pools() -> None:
    """Pooling forward and back, of rows of many lengths, with cells left over at their ends and without."""
    for size, left_over, dtype in product((2, 3), (0, 1), DTYPES):
        for Q in (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50):
            x = np.random.default_rng(Q).integers(-9, 9, (2, 1, 5, 2 * (Q - 1) + size + left_over)).astype(dtype)
            geometry = pool_geometry("pool", x.shape, size, 2)
            expected = pooled(NUMPY, x, geometry)
            print(f"pool {np.dtype(dtype)} {size}x{size} {x.shape}", file=sys.stderr, flush=True)
            for at_end in (True, False):
                fenced = Fenced(at_end)
                with memory_from(fenced.empty):
                    made = pooled(pooling, fenced.copy(x), geometry)
                made = [array.copy() for array in made]
                fenced.take_down()
                for actual, wanted in zip(made, expected, strict=True):
                    np.testing.assert_allclose(actual, wanted, rtol=1e-5)


def pools_of_lanes() -> None:
    """Convolution, tanh and means of images side by side."""
    for name, geometry in SMALL.items():
        print(f"lane pooling {name}", file=sys.stderr, flush=True)
        expected = both_ways(geometry)
        for at_end in (True, False):
            fenced = Fenced(at_end)
            with memory_from(fenced.empty):
                made = [array.copy() for array in both_ways(geometry, fenced.copy)]
            fenced.take_down()
            assert all(a.tobytes() == b.tobytes() for a, b in zip(made, expected, strict=True))


def pooled(kernels: ModuleType, x: np.ndarray, geometry: PoolGeometry) -> list[np.ndarray]:
    """All that pooling makes of x."""
    y, winner = kernels.max_pool2d_forward(x, geometry)
    means = kernels.avg_pool2d_forward(x, geometry, True)
    dx, spread = kernels.max_pool2d_backward(y, winner, geometry), kernels.avg_pool2d_backward(y, geometry, True)
    return [y, winner, means, dx, spread]


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
