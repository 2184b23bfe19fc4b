"""``tinycnn evaluate``."""

from __future__ import annotations

import json as json_format
from dataclasses import replace
from pathlib import Path

import numpy as np

from tinycnn.arrays import Array
from tinycnn.models import pretrained_path
from tinycnn.threads import set_num_threads
from tinycnn.training import Evaluation, load_checkpoint
from tinycnn.training import evaluate as evaluate_model
from tinycnn.training.run import test_loader


def evaluate(model: Path | None = None, *, data: str | None = None, json: bool = False) -> int:
    """Test a trained model on images it has not seen.

    Parameters
    ----------
    model
        Folder of a run, or one of its .safetensors files; the LeNet-5 that comes with tinycnn where not given.
    data
        Another data set than the one it was trained on: digits, mnist or fashion-mnist.
    json
        Print the result as one JSON object on the last line.
    """
    checkpoint = load_checkpoint(model or pretrained_path("lenet5"))
    recipe = replace(checkpoint.recipe, data=data or checkpoint.recipe.data)
    classes, trained = recipe.data_set.classes, checkpoint.recipe.data_set.classes
    if len(classes) != len(trained):
        raise ValueError(f"{checkpoint.path} tells {len(trained)} classes apart, {recipe.data} has {len(classes)}")
    network = checkpoint.build()
    set_num_threads(recipe.threads)
    loader = test_loader(recipe)
    result = evaluate_model(network, loader)
    print(f"{recipe.model} from {checkpoint.path}, tested on {len(result.labels):,} images of {recipe.data}")
    print(_table(result, classes))
    print(f"test accuracy {100 * result.accuracy:.2f} % ({len(result.worst):,} wrong), loss {result.loss:.4f}")
    if json:
        found = {
            "test_accuracy": result.accuracy,
            "test_loss": result.loss,
            "images": len(result.labels),
            "model": str(checkpoint.path),
            "data": recipe.data,
            "confusion": result.confusion.tolist(),
        }
        print(json_format.dumps(found))
    return 0


def _table(result: Evaluation, classes: tuple[str, ...]) -> str:
    """Per class: how many, how many right, and what it is most often taken for."""
    width = max(map(len, classes))
    lines = []
    for name, row, index in zip(classes, result.confusion, range(len(classes)), strict=True):
        share = 100 * row[index] / max(1, row.sum())
        lines.append(f"  {name:<{width}}  {share:6.2f} % of {row.sum():,}{_mistake(row, index, classes)}")
    return "\n".join(lines)


def _mistake(row: Array, index: int, classes: tuple[str, ...]) -> str:
    others = np.where(np.arange(len(row)) == index, 0, row)
    most = int(others.argmax())
    return f", {others[most]} taken for {classes[most]}" if others[most] else ""
