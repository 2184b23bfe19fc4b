"""Threads change no bit that they may not change, and calls at the same time do not meet in the same memory."""

import pytest

pytest.importorskip("numba")

from numba import config

from tests.kernels.processes import assert_ran
from tinycnn.kernels.numba import threads


@pytest.mark.parametrize("count", ["2", "3"])
def test_convolutions_are_right_on_several_threads_and_beside_each_other(count):
    ended = assert_ran("-m", "tests.kernels.threads_driver", NUMBA_NUM_THREADS=count)
    assert ended.stdout.endswith(f"right on {count} threads\n")


@pytest.fixture
def four_threads(monkeypatch):
    set_to = []
    monkeypatch.setattr(threads, "_limit", [4])
    monkeypatch.setattr(threads, "get_num_threads", lambda: set_to[-1] if set_to else 4)
    monkeypatch.setattr(threads, "set_num_threads", set_to.append)
    return set_to


@pytest.mark.parametrize(
    ("work", "pieces", "expected"),
    [(0, 9, 1), (threads.GRAIN - 1, 9, 1), (2 * threads.GRAIN, 9, 2), (10**12, 9, 4), (10**12, 3, 3), (10**12, 0, 1)],
)
def test_a_team_is_as_large_as_the_work_and_its_pieces_are_worth(work, pieces, expected, four_threads):
    with threads.team(work, pieces) as count:
        assert count == expected
        assert threads.get_num_threads() == expected
    assert threads.get_num_threads() == 4
    with pytest.raises(ZeroDivisionError), threads.team(work, pieces):
        raise ZeroDivisionError
    assert threads.get_num_threads() == 4


def test_the_limit_is_what_numba_was_started_with_at_most(monkeypatch):
    monkeypatch.setattr(threads, "_limit", [1])
    threads.set_limit(10**6)
    assert threads.limit() == config.NUMBA_NUM_THREADS
    threads.set_limit(1)
    assert threads.limit() == 1
