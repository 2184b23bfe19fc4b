"""The number of threads of NumPy's BLAS: set, told, and refused where it is none."""

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
