"""Runs that last less than a second, and what two of them are compared by."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.data import DATA_SETS, DataSet, digits
from tinycnn.storage import load_arrays
from tinycnn.training import Recipe, Trainer
from tinycnn.training.trainer import Callback, Row

BATCHES = 3  # in an epoch of the recipe below
EPOCHS = 3


def read(split: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = digits(split)
    return images[:60], labels[:60]


FEW = DataSet("few", read, DATA_SETS["digits"].classes, 8, 16, 0.3053, 0.3759, 8)


def recipe(**chosen: Any) -> Recipe:
    """LeNet-5 on sixty digits, which DATA_SETS must hold."""
    small = {"epochs": EPOCHS, "batch_size": 16, "validation": 0.25, "augment": True, "threads": 1}
    return Recipe.of("lenet5", "few", **small | chosen)


def timeless(rows: list[Row]) -> list[Row]:
    """Rows of a history without what a clock said."""
    return [{name: row[name] for name in row if name not in ("seconds", "images_per_second")} for row in rows]


def metrics(folder: Path) -> list[Row]:
    """The rows of a run's metrics.jsonl, without what a clock said."""
    return timeless([json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()])


def outcome(folder: Path) -> dict[str, Any]:
    """All that a run leaves, in a form that equals only what is the same bit for bit."""
    found: dict[str, Any] = {"metrics": metrics(folder)}
    for name in ("best", "last"):
        if (folder / f"{name}.safetensors").is_file():
            arrays, description = load_arrays(folder / f"{name}.safetensors")
            found[name] = {key: (array.dtype.str, array.shape, array.tobytes()) for key, array in arrays.items()}
            found[f"state of {name}"] = _timeless_state(description["state"])
            found[f"row of {name}"] = timeless([description["notes"].get("row", {})])
    return found


def _timeless_state(state: dict[str, Any] | None) -> dict[str, Any] | None:
    if state is None:
        return None
    position = state["position"]
    return state | {"position": position | {"seconds": None, "history": timeless(position["history"])}}


class StopAfter(Callback):
    """Stops a training when it has run so many batches, those before it was resumed included."""

    def __init__(self, batches: int):
        self.count = batches

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.epoch * trainer.batches + trainer.batch >= self.count:
            trainer.stop("enough")
