"""The scores that a model gives one image, asked for in a way that leaves the model as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinycnn.arrays import Array, beside
from tinycnn.function import no_grad
from tinycnn.nn import Module, evaluating
from tinycnn.tensor import Tensor
from tinycnn.training.evaluation import logits_of


def batch_of_one(name: str, model: Module, image: Array) -> Tensor:
    """One image (C, H, W) as a batch (1, C, H, W) that asks for its gradient, beside the model's parameters.

    Raises
    ------
    ValueError
        For a batch or a bare (H, W), in the name of the caller.
    TypeError
        For integers.
    """
    if image.ndim != 3:
        hint = "images[0] is one of a batch" if image.ndim == 4 else "one grey image is x.reshape(1, H, W)"
        raise ValueError(f"{name} takes one image (C, H, W), got {image.shape}: {hint}")
    if image.dtype.kind != "f":
        raise TypeError(
            f"{name} takes a floating-point image, got {image.dtype}: give it as the model was trained on it"
        )
    like = next((parameter.data for parameter in model.parameters()), image)
    return Tensor(beside(image[None], like), requires_grad=True)


def class_scores(name: str, model: Module, batch: Tensor) -> Tensor:
    """The logits (N, classes) of a batch.

    Raises
    ------
    ValueError
        When the model gives something else.
    """
    scores = logits_of(model, model(batch))
    if scores.ndim != 2:
        raise ValueError(
            f"{name} takes a model that gives each image one score a class, (N, classes), "
            f"this {type(model).__name__} gives {scores.shape}: end it with Flatten and Linear"
        )
    return scores


def class_index(name: str, scores: Tensor, target: int | None) -> int:
    """The class asked for, or the one with the largest score of the first image.

    Raises
    ------
    ValueError
        When there is no such class.
    """
    if target is None:
        return int(scores.data[0].argmax())
    classes = scores.shape[1]
    if isinstance(target, bool) or not isinstance(target, (int, np.integer)) or not 0 <= target < classes:
        raise ValueError(f"{name}: target must be a class from 0 to {classes - 1}, or None, got {target!r}")
    return int(target)


def chosen_class(name: str, model: Module, image: Array, target: int | None) -> int:
    """As `class_index`, of a model that has not run yet."""
    with no_grad(), evaluating(model):
        return class_index(name, class_scores(name, model, batch_of_one(name, model, image)), target)


def send_back(name: str, scores: Tensor, target: int | None) -> None:
    """Walk back from the score of one class: an upstream gradient of 1 there, 0 elsewhere."""
    upstream = np.zeros_like(scores.data)
    upstream[0, class_index(name, scores, target)] = 1
    scores.backward(upstream)


@contextmanager
def undisturbed(model: Module) -> Iterator[None]:
    """Run a block with ``model`` in ``eval`` mode and its parameters frozen, so that backward fills no ``grad``."""
    asked: list[tuple[Any, bool]] = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    with evaluating(model):
        model.requires_grad_(False)
        try:
            yield
        finally:
            for parameter, requires_grad in asked:
                parameter.requires_grad = requires_grad
