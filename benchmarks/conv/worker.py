"""Convolutions in a process of their own: tinycnn's algorithms on one backend, and what takes turns with them."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from tinycnn.arrays import Array, owner
from tinycnn.backend import able_algorithms, auto_algorithm, convolution, load_kernels, use_backend
from tinycnn.benchmarks.processes import wake
from tinycnn.benchmarks.timing import Operands, Run, bind, calls_for, estimate, in_turn, quickest, sample
from tinycnn.function import no_grad
from tinycnn.functional import conv2d
from tinycnn.geometry import ConvGeometry
from tinycnn.tensor import Tensor
from tinycnn.threads import set_num_threads


class Turns:
    """Functions that are called when it is their turn."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self._calls: dict[str, int] = {}

    def begin(self, runs: Mapping[str, Run]) -> dict[str, float]:
        """Warm up; gives seconds of a call, by name."""
        self.runs = dict(runs)
        seconds: dict[str, float] = {}
        for name, run in runs.items():
            with self.setting(name):
                seconds[name] = quickest(run)
        self._calls = {name: calls_for(taken) for name, taken in seconds.items()}
        return seconds

    def turn(self, names: Sequence[str]) -> dict[str, float]:
        """Seconds of a call of each of these, after a pause in which another process had its turn."""
        seconds: dict[str, float] = {}
        for name in names:
            with self.setting(name):
                if seconds:
                    self.runs[name]()  # as warm as the first one, which wakes the cores
                else:
                    wake(self.runs[name])
                seconds[name] = sample(self.runs[name], self._calls[name])
        return seconds

    def setting(self, name: str) -> AbstractContextManager[Any]:
        """What has to hold while a function runs."""
        return nullcontext()


class OurConvolutions(Turns):
    """Every algorithm of one backend, on so many threads."""

    def __init__(self, backend: str, threads: int):
        super().__init__()
        use_backend(backend)
        self.kernels = load_kernels(backend)
        set_num_threads(threads)

    def look(self, phase: str, geometry: ConvGeometry, names: Sequence[str], limit: float) -> dict[str, dict[str, Any]]:
        """What is to be known of each algorithm before it is timed, or why it cannot or shall not be."""
        auto, found = auto_algorithm(self.kernels, phase, geometry), {}
        for name in names:
            row: dict[str, Any] = {"auto": name == auto}
            found[name] = row
            if not self.kernels.implements(f"conv_{name}"):
                row["cannot"] = f"the {self.kernels.name} backend has no {name} of its own, and runs that of numpy"
                continue
            if name not in able_algorithms(self.kernels, geometry):
                row["cannot"] = self._refusal(name, phase, geometry)
                continue
            row["estimated_seconds"] = estimate(self.kernels, name, phase, geometry)
            if row["estimated_seconds"] > limit:
                row["skipped"] = f"a call would take longer than the limit of {limit:g} s"
                continue
            run = bind(self.kernels, name, phase, geometry, operands(geometry))
            result, row["workspace_bytes"] = workspace(run)
            row["error"] = error(result, phase, geometry)
        return found

    def samples(self, phase: str, geometry: ConvGeometry, repeat: Mapping[str, int]) -> dict[str, list[float]]:
        """Seconds of each algorithm, so many samples of each, taking turns."""
        return in_turn({name: self._bound(name, phase, geometry) for name in repeat}, repeat)

    def prepare(self, phase: str, geometry: ConvGeometry) -> dict[str, float]:
        """Get ready to take turns with what ``auto`` runs; forward by the operation that a user calls, as at a peer."""
        name = auto_algorithm(self.kernels, phase, geometry)
        run = self._operation(geometry) if phase == "forward" else self._bound(name, phase, geometry)
        return self.begin({name: run})

    def setting(self, name: str) -> AbstractContextManager[Any]:
        """Nothing is recorded for a backward pass."""
        return no_grad()

    def _bound(self, name: str, phase: str, geometry: ConvGeometry) -> Run:
        return bind(self.kernels, name, phase, geometry, operands(geometry))

    def _operation(self, g: ConvGeometry) -> Run:
        x, weight, bias, _ = (Tensor(array) for array in operands(g))
        return lambda: conv2d(x, weight, bias, g.stride, g.padding, g.dilation, g.groups)

    def _refusal(self, name: str, phase: str, geometry: ConvGeometry) -> str:
        try:
            convolution(self.kernels, name, phase, geometry)
        except ValueError as refusal:
            return str(refusal)
        raise AssertionError(name)


@lru_cache(maxsize=1)
def operands(geometry: ConvGeometry) -> Operands:
    """Random arrays, kept for the next pass."""
    return Operands.of(geometry)


def error(result: Array, phase: str, geometry: ConvGeometry) -> float:
    """The largest error of a pass's result, as a share of the root mean square of what float64 gives."""
    exact = _in_float64(phase, geometry)
    return float(np.abs(result - exact).max() / np.sqrt(np.mean(exact * exact)))


@lru_cache(maxsize=1)
def _in_float64(phase: str, geometry: ConvGeometry) -> Array:
    """A pass by NumPy's im2col in float64, image by image, as its matrix is large."""
    kernels, one = load_kernels("numpy"), replace(geometry, N=1)
    x, weight, bias, grad = (array.astype(np.float64) for array in operands(geometry))
    results = [
        bind(kernels, "im2col", phase, one, Operands(x[n : n + 1], weight, bias, grad[n : n + 1]))()
        for n in range(geometry.N)
    ]
    return sum(results) if phase == "backward_weight" else np.concatenate(results)


def workspace(run: Callable[[], Array]) -> tuple[Array, int]:
    """The result of a call, and the most bytes held beside it, of arrays that NumPy makes; a BLAS packs elsewhere."""
    _release()
    tracemalloc.start()
    try:
        result = run()
        return result, max(0, tracemalloc.get_traced_memory()[1] - owner(result).nbytes)
    finally:
        tracemalloc.stop()


def _release() -> None:
    """Give back what kernels keep for the next call."""
    if kept := sys.modules.get("tinycnn.kernels.numba.workspace"):
        kept.WORKSPACE.release()
