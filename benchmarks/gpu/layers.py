"""One pass of one convolution on a GPU, by each algorithm, taking turns with PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from statistics import median
from typing import Any

import tinycnn as tc
from tinycnn.arrays import to_cupy
from tinycnn.backend import able_algorithms, load_kernels
from tinycnn.benchmarks.conv.contest import EFFECTIVE
from tinycnn.benchmarks.gpu.timing import Clock
from tinycnn.benchmarks.gpu.torch_side import Torch
from tinycnn.benchmarks.timing import Operands, bind, spread
from tinycnn.geometry import ConvGeometry

TURNS, SAMPLES_A_TURN = 5, 4
LIMIT = 1.0  # seconds that a call may take

Row = dict[str, Any]


def measure(
    clock: Clock, torch: Torch, phase: str, geometry: ConvGeometry, tf32: bool, peaks: Mapping[str, float]
) -> list[Row]:
    """One pass of one layer: a row for each algorithm, with the ratio to PyTorch of the same turn."""
    kernels, arrays = load_kernels("cupy"), operands(geometry)
    rows: list[Row] = []
    runs: dict[str, Callable[[], Any]] = {}
    with tc.allow_tf32(tf32):
        for name in able_algorithms(kernels, geometry):
            row: Row = {"pass": phase, "mode": "tf32" if tf32 else "float32", "algorithm": name}
            rows.append(row | {"chosen": name == kernels.choose_convolution(phase, geometry)})
            run = bind(kernels, name, phase, geometry, arrays)
            if reason := too_much(clock, run):
                rows[-1]["skipped"] = reason
            else:
                clock.warm_up(run)
                runs[name] = run
        ours: dict[str, list[list[float]]] = {name: [] for name in runs}
        theirs: list[list[float]] = []
        alone = torch.prepare(phase, geometry, tf32)
        for _ in range(TURNS):
            for name, run in runs.items():
                ours[name].append(clock.samples(run, SAMPLES_A_TURN))
            if not alone:
                theirs.append(torch.samples(SAMPLES_A_TURN))
    for row in rows:
        if "skipped" not in row:
            row |= told(ours[row["algorithm"]], geometry, peaks["tf32" if tf32 else "float32"], peaks["bytes"])
            row["effective"] = row["algorithm"] in EFFECTIVE
            row |= {"no_torch": alone} if alone else compared(ours[row["algorithm"]], theirs)
    return rows


@lru_cache(maxsize=1)
def operands(geometry: ConvGeometry) -> Operands:
    """Random arrays on the GPU, kept for the next pass."""
    return Operands(*map(to_cupy, Operands.of(geometry)))


def too_much(clock: Clock, run: Callable[[], Any]) -> str:
    """Why an algorithm is left out here: it takes too long, or more memory than there is. Nothing where it is not."""
    try:
        run()
        seconds = clock.samples(run, 1)[0]
    except MemoryError as error:
        return str(error)
    return f"takes {seconds:.1f} s a call, the limit is {LIMIT:g} s" if seconds > LIMIT else ""


def told(turns: Sequence[Sequence[float]], geometry: ConvGeometry, flops: float, bandwidth: float) -> Row:
    """What samples say, beside the operations and the bytes that the GPU can do a second.

    The nearer of the two peaks bounds the time from below: that time over the measured one is the share.
    """
    samples = [seconds for turn in turns for seconds in turn]
    low, middle, high = spread(samples)
    arithmetic, memory = geometry.flops / flops, geometry.least_bytes() / bandwidth
    return {
        "samples": len(samples),
        "median_seconds": middle,
        "quartiles_seconds": [low, high],
        "gflops": geometry.flops / middle / 1e9,
        "bound": "arithmetic" if arithmetic >= memory else "memory",
        "share_of_peak": max(arithmetic, memory) / middle,
    }


def compared(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Row:
    """How many times as fast as PyTorch, from the medians of each turn."""
    low, ratio, high = spread([median(there) / median(here) for here, there in zip(ours, theirs, strict=True)])
    seconds = median(seconds for turn in theirs for seconds in turn)
    return {"torch_seconds": seconds, "times_torch": ratio, "quartiles_times_torch": [low, high]}
