"""The number of threads of the kernels: set, told, shared out between BLAS and Numba, and refused where it is none."""

import os

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import tinycnn as tc
from tinycnn.threads import cores, num_threads


def blas():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def _as_before():
    with tc.use_backend("numpy"):
        before = num_threads()
        yield
        tc.set_num_threads(before)


def test_the_number_reaches_every_blas_and_stays():
    assert blas(), "NumPy runs without a BLAS that can be told"
    for count in (2, 1, 3, np.int64(2)):
        tc.set_num_threads(count)
        assert set(blas()) == {count}
        assert num_threads() == count
        np.ones((300, 300)) @ np.ones((300, 300))
        assert num_threads() == count


@pytest.mark.skipif("numba" not in tc.available_backends(), reason="Numba is not installed")
def test_numba_gets_the_threads_and_the_blas_is_held_at_one_until_numpy_runs_again():
    from tinycnn.kernels.numba import threads

    tc.set_num_threads(3)
    most = threads.config.NUMBA_NUM_THREADS
    with tc.use_backend("numba"):
        assert num_threads() == threads.limit() == min(3, most)
        assert set(blas()) == {1}
        tc.set_num_threads(1)
        assert num_threads() == 1
        tc.set_num_threads(2)
        assert set(blas()) == {1}
    assert set(blas()) == {2}
    assert num_threads() == 2


@pytest.mark.parametrize(
    ("count", "error", "message"),
    [
        (0, ValueError, "count must be a whole number, from 1 to 1024, got 0"),
        (-2, ValueError, "count must be a whole number, from 1 to 1024, got -2"),
        (True, TypeError, "count must be a whole number, from 1 to 1024, got True"),
        (1.0, TypeError, "count must be a whole number, from 1 to 1024, got 1.0"),
        ("2", TypeError, "count must be a whole number, from 1 to 1024, got '2'"),
        (None, TypeError, "count must be a whole number, from 1 to 1024, got None"),
    ],
)
def test_what_is_no_number_of_threads_is_refused_and_changes_nothing(count, error, message):
    tc.set_num_threads(2)
    with pytest.raises(error, match=f"^set_num_threads: {message}$"):
        tc.set_num_threads(count)
    assert num_threads() == 2


def test_cores_are_those_that_this_process_may_use():
    allowed = os.sched_getaffinity(0)
    assert cores() == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
