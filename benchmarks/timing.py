"""How long one pass of one convolution takes: an estimate from a part of it, then measurements in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median, quantiles
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array
from tinycnn.backend import Kernels, convolution
from tinycnn.geometry import ConvGeometry

PROBE = 0.05  # seconds that a part must take for the whole to be estimated from it
SAMPLE = 0.005  # seconds that a sample takes at the least, by as many calls as that needs
STEP = 4  # by how much the next part is larger
Run = Callable[[], Any]


class Operands(NamedTuple):
    """Random float32 arrays that a convolution's passes take."""

    x: Array
    weight: Array
    bias: Array
    grad: Array

    @classmethod
    def of(cls, geometry: ConvGeometry) -> Operands:
        """Arrays of a geometry's shapes."""
        rng = np.random.default_rng(0)
        shapes = geometry.input_shape, geometry.weight_shape, (geometry.K,), geometry.output_shape
        return cls(*(rng.random(shape, np.float32) - np.float32(0.5) for shape in shapes))


def bind(kernels: Kernels, algorithm: str, phase: str, geometry: ConvGeometry, arrays: Operands) -> Run:
    """One pass as a function without arguments."""
    kernel = convolution(kernels, algorithm, phase, geometry)
    x, weight, bias, grad = arrays
    if phase == "forward":
        return lambda: kernel(x, weight, bias, geometry)
    first, second = (grad, weight) if phase == "backward_input" else (grad, x)
    return lambda: kernel(first, second, geometry)


def estimate(kernels: Kernels, algorithm: str, phase: str, geometry: ConvGeometry) -> float:
    """Seconds of one call, from the smallest part of the images and output channels that takes some time.

    It is too high rather than too low where work is shared by all channels or images, such as transforming the weight.
    """
    for part in _parts(geometry):
        run = bind(kernels, algorithm, phase, part, Operands.of(part))
        start = perf_counter()
        run()
        if perf_counter() - start > PROBE or part == geometry:  # the first call may have compiled, or been unlucky
            taken = quickest(run)
            if taken > PROBE or part == geometry:
                return taken * geometry.multiply_adds / part.multiply_adds
    raise AssertionError


def _parts(geometry: ConvGeometry) -> list[ConvGeometry]:
    """Ever larger parts of a convolution, the last being all of it: one image and few kernels first."""
    found, kernels, images = [geometry], geometry.K // geometry.groups, geometry.N
    while images > 1 or kernels > 1:
        if images > 1:
            images = max(1, images // STEP)
        else:
            kernels = max(1, kernels // STEP)
        found.append(replace(geometry, N=images, K=kernels * geometry.groups))
    return found[::-1]


def sample(run: Run, calls: int = 1) -> float:
    """Seconds of one call, over so many."""
    start = perf_counter()
    for _ in range(calls):
        run()
    return (perf_counter() - start) / calls


def quickest(run: Run, seconds: float = PROBE, most: int = 10) -> float:
    """Seconds of the quickest of some calls after a first one, as any single one may be unlucky.

    Parameters
    ----------
    run
        The function; what happens once, as that machine code is loaded, happens in the first call.
    seconds, most
        No more calls after so much time, or so many of them.
    """
    run()
    taken = [sample(run)]
    while sum(taken) < seconds and len(taken) < most:
        taken.append(sample(run))
    return min(taken)


def calls_for(seconds: float) -> int:
    """How many calls make a sample."""
    return max(1, round(SAMPLE / max(seconds, 1e-7)))


def in_turn(runs: Mapping[str, Run], repeat: Mapping[str, int]) -> dict[str, list[float]]:
    """Seconds of each function, so many samples of each, after calls to warm up.

    They take turns, and who is first changes from turn to turn, so that nobody always finds the caches as the same
    other one left them.
    """
    calls = {name: calls_for(quickest(run)) for name, run in runs.items()}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for turn in range(max(repeat.values(), default=0)):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            if turn < repeat[name]:
                taken[name].append(sample(runs[name], calls[name]))
    return taken


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, median(values), high
