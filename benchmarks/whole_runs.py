"""The whole default LeNet-5 run on MNIST against PyTorch: from the start of the process to the test error.

    python -m tinycnn.benchmarks.whole_runs [RECORD.json]

tinycnn's side is ``tinycnn train lenet5 --data mnist``, with all that it does beside training: checkpoints, validation,
report. PyTorch's is the same recipe in the shortest loop that has it, on images that lie in memory, shuffled by index:
no `DataLoader`, whose workers would cost it more. The first seed runs with one thread and with two; the others with as
many as made a side faster then, and those runs count.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from tinycnn.benchmarks import record
from tinycnn.benchmarks.processes import THREADS
from tinycnn.data.fetch import data_directory
from tinycnn.data.sets import DATA_SETS, hold_out
from tinycnn.training.recipe import Recipe
from tinycnn.wording import table

SIDES = ("tinycnn", "torch")
SEEDS = (0, 1, 2)
RECIPE = Recipe.of("lenet5", "mnist")
EVALUATED = 250  # images at once, on both sides


def main(path: str = "") -> None:
    """Run all, in turns; print the table, and write the record where a path is given."""
    rows = [measured(side, threads, SEEDS[0]) for threads in (1, 2) for side in SIDES]
    chosen = {side: fastest([row for row in rows if row["side"] == side])[0]["threads"] for side in SIDES}
    rows += [measured(side, chosen[side], seed) for seed in SEEDS[1:] for side in SIDES]
    print(table([("side", "threads", "seed", "seconds", "test error"), *map(told, rows)], right={1, 2, 3, 4}))
    best = {side: [row for row in rows if (row["side"], row["threads"]) == (side, chosen[side])] for side in SIDES}
    for side, runs in best.items():
        errors = ", ".join(f"{row['test_error_percent']:.2f}" for row in runs)
        middle = median(row["seconds"] for row in runs)
        print(f"{side}: {middle:.1f} s with {runs[0]['threads']} threads, test errors {errors} %")
    ratios = sorted(t["seconds"] / o["seconds"] for o, t in zip(best["tinycnn"], best["torch"], strict=True))
    print(f"tinycnn is {median(ratios):.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    if path:
        about = record.new("runs", {"recipe": RECIPE.as_dict(), "seeds": SEEDS}, ("numba", "torch"))
        record.save(Path(path), about | {"date": date.today().isoformat(), "rows": rows, "times_as_fast": ratios})


def told(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    figures = f"{row['seconds']:.1f}", f"{row['test_error_percent']:.2f} %"
    return (row["side"], str(row["threads"]), str(row["seed"]), *figures)


def fastest(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs with that number of threads with which a side is faster."""
    by_threads = {threads: [row for row in runs if row["threads"] == threads] for threads in (1, 2)}
    return min(by_threads.values(), key=lambda some: median(row["seconds"] for row in some))


def measured(side: str, threads: int, seed: int) -> dict[str, Any]:
    """One run in a process of its own, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tinycnn.benchmarks.whole_runs", "torch", str(threads), str(seed)]
        if side == "tinycnn":
            command = [sys.executable, "-m", "tinycnn", "train", "lenet5", "--data", "mnist", "--json"]
            command += ["--threads", str(threads), "--seed", str(seed), "--out", str(Path(folder) / "run")]
        environment = os.environ | dict.fromkeys(THREADS, str(threads))
        start = perf_counter()
        ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        seconds = perf_counter() - start
    answer = json.loads(ended.stdout.splitlines()[-1])
    error = 100 * (1 - answer["test_accuracy"])
    return {"side": side, "threads": threads, "seed": seed, "seconds": seconds, "test_error_percent": error}


def run_torch(threads: int, seed: int) -> float:
    """The recipe in PyTorch: part of the test images that the model of the best epoch gets right."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    model = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )
    r, loss_of = RECIPE, nn.functional.cross_entropy
    optimizer = torch.optim.SGD(model.parameters(), lr=r.lr, momentum=r.momentum, weight_decay=r.weight_decay)
    images, labels = (torch.from_numpy(array) for array in read("train"))
    kept, held_out = (torch.from_numpy(indices) for indices in hold_out(labels.numpy(), r.validation, seed))

    def batches(chosen: Any, size: int) -> Iterator[tuple[Any, Any]]:
        for some in chosen.split(size):
            yield images[some], labels[some]

    def tested(pairs: Iterator[tuple[Any, Any]]) -> tuple[float, float]:
        """Mean loss, and part that is right."""
        model.eval()
        total, right, count = 0.0, 0, 0
        with torch.inference_mode():
            for x, y in pairs:
                logits = model(x)
                total += loss_of(logits, y, reduction="sum").item()
                right += (logits.argmax(1) == y).sum().item()
                count += len(y)
        model.train()
        return total / count, right / count

    best, weights = math.inf, model.state_dict()
    for epoch in range(r.epochs):
        for group in optimizer.param_groups:
            group["lr"] = r.lr * (1 + math.cos(math.pi * epoch / r.epochs)) / 2
        for x, y in batches(kept[torch.randperm(len(kept))], r.batch_size):
            optimizer.zero_grad()
            loss_of(model(x), y).backward()
            optimizer.step()
        loss, _ = tested(batches(held_out, EVALUATED))
        if loss < best:
            best, weights = loss, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(weights)
    images, labels = (torch.from_numpy(array) for array in read("test"))
    return tested(batches(torch.arange(len(labels)), EVALUATED))[1]


def read(part: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Images as LeNet-5 takes them, (N, 1, 32, 32), and labels."""
    data = DATA_SETS["mnist"]
    folder, prefix = data_directory() / "mnist", "train" if part == "train" else "t10k"
    with gzip.open(folder / f"{prefix}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(folder / f"{prefix}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    scaled = (np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2))).astype(np.float32) / 255 - data.mean) / data.std
    return scaled.astype(np.float32), labels


if __name__ == "__main__":
    if sys.argv[1:2] == ["torch"]:
        print(json.dumps({"test_accuracy": run_torch(int(sys.argv[2]), int(sys.argv[3]))}))
    else:
        main(*sys.argv[1:])
