"""The compiled convolutions in several threads: of Numba's, and of Python's at the same time.

Run in a process of its own, since the number of Numba's threads is fixed when it starts:
``NUMBA_NUM_THREADS=4 python -m tests.kernels.threads_driver``.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
from numba import config

from tests.kernels.extremes import EXTREMES
from tests.kernels.fence_driver import modules
from tests.kernels.truth import DTYPES, Drawn, Truth, all_passes
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels.numba import conv_direct, conv_im2col, conv_winograd, threads
from tinycnn.kernels.numpy import conv_im2col as plain

LARGER = {
    "many bands": ConvGeometry(Axis(40, 3, 1, 1, 1), Axis(37, 3, 1, 1, 1), 3, 5, 9),
    "one image": ConvGeometry(Axis(33, 3, 1, 1, 1), Axis(29, 3, 1, 1, 1), 1, 20, 30),
    "more threads than tiles' blocks": ConvGeometry(Axis(8, 3, 1, 1, 1), Axis(8, 3, 1, 1, 1), 1, 40, 50),
    # Winograd's blocks of dw hold 80 to 250 tiles here, so that other blocks would be other sums of RUN tiles
    "blocks of tiles": ConvGeometry(Axis(28, 3, 1, 1, 1), Axis(28, 3, 1, 1, 1), 4, 64, 66),
    "blocks of tiles, 5x5": ConvGeometry(Axis(22, 5, 1, 2, 2), Axis(24, 5, 1, 2, 2), 3, 70, 33),
    "blocks of tiles, in groups": ConvGeometry(Axis(20, 3, 1, 1, 1), Axis(24, 3, 1, 1, 1), 5, 60, 90, 3),
    "few tiles, in groups": ConvGeometry(Axis(13, 3, 1, 1, 1), Axis(14, 3, 1, 1, 1), 5, 264, 168, 2),
    "images abreast": ConvGeometry(Axis(14, 5), Axis(14, 5), 70, 6, 16),
    "one block of images": ConvGeometry(Axis(9, 3, 1, 1, 1), Axis(11, 3, 1, 1, 1), 32, 5, 6, 1),
    "lattices": ConvGeometry(Axis(51, 11, 4, 2, 2), Axis(47, 11, 4, 2, 2), 2, 3, 16),
}


def results(module, arrays, geometry, count):
    """All passes on so many threads."""
    threads.set_limit(count)
    return [array.copy() for array in all_passes(module, arrays, geometry)]


def same(a, b) -> list[bool]:
    """Which of the passes gave the same bits."""
    return [left.tobytes() == right.tobytes() for left, right in zip(a, b, strict=True)]


def check_the_number_of_threads() -> None:
    """One thread or several: the same bits, but for dw of direct and im2col, which then repeats and is as near."""
    ran = 0
    for name, geometry in (EXTREMES | LARGER).items():
        for dtype in DTYPES:
            drawn = Drawn(geometry, seed=4)
            truth = Truth(drawn, dtype, plain)
            for module in modules(geometry):
                told = f"{module.__name__.rpartition('.')[2]}, {np.dtype(dtype)}, {name}"
                alone = results(module, truth.given, geometry, 1)
                for count in range(2, config.NUMBA_NUM_THREADS + 1):
                    shared = results(module, truth.given, geometry, count)
                    y, dx, dw = same(alone, shared)
                    assert y, f"y differs with {count} threads: {told}"
                    assert dx, f"dx differs with {count} threads: {told}"
                    assert dw or module is not conv_winograd, f"dw differs with {count} threads: {told}"
                    again = results(module, truth.given, geometry, count)
                    assert all(same(shared, again)), f"with {count} threads another run gave other bits: {told}"
                    allowed = truth.allowed("direct")[2]
                    if module is not conv_winograd:
                        assert (np.abs(shared[2] - truth.results[2]) <= allowed).all(), f"dw is wrong: {told}"
                    ran += 1
    assert ran > 2 * len(EXTREMES), ran


def check_calls_at_the_same_time() -> None:
    """Python threads that convolve at once get what each would get alone."""
    threads.set_limit(config.NUMBA_NUM_THREADS)
    work = []
    for i, geometry in enumerate(LARGER.values()):
        for dtype in DTYPES:
            given = Drawn(geometry, seed=i).arrays(dtype)
            for module in (conv_direct, conv_im2col, conv_winograd):
                if module in modules(geometry):
                    expected = [array.copy() for array in all_passes(module, given, geometry)]
                    work.append((module, given, geometry, expected))
    count = 4
    start = Barrier(count)

    def convolve(number: int) -> None:
        start.wait()
        for module, given, geometry, expected in (work[number:] + work[:number]) * 2:
            equal = same(all_passes(module, given, geometry), expected)
            assert all(equal), f"{module.__name__} beside other threads: {equal}, {geometry}"

    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(convolve, 3 * number) for number in range(count)]:
            done.result()


if __name__ == "__main__":
    threads.GRAIN = 1  # or all of this would be done by one thread
    check_the_number_of_threads()
    check_calls_at_the_same_time()
    print(f"right on {config.NUMBA_NUM_THREADS} threads")
