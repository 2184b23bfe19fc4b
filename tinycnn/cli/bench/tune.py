"""``tinycnn bench tune``."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tinycnn import tuning
from tinycnn.backend import (
    Kernels,
    able_algorithms,
    cpu_backends,
    current_backend,
    forget_choices,
    load_kernels,
    use_backend,
)
from tinycnn.benchmarks.timing import Operands, bind, calls_for, estimate, in_turn, spread
from tinycnn.cli.bar import bar
from tinycnn.cli.bench.words import require_counts
from tinycnn.cli.network import network_of
from tinycnn.cli.options import Batches, Whole
from tinycnn.cli.status import DONE
from tinycnn.geometry import ConvGeometry
from tinycnn.inspect import convolutions
from tinycnn.threads import cores, set_num_threads, threads_of
from tinycnn.wording import duration, table

CONTENDS = 5  # an algorithm that is estimated to be so many times slower than the fastest is not measured


@dataclass
class Contest:
    """One pass of one convolution, and the algorithms that run it.

    Attributes
    ----------
    layers, geometry, phase, threads
        Whose pass it is, and on how many threads.
    rule
        The algorithm that the rules choose.
    estimates
        Seconds of each algorithm that can run it, as estimated.
    samples
        Seconds of those that were measured.
    """

    layers: list[str]
    geometry: ConvGeometry
    phase: str
    threads: int
    rule: str = ""
    estimates: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)

    @property
    def contenders(self) -> list[str]:
        """Those that may be the fastest, and the rules' choice, to compare with."""
        limit = CONTENDS * min(self.estimates.values())
        return [name for name, seconds in self.estimates.items() if seconds <= limit or name == self.rule]

    @property
    def fastest(self) -> str:
        """By the median; the rules' choice unless that is outside of what the fastest itself varies by."""
        name = min(self.samples, key=lambda name: spread(self.samples[name])[1])
        return self.rule if self.seconds(self.rule) <= spread(self.samples[name])[2] else name

    def seconds(self, algorithm: str) -> float:
        """Median."""
        return spread(self.samples[algorithm])[1]


def tune(
    *models: str,
    batch_size: Batches | None = None,
    backend: str | None = None,
    threads: Whole | None = None,
    repeat: Whole = 10,
    forget: bool = False,
    json: bool = False,
) -> int:
    """Measure which convolution algorithm is the fastest here, and keep it for auto to use.

    Every distinct convolution of a model's training step is run by every algorithm that can, in each of its passes. The
    fastest is stored for this processor, these versions, this backend and this number of threads, and used from then
    on wherever that convolution runs with the algorithm auto. Run it while the machine is idle.

    Parameters
    ----------
    models
        lenet5 (the default), alexnet, vgg16, …, or folders of runs.
    batch_size
        Images in a step; those that the model is trained with where not given. May be given several times.
    backend
        Kernels to measure, in main memory; those in use where not given. See tinycnn info.
    threads
        Threads to measure with; those that the model is trained with where not given.
    repeat
        Samples of each algorithm.
    forget
        Delete what was stored, of all models, backends and machines, and measure nothing.
    json
        Print the result as one JSON object on the last line.
    """
    if forget:
        return _forget([*models, *(["--batch-size"] if batch_size else []), *([backend] if backend else [])], json)
    require_counts(batch_size=batch_size or [], repeat=[repeat], threads=[threads])
    tuning.require_storable()
    name = current_backend() if backend is None else backend
    if name == "cupy":
        raise ValueError(
            "bench tune measures kernels in main memory, and on a GPU the rules choose: "
            f"give --backend {cpu_backends()[-1]}"
        )
    with use_backend(name):
        kernels = load_kernels(name)
        contests = _contests(models or ("lenet5",), batch_size, threads)
        _measure(kernels, contests, repeat)
    print(_table(contests))
    path = tuning.table_path()
    for count in sorted({contest.threads for contest in contests}):
        chosen = {(c.phase, c.geometry): c.fastest for c in contests if c.threads == count}
        path = tuning.store(name, count, chosen)
    forget_choices()
    print(f"stored in {path}: auto uses it on the {name} backend with {_counts(contests)}")
    if json:
        print(json_format.dumps({"path": str(path), "backend": name, "choices": [_as_json(c) for c in contests]}))
    return DONE


def _forget(others: Sequence[str], json: bool) -> int:
    if others:
        raise ValueError(f"--forget deletes all that was stored and measures nothing: leave out {others[0]}")
    path = tuning.table_path()
    forgotten = tuning.forget()
    forget_choices()
    print(f"deleted {path}; the rules choose again" if forgotten else f"nothing is stored: there is no {path}")
    if json:
        print(json_format.dumps({"path": str(path), "deleted": forgotten}))
    return DONE


def _contests(models: Sequence[str], batch_sizes: Sequence[int] | None, threads: int | None) -> list[Contest]:
    """The passes of all models, each distinct one once."""
    found: dict[tuple[int, str, ConvGeometry], Contest] = {}
    for name in models:
        model, input_shape, recipes = network_of(name)
        sizes = batch_sizes or sorted({recipe.batch_size for recipe in recipes})
        count = threads or min(recipes[0].threads, cores())
        for size in sizes:
            for layers, geometry, passes in convolutions(model, input_shape, size):
                for phase in passes:
                    new = Contest([], geometry, phase, count)
                    contest = found.setdefault((count, phase, geometry), new)
                    contest.layers += [f"{name} {layer}" for layer in layers]
    return list(found.values())


def _measure(kernels: Kernels, contests: Sequence[Contest], repeat: int) -> None:
    geometries = len({contest.geometry for contest in contests})
    print(f"{len(contests)} passes of {geometries} convolutions on {kernels.name}, {_counts(contests)}", flush=True)
    with bar("estimating", len(contests)) as advance:
        for contest in contests:
            _set_threads(kernels, contest)
            contest.rule = kernels.choose_convolution(contest.phase, contest.geometry)
            for algorithm in able_algorithms(kernels, contest.geometry):
                contest.estimates[algorithm] = estimate(kernels, algorithm, contest.phase, contest.geometry)
            advance(1)
    work = [_seconds_of(contest, repeat) for contest in contests]
    runs = sum(len(contest.contenders) for contest in contests)
    print(f"{runs} that may be the fastest, {repeat} times each: about {duration(sum(work))}", flush=True)
    with bar("measuring", sum(work)) as advance:
        for contest, seconds in zip(contests, work, strict=True):
            _set_threads(kernels, contest)
            arrays, names = Operands.of(contest.geometry), contest.contenders
            bound = {name: bind(kernels, name, contest.phase, contest.geometry, arrays) for name in names}
            contest.samples = in_turn(bound, dict.fromkeys(names, repeat))
            advance(seconds)


def _set_threads(kernels: Kernels, contest: Contest) -> None:
    """As many as asked for, or as the backend has where those are fewer: the choice is stored for these."""
    set_num_threads(contest.threads)
    contest.threads = threads_of(kernels.name)


def _seconds_of(contest: Contest, repeat: int) -> float:
    each = [contest.estimates[name] for name in contest.contenders]
    return sum(seconds * (2 + repeat * calls_for(seconds)) for seconds in each)


def _counts(contests: Sequence[Contest]) -> str:
    counts = sorted({contest.threads for contest in contests})
    return " and ".join(map(str, counts)) + (" thread" if counts == [1] else " threads")


def _table(contests: Sequence[Contest]) -> str:
    rows = [("layer", "convolution", "images", "pass", "fastest", "ms", "rules", "ms", "faster by")]
    for contest in contests:
        g, fastest = contest.geometry, contest.fastest
        more = f", {len(contest.layers) - 1} more" if len(contest.layers) > 1 else ""
        size = f"{g.C} -> {g.K}, {g.R}x{g.S} over {g.H}x{g.W}" + (f", {g.groups} groups" if g.groups > 1 else "")
        times = [f"{1e3 * contest.seconds(name):.3g}" for name in (fastest, contest.rule)]
        gain = f"{contest.seconds(contest.rule) / contest.seconds(fastest):.2f}"
        row = contest.layers[0] + more, size, str(g.N), contest.phase, fastest, times[0], contest.rule, times[1], gain
        rows.append(row)
    return table(rows, right={2, 5, 7, 8})


def _as_json(contest: Contest) -> dict[str, Any]:
    return {
        "layers": contest.layers,
        "geometry": str(contest.geometry),
        "input": contest.geometry.input_shape,
        "weight": contest.geometry.weight_shape,
        "pass": contest.phase,
        "threads": contest.threads,
        "fastest": contest.fastest,
        "rules": contest.rule,
        "faster_by": contest.seconds(contest.rule) / contest.seconds(contest.fastest),
        "seconds": {name: spread(samples) for name, samples in contest.samples.items()},
        "estimated_seconds": contest.estimates,
    }
