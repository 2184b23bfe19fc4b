"""Time a training step side by side: ``python -m tinycnn.benchmarks.train_step lenet5 64 tinycnn torch dezero``.

Each side runs in a process of its own, with the same number of threads. The processes take turns of a few steps, so
that a slow moment of the machine hits all of them; the ratio is that of the medians. Peak memory is the process's own.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.version import __version__

PAUSE = 0.1  # seconds between turns: idle threads of a BLAS or OpenMP spin for a while, and would take the other's core
STEPS_A_TURN = {"lenet5": 10}
Step = Callable[[], Any]
INPUTS = {"lenet5": ((1, 32, 32), 10), "alexnet": ((3, 227, 227), 1000), "vgg16": ((3, 224, 224), 1000)}
VGG16_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions


def tinycnn_step(model: str, x: Array, labels: Array) -> Step:
    """Forward, backward and SGD with momentum, on the backend in force."""
    import tinycnn as tc

    net: Any = getattr(tc.models, model)()
    optimizer = tc.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step() -> None:
        optimizer.zero_grad()
        tc.functional.cross_entropy(net(x), labels).backward()
        optimizer.step()

    return step


def torch_step(model: str, x: Array, labels: Array) -> Step:
    """The same step in PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    net = nn.Sequential(*_torch_layers(nn, model))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    images, targets = torch.from_numpy(x), torch.from_numpy(labels)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), targets).backward()
        optimizer.step()

    return step


def dezero_step(model: str, x: Array, labels: Array) -> Step:
    """The same step in DeZero, whose momentum optimiser has no weight decay."""
    # A name that NumPy dropped in 1.24 and DeZero 0.0.13 still uses.
    np.int = int  # type: ignore[attr-defined]  # noqa: NPY001

    import dezero
    import dezero.functions as F
    import dezero.layers as L
    from dezero.models import VGG16, Model

    class LeNet5(Model):
        def __init__(self) -> None:
            super().__init__()
            self.c1, self.c3, self.c5 = L.Conv2d(6, 5), L.Conv2d(16, 5), L.Conv2d(120, 5)
            self.f6, self.output = L.Linear(84), L.Linear(10)

        def forward(self, x: Any) -> Any:
            x = F.average_pooling(F.tanh(self.c1(x)), 2, 2)
            x = F.average_pooling(F.tanh(self.c3(x)), 2, 2)
            x = F.tanh(self.c5(x))
            return self.output(F.tanh(self.f6(F.reshape(x, (len(x), -1)))))

    net = {"lenet5": LeNet5, "vgg16": VGG16}[model]()
    optimizer = dezero.optimizers.MomentumSGD(0.01, 0.9).setup(net)

    def step() -> None:
        loss = F.softmax_cross_entropy(net(x), labels)
        net.cleargrads()
        loss.backward()
        optimizer.update()

    return step


SIDES = {"tinycnn": tinycnn_step, "torch": torch_step, "dezero": dezero_step}


def _torch_layers(nn: Any, model: str) -> list[Any]:
    if model == "lenet5":
        tanh, pool = nn.Tanh(), nn.AvgPool2d(2)
        features = [nn.Conv2d(1, 6, 5), tanh, pool, nn.Conv2d(6, 16, 5), tanh, pool, nn.Conv2d(16, 120, 5), tanh]
        return [*features, nn.Flatten(), nn.Linear(120, 84), tanh, nn.Linear(84, 10)]
    classifier = [nn.LazyLinear(4096), nn.ReLU(), nn.Dropout(), nn.LazyLinear(4096), nn.ReLU(), nn.Dropout()]
    if model == "alexnet":
        norm, pool = nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0), nn.MaxPool2d(3, 2)
        layers = [nn.Conv2d(3, 96, 11, 4), nn.ReLU(), norm, pool]
        layers += [nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), norm, pool]
        layers += [nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU()]
        layers += [nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), pool]
    else:
        layers, channels = [], 3
        for width, count in VGG16_BLOCKS:
            for _ in range(count):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
    return [*layers, nn.Flatten(), *classifier, nn.LazyLinear(1000)]


def work(side: str, model: str, batch: int) -> None:
    """Run one side: for each line of standard input mean seconds of as many steps, at the end the peak bytes."""
    shape, classes = INPUTS[model]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *shape), dtype=np.float32)
    step = SIDES[side](model, x, rng.integers(0, classes, batch))
    print("ready", flush=True)
    for line in sys.stdin:
        step()  # after a pause: wakes threads and caches
        start = time.perf_counter()
        for _ in range(int(line)):
            step()
        print((time.perf_counter() - start) / int(line), flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)


def measure(model: str, batch: int, sides: list[str], rounds: int, warmup: int, threads: int) -> dict[str, Any]:
    """Let the sides take turns; seconds per step and peak bytes of each."""
    environment = os.environ | {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [sys.executable, "-m", "tinycnn.benchmarks.train_step", model, str(batch), "--worker"]
    pipes = {
        side: subprocess.Popen(
            [*command, side], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        for side in sides
    }
    for side, pipe in pipes.items():
        assert pipe.stdout is not None
        if not pipe.stdout.readline():
            for other in pipes.values():
                other.kill()
            raise SystemExit(f"{side} could not start; its own message stands above")
    steps = STEPS_A_TURN.get(model, 1)
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(warmup + rounds):
        for side, pipe in pipes.items():
            assert pipe.stdin is not None and pipe.stdout is not None  # noqa: PT018
            time.sleep(PAUSE)
            pipe.stdin.write(f"{steps}\n")
            pipe.stdin.flush()
            taken = float(pipe.stdout.readline())
            if turn >= warmup:
                seconds[side].append(taken)
    peaks = {side: int(pipe.communicate()[0]) for side, pipe in pipes.items()}
    return {
        "model": model,
        "batch": batch,
        "threads": threads,
        "rounds": rounds,
        "steps_a_round": steps,
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {"tinycnn": __version__}
        | {name: importlib.metadata.version(name) for name in ("numpy", *sides) if name != "tinycnn"},
        "median_seconds": {side: statistics.median(values) for side, values in seconds.items()},
        "quartiles_seconds": {side: statistics.quantiles(values, n=4)[::2] for side, values in seconds.items()},
        "peak_bytes": peaks,
    }


def main() -> None:
    """Read the command line, measure, print a table and one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", choices=INPUTS)
    parser.add_argument("batch", type=int)
    parser.add_argument("sides", nargs="*", choices=SIDES, default="tinycnn")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--worker", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.model, options.batch)
        return
    sides = [options.sides] if isinstance(options.sides, str) else options.sides
    result = measure(options.model, options.batch, sides, options.rounds, options.warmup, options.threads)
    first = result["median_seconds"][sides[0]]
    for side in sides:
        median, (low, high) = result["median_seconds"][side], result["quartiles_seconds"][side]
        spread, peak = f"{1e3 * low:.1f} to {1e3 * high:.1f}", result["peak_bytes"][side] / 2**20
        print(f"{side:8} {1e3 * median:9.1f} ms ({spread}), {median / first:5.2f} x {sides[0]}, peak {peak:,.0f} MiB")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
