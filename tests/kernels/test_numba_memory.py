"""The compiled convolutions read and write inside their arrays alone, and no number that they did not write.

So they do with vectors of any width that processors have.
"""

import platform
import signal

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.cases import LONG
from tests.kernels.extremes import EXTREMES
from tests.kernels.fence_driver import modules
from tests.kernels.fences import Guarded, memory_from
from tests.kernels.processes import assert_ran, run_python
from tests.kernels.truth import DTYPES, Drawn, all_passes


def assert_the_same_in_memory_full_of_nan(module, geometry, dtype):
    given = Drawn(geometry, seed=3).arrays(dtype)
    expected = all_passes(module, given, geometry)
    guarded = Guarded()
    with memory_from(guarded.empty):
        made = all_passes(module, given, geometry)
    guarded.assert_untouched()
    for what, actual, wanted in zip(("y", "dx", "dw"), made, expected, strict=True):
        assert not np.isnan(actual).any(), f"{what} was made from memory that nothing was written to"
        assert actual.tobytes() == wanted.tobytes(), f"{what} depends on the memory used"


@pytest.mark.parametrize("name", EXTREMES)
def test_results_are_the_same_in_memory_full_of_nan_and_what_lies_beside_stays(name):
    for dtype in DTYPES:
        for module in modules(EXTREMES[name]):
            assert_the_same_in_memory_full_of_nan(module, EXTREMES[name], dtype)


def test_no_array_is_read_or_written_beyond_its_ends():
    # A guard shows what is written beyond; only a page that may not be touched shows what is read there and dropped.
    ended = assert_ran("-m", "tests.kernels.fence_driver", NUMBA_NUM_THREADS="2")
    assert ended.stdout.endswith("all inside\n")


def test_the_fence_stops_a_tile_that_reads_one_number_too_many():
    ended = run_python("-m", "tests.kernels.fence_driver", "overrun")
    assert ended.returncode == -signal.SIGSEGV, ended.stderr
    assert "inside\nbeyond\n" in ended.stderr


@pytest.mark.long
@pytest.mark.skipif(
    platform.machine() != "x86_64" or not LONG,
    reason="minutes of compiling, for the full profile on x86-64",
)
@pytest.mark.parametrize("width", ["32", "16"])
def test_narrower_vectors_give_right_results(width):
    ended = assert_ran("-m", "tests.kernels.narrow_driver", width, NUMBA_NUM_THREADS="2")
    assert ended.stdout.endswith(f"right with vectors of {width} bytes\n")
