"""Time each convolution of three models by each algorithm: ``python -m tinycnn.benchmarks.convolution_layers``.

    --compare numpy numba     two backends, the same algorithm and number of threads
    --threads 1 2             what the second thread brings to each kernel
    --models vgg16 --backends numba --algorithms direct im2col winograd
                              which algorithm wins where, for the rules in kernels/choice.py

The models are LeNet-5, AlexNet of 2012 and VGG-16. Each backend and number of threads is a process of its own. For
one pass of one layer the processes take turns, each with a sample of every algorithm, so that a slow moment of the
machine hits all of them; ratios are taken within a turn, and told as their median with quartiles. FLOPs are counted
as direct convolution, two per multiply-add: Winograd's and the FFT's rates are effective ones, marked ~. What a call
is estimated to take longer for than --limit is skipped, and named.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from tinycnn import tuning
from tinycnn.backend import ALGORITHMS, able_algorithms, available_backends, load_kernels, use_backend
from tinycnn.benchmarks.timing import Operands, bind, calls_for, estimate, sample, spread
from tinycnn.geometry import ConvGeometry
from tinycnn.inspect import convolutions
from tinycnn.models import architecture
from tinycnn.storage import write_text
from tinycnn.training.environment import environment

BATCHES = {"lenet5": 64, "alexnet": 16, "vgg16": 4}
PASSES = ("forward", "backward_input", "backward_weight")
EFFECTIVE = ("winograd", "fft")
PAUSE = 0.05  # seconds between turns: idle threads of a BLAS or OpenMP spin for a while, on the other's core
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Side(NamedTuple):
    """A backend on a number of threads, in a process that is asked through a pipe."""

    backend: str
    threads: int
    pipe: Connection

    def ask(self, *question: Any) -> Any:
        """Send a question to `work`, and wait for the answer."""
        self.pipe.send(question)
        return self.pipe.recv()


def work(pipe: Connection, backend: str) -> None:
    """Answer questions on one backend: what algorithms are estimated to take, then samples of those asked for."""
    use_backend(backend)
    kernels = load_kernels(backend)
    runs: dict[str, Any] = {}
    calls: dict[str, int] = {}
    while question := pipe.recv():
        if question[0] == "estimate":
            _, phase, geometry, algorithms = question
            able = [name for name in able_algorithms(kernels, geometry) if name in algorithms]
            rules = kernels.choose_convolution(phase, geometry)
            pipe.send((rules, {name: estimate(kernels, name, phase, geometry) for name in able}))
        elif question[0] == "prepare":
            _, phase, geometry, algorithms = question
            arrays = Operands.of(geometry)
            runs = {name: bind(kernels, name, phase, geometry, arrays) for name in algorithms}
            calls = {name: calls_for(min(sample(run), sample(run))) for name, run in runs.items()}
            pipe.send(None)
        else:
            wake(list(runs.values())[:1])
            pipe.send({name: sample(run, calls[name]) for name, run in runs.items()})


def wake(runs: Sequence[Any]) -> None:
    """Run something for as long as the pause before was: cores that have slept are slow to wake for each other."""
    awake = time.perf_counter() + PAUSE
    while runs and time.perf_counter() < awake:
        runs[0]()


@contextmanager
def processes(backends: Sequence[str], threads: Sequence[int]) -> Iterator[list[Side]]:
    """One for each backend and number of threads; the libraries read that number when they start."""
    sides, before = [], {name: os.environ.get(name) for name in THREADS}
    with ExitStack() as stack:
        try:
            for count in threads:
                os.environ.update(dict.fromkeys(THREADS, str(count)))
                for backend in backends:
                    ours, theirs = get_context("spawn").Pipe()
                    process = get_context("spawn").Process(target=work, args=(theirs, backend), daemon=True)
                    process.start()
                    theirs.close()
                    stack.callback(process.join)
                    stack.callback(ours.send, None)
                    sides.append(Side(backend, count, ours))
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        yield sides


def measure(
    sides: Sequence[Side], phase: str, geometry: ConvGeometry, algorithms: Sequence[str], repeat: int, limit: float
) -> list[dict[str, Any]]:
    """One pass of one layer: a row for each side and algorithm, with its samples or why it has none."""
    estimates = [side.ask("estimate", phase, geometry, algorithms) for side in sides]
    taken = [{name for name, seconds in found.items() if seconds <= limit} for _, found in estimates]
    for side, names in zip(sides, taken, strict=True):
        side.ask("prepare", phase, geometry, sorted(names))
    samples: list[dict[str, list[float]]] = [{name: [] for name in names} for names in taken]
    for _ in range(repeat):
        for side, mine in zip(sides, samples, strict=True):
            if len(sides) > 1:
                time.sleep(PAUSE)
            for name, seconds in side.ask("sample").items():
                mine[name].append(seconds)
    rows = []
    for side, (rules, found), mine in zip(sides, estimates, samples, strict=True):
        for name, seconds in found.items():
            row = {"pass": phase, "backend": side.backend, "threads": side.threads, "algorithm": name}
            row |= {"rules": name == rules, "samples": mine.get(name, [])}
            if name in mine:
                low, middle, high = spread(mine[name])
                row |= {"median_seconds": middle, "quartiles_seconds": [low, high]}
                row |= {"gflops": geometry.flops / middle / 1e9, "effective": name in EFFECTIVE}
            else:
                row |= {"skipped": f"estimated to take {seconds:.0f} s a call, the limit is {limit:g} s"}
            rows.append(row)
    return rows


def lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A pass of a layer as text, a line for each side: milliseconds and GFLOP/s; * is what the rules choose."""
    for side in dict.fromkeys((row["backend"], row["threads"]) for row in rows):
        mine = [row for row in rows if (row["backend"], row["threads"]) == side]
        cells = []
        for row in mine:
            mark = "*" if row["rules"] else " "
            if row["samples"]:
                rate = f"{'~' if row['effective'] else ''}{row['gflops']:.1f} GF/s"
                cells.append(f"{row['algorithm']}{mark} {1e3 * row['median_seconds']:8.3f} ms {rate:>11}")
            else:
                cells.append(f"{row['algorithm']}{mark} {'skipped':>11} {'':>11}")
        yield f"  {mine[0]['pass']:15} {side[0]:5} {side[1]} thr  " + "  ".join(cells)


def comparisons(rows: Sequence[dict[str, Any]], key: str, first: Any, second: Any) -> Iterator[dict[str, Any]]:
    """Rows that differ in ``key`` alone, in pairs: how many times faster the second one is, turn by turn."""
    others = ("layers", "model", "pass", "algorithm", "backend", "threads")
    same = [name for name in others if name != key]
    by_name = {(row[key], *(row[name] for name in same)): row for row in rows if row["samples"]}
    for (value, *rest), row in by_name.items():
        other = by_name.get((second, *rest))
        if value == first and other:
            ratios = [a / b for a, b in zip(row["samples"], other["samples"], strict=True)]
            low, middle, high = spread(ratios)
            told = {"of": key, "from": first, "to": second, "times_faster": middle, "quartiles": [low, high]}
            yield dict(zip(same, rest, strict=True)) | told


def compared(pairs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Comparisons as text: a line for each pass of a layer, with the ratio and its quartiles for each algorithm."""
    heading = ""
    by_line: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        rest = f"threads {pair['threads']}" if pair["of"] == "backend" else pair["backend"]
        title = f"times as fast with {pair['of']} {pair['to']} as with {pair['from']}, {rest}"
        low, high = pair["quartiles"]
        cell = f"{pair['algorithm']} {pair['times_faster']:6.2f} ({low:.2f} to {high:.2f})"
        line = f"{pair['model']} {pair['layers']} {pair['pass']}"
        by_line.setdefault((title, line), []).append(f"{cell:32}")
    for title, line in sorted(by_line, key=lambda key: key[0]):
        if title != heading:
            heading = title
            yield f"\n{title}"
        yield f"  {line:36} {' '.join(by_line[title, line])}".rstrip()


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all that the options ask for, print it as it comes, and keep the record up to date if it is a file."""
    kinds = {"models": options.models, "algorithms": options.algorithms, "repeat": options.repeat}
    about = environment() | {"processor": tuning.machine(), "cores": os.cpu_count(), "threads": options.threads}
    about |= {name: version(name) for name in ("numba",) if name in options.backends}
    record: dict[str, Any] = {"date": date.today().isoformat(), "environment": about, **kinds, "layers": []}
    rows: list[dict[str, Any]] = []
    with processes(options.backends, options.threads) as sides:
        for model in options.models:
            found = architecture(model)
            size = options.batch or BATCHES[model]
            for layers, geometry, _ in convolutions(found.build(), found.input_shape, size):
                shape = {"model": model, "layers": " ".join(layers), "batch": size, "geometry": str(geometry)}
                shape |= {"input": geometry.input_shape, "weight": geometry.weight_shape, "groups": geometry.groups}
                print(f"{model} {' '.join(layers)}: {geometry.input_shape} with {geometry.weight_shape}, {geometry}")
                measured = []
                for phase in options.passes:
                    measured += measure(sides, phase, geometry, options.algorithms, options.repeat, options.limit)
                    print("\n".join(lines([row for row in measured if row["pass"] == phase])), flush=True)
                rows += [{"model": model, "layers": shape["layers"], **row} for row in measured]
                plain = [{name: value for name, value in row.items() if name != "samples"} for row in measured]
                record["layers"].append(shape | {"flops": geometry.flops, "passes": plain})
                _save(options.out, record)
    pairs = [("backend", *options.compare)] if options.compare else []
    pairs += [("threads", options.threads[0], options.threads[-1])] if len(options.threads) > 1 else []
    record["comparisons"] = [found for pair in pairs for found in comparisons(rows, *pair)]
    print("\n".join(compared(record["comparisons"])))
    for row in rows:
        if "skipped" in row:
            names = " ".join(str(row[name]) for name in ("model", "layers", "pass", "algorithm", "backend"))
            print(f"skipped: {names} on {row['threads']}, {row['skipped']}")
    _save(options.out, record)
    return record


def _save(path: Path | None, record: dict[str, Any]) -> None:
    if path is not None:
        write_text(path, json.dumps(record, indent=1) + "\n")


def main() -> None:
    """Read the command line, measure, print tables, and write the record: to --out, or as the last line."""
    text = __doc__ or ""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    backends, cores = available_backends(), os.cpu_count() or 1
    parser.add_argument("--models", nargs="+", choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--batch", type=int, help="images, for all models; else 64 for lenet5, 16, and 4 for vgg16")
    parser.add_argument("--passes", nargs="+", choices=PASSES, default=list(PASSES))
    parser.add_argument("--backends", nargs="+", choices=backends, default=list(backends))
    parser.add_argument("--compare", nargs=2, choices=backends, metavar="BACKEND", help="measure these two, and ratios")
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS[1:], default=list(ALGORITHMS[1:]))
    parser.add_argument("--threads", type=int, nargs="+", default=[cores], help="with several, ratios of first to last")
    parser.add_argument("--repeat", type=int, default=10, help="samples")
    parser.add_argument("--limit", type=float, default=5.0, help="seconds that one call may take")
    parser.add_argument("--out", type=Path, help="file for the record")
    options = parser.parse_args()
    if min(options.repeat, options.batch or 1, *options.threads) < 1:
        parser.error("--repeat, --batch and --threads must be at least 1")
    options.backends = options.compare or options.backends
    record = run(options)
    if options.out is None:
        print(json.dumps(record))


if __name__ == "__main__":
    main()
