"""``tinycnn predict``."""

from __future__ import annotations

import json as json_format
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.arrays import Array
from tinycnn.cli.network import trained
from tinycnn.cli.options import Place, Whole
from tinycnn.cli.status import BAD_INPUT, DONE
from tinycnn.data.photo import read_photo
from tinycnn.function import no_grad
from tinycnn.nn import Module
from tinycnn.training import Recipe
from tinycnn.training.evaluation import logits_of
from tinycnn.wording import percent


def predict(images: list[Path], /, *, model: Place | None = None, top: Whole = 3, json: bool = False) -> int:
    """Say what images show, and how sure the model is.

    Any size, any common format: each image is first brought to what the model was trained on. Where that was ink, dark
    on light or light on dark here, the thing to tell, say a digit, must be alone on plain paper that fills the picture.
    Where it was photos in colour, the thing must fill the square in the middle of the picture.

    Parameters
    ----------
    images
        Image files.
    model
        Folder of a run, one of its .safetensors files, or a model that comes trained: lenet5 (the default) or
        vgg-small.
    top
        How many classes to show, the likeliest first.
    json
        Print the result as one JSON object on the last line.
    """
    if top < 1:
        raise ValueError(f"--top must be at least 1, got {top}")
    checkpoint = trained(model)
    network, classes = checkpoint.build(), checkpoint.recipe.data_set.classes
    predictions: list[dict[str, Any]] = []
    for path in images:
        try:
            with _quiet():
                image = read_photo(path, checkpoint.recipe.data_set)
        except (ValueError, OSError) as error:  # the others are still good
            print(f"tinycnn: {error}", file=sys.stderr)
            continue
        probabilities = _probabilities(network, checkpoint.recipe, image)
        likeliest = np.argsort(-probabilities, kind="stable")[:top]
        shown = [{"class": classes[index], "probability": float(probabilities[index])} for index in likeliest]
        told = ", ".join(f"{classes[index]} ({percent(float(probabilities[index]), 1)})" for index in likeliest)
        print(f"{path}: {told}")
        predictions.append({"image": str(path), "top": shown})
    if json:
        print(json_format.dumps({"model": str(checkpoint.path), "predictions": predictions}))
    return BAD_INPUT if len(predictions) < len(images) else DONE


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep standard error quiet: libtiff, in C, writes there what Pillow then raises."""
    try:
        standard_error = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        os.close(nowhere)


def _probabilities(network: Module, recipe: Recipe, image: Array) -> Array:
    """Of each class, (classes,)."""
    batch = recipe.data_set.transform(recipe.architecture.input_shape)(image[None])  # -> (1, C, H, W)
    with no_grad():
        return F.softmax(logits_of(network, network(batch))).data[0]
