"""A worker answers from a process of its own, and whatever ends it is told in a sentence."""

import os
import subprocess
import sys
import time

import pytest

from tests.benchmarks.workers import Broken, Counter
from tests.kernels.processes import NAMES
from tinycnn.benchmarks.processes import worker


@pytest.fixture
def counter():
    with worker("the counter", Counter, 5, threads=3) as asked:
        yield asked


def test_it_keeps_what_it_is_told_in_a_process_of_its_own(counter):
    assert counter.ask("add", 2) == 7
    assert counter.ask("add", 1) == 8
    assert counter.ask("process") != os.getpid()


def test_its_libraries_have_the_threads_asked_for_and_ours_keep_theirs(counter):
    before = {name: os.environ.get(name) for name in NAMES}
    assert counter.ask("threads") == {"OMP_NUM_THREADS": "3", "NUMBA_NUM_THREADS": "3"}
    assert {name: os.environ.get(name) for name in NAMES} == before


def test_what_it_raises_is_told_with_its_name_and_it_goes_on(counter):
    with pytest.raises(ChildProcessError, match=r"^the counter: ValueError: no such thing$"):
        counter.ask("fail")
    with pytest.raises(MemoryError, match=r"^the counter: 9 GB asked for$"):
        counter.ask("run_out")
    assert counter.ask("add", 1) == 6


def test_a_worker_that_cannot_be_made_says_why():
    told = pytest.raises(ChildProcessError, match=r"^the engine: ModuleNotFoundError: there is no engine$")
    with worker("the engine", Broken, threads=1) as asked, told:
        asked.ask("anything")


def test_a_worker_that_is_killed_is_told():
    told = pytest.raises(ChildProcessError, match="ended with status -9, as where memory runs out")
    with worker("the counter", Counter, 1, threads=1) as asked, told:
        asked.ask("be_killed")


def test_it_ends_with_the_block_and_at_once_where_that_was_left_by_an_error():
    class Left(Exception):
        pass

    def leave(asked):
        numbers.append(asked.ask("process"))
        asked._pipe.send(("sleep", ()))
        raise Left

    began, numbers = time.monotonic(), []
    with pytest.raises(Left), worker("the counter", Counter, 1, threads=1) as asked:
        leave(asked)
    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(numbers[0], 0)


def test_it_ends_silently_when_the_one_who_asks_is_gone():
    program = (
        "import os\nfrom tests.benchmarks.workers import Counter\nfrom tinycnn.benchmarks.processes import Worker\n"
    )
    program += "asked = Worker('w', Counter, 1, threads=1)\nprint(asked.ask('process'), flush=True)\nos._exit(0)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0
