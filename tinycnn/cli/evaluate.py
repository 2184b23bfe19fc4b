"""``tinycnn evaluate``."""

from __future__ import annotations

import json as json_format
from dataclasses import replace

from tinycnn.cli.network import trained
from tinycnn.cli.options import Place
from tinycnn.cli.status import DONE
from tinycnn.threads import cores, set_num_threads
from tinycnn.training import Evaluation
from tinycnn.training import evaluate as evaluate_model
from tinycnn.training.run import loader_for_test
from tinycnn.wording import percent


def evaluate(model: Place | None = None, *, data: str | None = None, json: bool = False) -> int:
    """Test a trained model on images it has not seen.

    Parameters
    ----------
    model
        Folder of a run, one of its .safetensors files, or a model that comes trained: lenet5 (the default) or
        vgg-small.
    data
        Another data set than the one it was trained on: digits, mnist, fashion-mnist or cifar10.
    json
        Print the result as one JSON object on the last line.
    """
    checkpoint = trained(model)
    recipe = replace(checkpoint.recipe, data=checkpoint.recipe.data if data is None else data)
    classes, known = recipe.data_set.classes, checkpoint.recipe.data_set.classes
    if len(classes) != len(known):
        raise ValueError(f"{checkpoint.path} tells {len(known)} classes apart, {recipe.data} has {len(classes)}")
    network = checkpoint.build()
    set_num_threads(min(recipe.threads, cores()))
    loader = loader_for_test(recipe)
    result = evaluate_model(network, loader)
    print(f"{recipe.model} from {checkpoint.path}, tested on {len(result.labels):,} images of {recipe.data}")
    print(_table(result, classes))
    print(f"test accuracy {percent(result.accuracy)} ({len(result.worst):,} wrong), loss {result.loss:.4f}")
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
    return DONE


def _table(result: Evaluation, classes: tuple[str, ...]) -> str:
    """Per class: how many, how many right, and what it is most often taken for."""
    width = max(map(len, classes))
    lines = []
    for index, (name, row, mistakes) in enumerate(zip(classes, result.confusion, result.mistakes, strict=True)):
        most = int(mistakes.argmax())
        mistake = f", {mistakes[most]} taken for {classes[most]}" if mistakes[most] else ""
        lines.append(f"  {name:<{width}}  {percent(row[index] / max(1, row.sum())):>8} of {row.sum():,}{mistake}")
    return "\n".join(lines)
