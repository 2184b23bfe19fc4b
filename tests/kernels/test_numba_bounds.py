"""No compiled convolution goes too far with each index checked; vector instructions are test_numba_memory's part."""

import pytest

pytest.importorskip("numba")

from tests.cases import LONG
from tests.kernels.processes import assert_ran


def output_of(what, folder):
    """What the driver prints: compiled anew, since machine code on disk would be used as it is, checked or not."""
    checks = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_FULL_TRACEBACKS": "1", "NUMBA_NUM_THREADS": "2"}
    return assert_ran("-m", "tests.kernels.bounds_driver", what, NUMBA_CACHE_DIR=str(folder), **checks).stdout


def test_an_index_too_far_is_told_in_a_serial_and_in_a_parallel_kernel(tmp_path):
    told = "debug: IndexError: index 8 is out of bounds for axis 0 with size 8"
    serial, alone, beside = output_of("planted", tmp_path).split(" on ")[1:]
    assert told in serial
    assert "raised IndexError" in serial
    assert told in alone
    assert "raised SystemError" in alone
    assert told in beside  # where nothing may be raised, as the error is another thread's


@pytest.mark.long
def test_no_convolution_goes_too_far(tmp_path):
    # Winograd's and all of float64 take minutes to compile with checks: they are in the long profile alone.
    what = "all" if LONG else "some"
    output = output_of(what, tmp_path)
    assert output.endswith("all inside\n")
    assert "IndexError: index" not in output, output[-3000:]
