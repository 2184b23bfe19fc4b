"""Workers for the tests of processes: they must be importable in a process of their own."""

import os
import signal
import time


class Counter:
    def __init__(self, start):
        self.count = start

    def add(self, number):
        self.count += number
        return self.count

    def threads(self):
        return {name: os.environ[name] for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}

    def process(self):
        return os.getpid()

    def fail(self):
        raise ValueError("no such thing")

    def run_out(self):
        raise MemoryError("9 GB asked for")

    def be_killed(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def sleep(self):
        time.sleep(60)


class Broken:
    def __init__(self):
        raise ModuleNotFoundError("there is no engine")
