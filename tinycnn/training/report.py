"""The run report: one page that shows what a training came to, and holds all that it shows."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array
from tinycnn.data import DataSet
from tinycnn.inspect.activations import feature_maps
from tinycnn.nn import Conv2d, Module
from tinycnn.optional import require
from tinycnn.plot import ink_picture, reduced, signed_picture, training_curve
from tinycnn.plot.data_uri import NEGATIVE, POSITIVE, colour_picture
from tinycnn.storage import write_text
from tinycnn.training.checkpoint import Checkpoint
from tinycnn.training.evaluation import Evaluation
from tinycnn.training.recipe import Recipe
from tinycnn.wording import duration, percent

FILTERS, MAPS, MISTAKES = 32, 16, 20
"""The most that are shown: of the first layer's filters, of a stage's maps, of the mistakes."""

MAP_SIZE = 32  # pixels along a side; VGG's first maps, 224x224, would make a page of many megabytes

MEANINGS = {
    "model": "what was trained",
    "data": "on what",
    "epochs": "how often each image is seen, at most",
    "batch_size": "images in a step",
    "lr": "length of the first steps; it falls along half a cosine to 0",
    "momentum": "part of the last step that is taken again",
    "weight_decay": "pull of all weights to 0",
    "validation": "part of the training images that is held out to watch the training by",
    "patience": "epochs without a lower validation loss after which it stops; 0: never",
    "augment": "whether images are changed a little at random, anew in each epoch",
    "seed": "of all random choices",
    "backend": "which kernels ran",
    "algorithm": "how convolutions were computed",
    "threads": "of the matrix products",
    "tf32": "whether a GPU may round the factors of products to 10 bits of mantissa",
    "cuda_graph": "whether a GPU repeats a recorded step by itself",
}
"""What the report says of each choice of a recipe."""


class Tile(NamedTuple):
    """A picture and what stands in its place for those who do not see it."""

    picture: str
    alt: str


class Sheet(NamedTuple):
    """Pictures on one scale of colours, from −limit to limit.

    Attributes
    ----------
    name, kinds
        Of the first layer they belong to, and the classes of all.
    shape
        Of one of them, before it was reduced for the page.
    tiles
        Those that are shown.
    total
        How many there are.
    """

    name: str
    kinds: str
    shape: tuple[int, int]
    limit: float
    tiles: list[Tile]
    total: int
    is_reduced: bool


def write_report(
    path: Path,
    *,
    recipe: Recipe,
    history: Sequence[Mapping[str, Any]],
    checkpoint: Checkpoint,
    evaluation: Evaluation,
) -> None:
    """Write a page that needs no network, no script and no other file.

    Parameters
    ----------
    path
        Of the page, usually ``report.html`` in a run's folder; replaced at once or not at all.
    recipe
        What was trained and how.
    history
        Of the trainer: a row for each epoch, at least one.
    checkpoint
        The model that was kept and tested, with the ``row`` of its epoch among its notes.
    evaluation
        Of that model on the test images, in the order of ``recipe.data_set.read("test")``.

    Raises
    ------
    ModuleNotFoundError
        When Jinja2, matplotlib or Pillow is not installed.
    OSError
        When the file cannot be written; what was there before is intact.
    """
    source = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    jinja = require("jinja2", "reports")
    environment = jinja.Environment(
        autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": _unbroken(percent), "duration": _unbroken(duration), "count": "{:,}".format}
    model = checkpoint.build()
    images, _ = recipe.data_set.read("test")
    kept = checkpoint.notes["row"]["epoch"]
    page = environment.from_string(source).render(
        recipe=recipe,
        classes=recipe.data_set.classes,
        longest=max(map(len, recipe.data_set.classes)),
        history=history,
        kept=kept,
        validated="validation_loss" in history[0],
        seconds=sum(row["seconds"] for row in history),
        today=date.today(),
        evaluation=evaluation,
        right=int((evaluation.predictions == evaluation.labels).sum()),
        curves=[(name, _curve(history, name, kept)) for name in ("loss", "accuracy")],
        confusion=_confusion(evaluation),
        most_confused=_most_confused(evaluation.mistakes),
        filters=_filters(model),
        channels=recipe.architecture.input_shape[0],
        colours=[" ".join(map(str, colour)) for colour in (NEGATIVE, POSITIVE)],
        journey=_journey(recipe, model, images, evaluation),
        mistakes=[_mistake(recipe, images, evaluation, int(i)) for i in evaluation.worst[:MISTAKES]],
        choices=[(name, _plain(value), MEANINGS[name]) for name, value in recipe.as_dict().items()],
        look="ink" if recipe.data_set.channels == 1 else "photo",
        surroundings=checkpoint.notes["environment"],
        command=command(recipe),
    )
    write_text(path, page)


def command(recipe: Recipe) -> str:
    """The command line that trains by this recipe.

    Examples
    --------
    >>> command(Recipe.of("lenet5", "mnist", epochs=2, seed=7))
    'tinycnn train lenet5 --data mnist --epochs 2 --seed 7 --threads 1'
    """
    usual = Recipe.of(recipe.model, recipe.data).as_dict()
    words = ["tinycnn", "train", recipe.model]
    for name, value in recipe.as_dict().items():
        option = f"--{name.replace('_', '-')}"
        if name == "model" or (value == usual[name] and name not in ("data", "seed", "threads")):
            continue
        if isinstance(value, bool):
            words.append(option if value else option.replace("--", "--no-", 1))
        else:
            words += [option, str(value)]
    return shlex.join(words)


def _unbroken(wording: Callable[..., str]) -> Callable[..., str]:
    """The same words with spaces at which no line is broken."""
    return lambda *values: wording(*values).replace(" ", "\xa0")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _curve(history: Sequence[Mapping[str, Any]], name: str, kept: int) -> str:
    told = [f"{name} by epoch".capitalize()]
    for key, label in ((name, "training"), (f"validation_{name}", "validation")):
        if key in history[0]:
            ends = [history[i][key] for i in (0, -1)]
            first, last = [percent(v) for v in ends] if name == "accuracy" else [f"{v:.4g}" for v in ends]
            told.append(f"{label} from {first} to {last}" if len(history) > 1 else f"{label} {first}")
    return training_curve(history, name, kept, f"{'; '.join(told)}.")


def _confusion(evaluation: Evaluation) -> list[dict[str, Any]]:
    """For each class, how often it was taken for each, how deep that is shaded, and the part that is right."""
    most = max(int(evaluation.mistakes.max()), 1)
    rows = []
    for i, row in enumerate(evaluation.confusion):
        total = int(row.sum())
        # The fewest mistakes are still seen; the right ones differ little, and their depth is their part.
        depths = [
            row[j] / max(total, 1) if j == i else 0.2 + 0.8 * row[j] / most if row[j] else 0.0 for j in range(len(row))
        ]
        cells = [{"count": int(n), "depth": round(float(d), 3)} for n, d in zip(row, depths, strict=True)]
        rows.append({"cells": cells, "total": total, "accuracy": row[i] / total if total else None})
    return rows


def _most_confused(mistakes: Array) -> tuple[int, int, int] | None:
    """The class, what it was taken for most often, and how often; None where all is right."""
    i, j = np.unravel_index(int(mistakes.argmax()), mistakes.shape)
    return (int(i), int(j), int(mistakes[i, j])) if mistakes[i, j] else None


def _filters(model: Module) -> Sheet:
    """Of the first convolution, summed over the input's channels, which are equal where the images are grey."""
    name, layer = next((name, module) for name, module in model.named_modules() if isinstance(module, Conv2d))
    weights = layer.weight.data.sum(axis=1)  # (K, C, R, S) -> (K, R, S)
    return _sheet(name, type(layer).__name__, weights, FILTERS, f"Filter {{}} of {name}, weights")


def _journey(recipe: Recipe, model: Module, images: Array, evaluation: Evaluation) -> dict[str, Any]:
    """One test image, the first that was classified right, at each stage of its way through the model."""
    is_right = evaluation.predictions == evaluation.labels
    index = int(is_right.argmax())
    image = recipe.data_set.transform(recipe.architecture.input_shape)(images[index : index + 1])[0]
    return {
        "index": index,
        "label": int(evaluation.labels[index]),
        "prediction": int(evaluation.predictions[index]),
        "picture": _picture(recipe.data_set, image - image.min(), float(np.ptp(image)) or 1.0),
        "size": image.shape[1:],
        "stages": _stages(model, feature_maps(model, image)),
    }


def _picture(data_set: DataSet, image: Array, maximum: float) -> str:
    """One image, from 0 to ``maximum``: ink (H, W) or in equal channels, or colours, or what was made grey of them."""
    if data_set.channels == 3:
        return colour_picture(np.broadcast_to(image, (3, *image.shape[-2:])), maximum)
    return ink_picture(image.reshape(-1, *image.shape[-2:])[0], maximum)


def _stages(model: Module, outputs: Mapping[str, Array]) -> list[Sheet]:
    """The outputs that are maps; what a layer that only changes values makes takes the place of what it was made of."""
    modules = dict(model.named_modules())
    stages: list[tuple[list[str], Array]] = []
    for name, maps in outputs.items():
        if maps.ndim != 3 or maps[0].size == 1:
            break  # from here on, numbers
        convolves = any(parameter.ndim > 2 for parameter in modules[name].parameters())
        if not convolves and stages and stages[-1][1].shape == maps.shape:
            stages[-1] = ([*stages[-1][0], name], maps)
        else:
            stages.append(([name], maps))
    return [
        _sheet(
            names[0], ", ".join(type(modules[n]).__name__ for n in names), maps, MAPS, f"Map {{}} of {names[0]}, values"
        )
        for names, maps in stages
    ]


def _sheet(name: str, kinds: str, maps: Array, most: int, alt: str) -> Sheet:
    """Draw the first of (K, H, W)."""
    shown = reduced(maps[:most], MAP_SIZE)
    limit = float(np.abs(shown).max()) or 1.0
    tiles = [
        Tile(signed_picture(m, limit), f"{alt.format(i)} from {m.min():.3g} to {m.max():.3g}")
        for i, m in enumerate(shown, start=1)
    ]
    shape = (maps.shape[1], maps.shape[2])
    return Sheet(name, kinds, shape, limit, tiles, len(maps), shown.shape != maps[:most].shape)


def _mistake(recipe: Recipe, images: Array, evaluation: Evaluation, index: int) -> dict[str, Any]:
    label, taken_for = int(evaluation.labels[index]), int(evaluation.predictions[index])
    return {
        "index": index,
        "picture": _picture(recipe.data_set, images[index], recipe.data_set.maximum),
        "label": label,
        "taken_for": taken_for,
        "sure": float(evaluation.probabilities[index, taken_for]),
        "left": float(evaluation.probabilities[index, label]),
    }
