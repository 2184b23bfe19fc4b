"""Training with Winograd's and with direct convolution: the same curves, but for rounding.

    python -m tinycnn.benchmarks.training_curves [RECORD.json]

The small VGG, all of whose convolutions are 3x3, on some of CIFAR-10's training images, from the same first weights and
in the same order with both. Rounding differs, and what differs a little at first differs more with each step: so the
curves are held against how far seeds are apart.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.benchmarks import record
from tinycnn.threads import cores
from tinycnn.wording import table

ALGORITHMS = ("winograd", "direct")
SEEDS = (0, 1, 2)
IMAGES, TESTED, EPOCHS, BATCH_SIZE = 8192, 2048, 4, 64
RATE, MOMENTUM, WEIGHT_DECAY = 0.02, 0.9, 5e-4


def main(path: str = "") -> None:
    """Train all, print the curves, and write the record where a path is given."""
    tc.set_num_threads(cores())
    rows = [trained(algorithm, seed) for seed in SEEDS for algorithm in ALGORITHMS]
    epochs = [f"loss {epoch + 1}" for epoch in range(EPOCHS)]
    print(table([("seed", "algorithm", *epochs, "test accuracy"), *map(told, rows)], right=set(range(2, EPOCHS + 3))))
    curves = {name: np.array([row["losses"] for row in rows if row["algorithm"] == name]) for name in ALGORITHMS}
    between_algorithms = float(np.abs(curves["winograd"] - curves["direct"]).max())
    between_seeds = float(np.ptp(curves["direct"], axis=0).max())
    print(f"losses differ by up to {between_algorithms:.4f} between algorithms, {between_seeds:.4f} between seeds")
    if path:
        settings = {"images": IMAGES, "epochs": EPOCHS, "batch_size": BATCH_SIZE, "lr": RATE}
        about = record.new("curves", settings | {"momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY}, ("numba",))
        differences = {"between_algorithms": between_algorithms, "between_seeds": between_seeds}
        record.save(Path(path), about | {"rows": rows} | differences)


def told(row: dict[str, Any]) -> Sequence[str]:
    """A row of the table."""
    losses = [f"{loss:.4f}" for loss in row["losses"]]
    return (str(row["seed"]), row["algorithm"], *losses, f"{100 * row['test_accuracy']:.2f} %")


def trained(algorithm: str, seed: int) -> dict[str, Any]:
    """Mean loss of each epoch's batches, and the part of other images that is right in the end."""
    tc.manual_seed(seed)
    data = tc.data.sets.DATA_SETS["cifar10"]
    images, labels = tc.data.cifar10("train")
    order = np.random.default_rng(seed).permutation(len(images))[: IMAGES + TESTED]
    transform = data.transform((3, 32, 32))
    parts = order[:IMAGES], order[IMAGES:]
    train, test = (
        tc.data.DataLoader(images[part], labels[part], BATCH_SIZE, shuffle=shuffle, transform=transform, seed=seed)
        for part, shuffle in zip(parts, (True, False), strict=True)
    )
    model = tc.models.vgg_small()
    optimizer = tc.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    losses: list[float] = []
    with tc.use_algorithm(algorithm):
        for epoch in range(EPOCHS):
            found = []
            for x, y in train.batches(epoch):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(tc.Tensor(x)), y)
                loss.backward()
                optimizer.step()
                found.append(loss.item())
            losses.append(mean(found))
        model.eval()
        with tc.no_grad():
            right = [model(tc.Tensor(x)).data.argmax(1) == y for x, y in test.batches(0)]
    accuracy = float(np.concatenate(right).mean())
    return {"algorithm": algorithm, "seed": seed, "losses": losses, "test_accuracy": accuracy}


if __name__ == "__main__":
    main(*sys.argv[1:])
