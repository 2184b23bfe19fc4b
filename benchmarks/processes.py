"""Workers in processes of their own, asked through a pipe: their threads never meet, and their memory is their own.

A worker is an object whose methods are called by name from here. Libraries read how many threads they may use when they
start, so that number stands in the worker's environment before it does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

PAUSE = 0.05  # seconds before another process has its turn: idle threads of a BLAS or OpenMP spin for a while
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Worker:
    """The worker called ``name``, from the side of the one who asks."""

    def __init__(self, name: str, make: Callable[..., Any], *arguments: Any, threads: int):
        self.name = name
        self._pipe, theirs = Pipe()
        command = [sys.executable, "-m", "tinycnn.benchmarks.processes", str(theirs.fileno())]
        environment = os.environ | dict.fromkeys(THREADS, str(threads))
        # In a session of its own: Ctrl-C is for the one who asks.
        self._process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()], start_new_session=True)
        theirs.close()
        self._first: tuple[Any, ...] = (make, arguments)

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the worker, and wait for what it returns.

        Raises
        ------
        ChildProcessError, MemoryError
            For what the worker raised, or when it ended: the system kills what takes too much memory.
        """
        try:
            self._pipe.send((*self._first, method, arguments))
            self._first = ()
            kind, answer = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            status = self._process.wait()
            told = f"{self.name} ended with status {status}"
            if status == -signal.SIGKILL:
                told += ", as where memory runs out: a smaller batch or model needs less"
            raise ChildProcessError(told) from None
        if kind == "returned":
            return answer
        if kind == "MemoryError":
            raise MemoryError(f"{self.name}: {answer}")
        raise ChildProcessError(f"{self.name}: {kind}: {answer}")

    def close(self, wait: bool = True) -> None:
        """End the worker: after what it is doing, or at once."""
        if wait:
            with suppress(BrokenPipeError):
                self._pipe.send(None)
        else:
            self._process.kill()
        self._process.wait()
        self._pipe.close()


@contextmanager
def worker(name: str, make: Callable[..., Any], *arguments: Any, threads: int) -> Iterator[Worker]:
    """Give a worker that ends with the block.

    Parameters
    ----------
    name
        How messages call it.
    make, arguments
        What makes the worker in its process; both are pickled.
    threads
        That its libraries may use.
    """
    made = Worker(name, make, *arguments, threads=threads)
    try:
        yield made
    except BaseException:
        made.close(wait=False)
        raise
    made.close()


def wake(run: Callable[[], Any]) -> None:
    """Run something for as long as a pause was: cores that have slept are slow to wake for each other."""
    awake = time.perf_counter() + PAUSE
    while time.perf_counter() < awake:
        run()


def serve(pipe: Connection) -> None:
    """Be a worker: what comes first makes it, and every question names a method."""
    made = None
    while question := _next(pipe):
        *first, method, values = question
        answer: tuple[str, Any]
        try:
            if first:
                make, arguments = first
                made = make(*arguments)
            answer = "returned", getattr(made, method)(*values)
        except Exception as error:  # told to the one who asked, whatever it is
            answer = type(error).__name__, str(error)
        pipe.send(answer)


def _next(pipe: Connection) -> Any:
    """The next question, nothing where no more will come."""
    try:
        return pipe.recv()
    except EOFError:  # whoever asked is gone
        return None


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
