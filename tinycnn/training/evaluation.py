"""How well a model does on data it was not trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.arrays import Array, to_numpy
from tinycnn.data import DataLoader
from tinycnn.function import no_grad
from tinycnn.nn import Module, evaluating
from tinycnn.tensor import Tensor
from tinycnn.training.batches import on_side_of, room_for


@dataclass(frozen=True)
class Evaluation:
    """What a model says of every image of a data set, in main memory wherever the model is.

    Attributes
    ----------
    loss
        Mean over the images.
    labels
        The right classes, int (N,).
    probabilities
        Of each class, (N, classes).
    """

    loss: float
    labels: Array
    probabilities: Array

    @property
    def predictions(self) -> Array:
        """The likeliest classes, (N,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """Part of the images that are classified right."""
        return float((self.predictions == self.labels).mean())

    @property
    def confusion(self) -> Array:
        """How many images of class i were taken for class j: int (classes, classes)."""
        classes = self.probabilities.shape[1]
        return np.bincount(self.labels * classes + self.predictions, minlength=classes**2).reshape(classes, classes)

    @property
    def mistakes(self) -> Array:
        """`confusion` without what was right: 0 on the diagonal."""
        return self.confusion - np.diag(np.diag(self.confusion))

    @property
    def worst(self) -> Array:
        """Indices of the images that were classified wrong, the surest mistakes first."""
        wrong = np.flatnonzero(self.predictions != self.labels)
        return wrong[np.argsort(-self.probabilities[wrong].max(axis=1), kind="stable")]


def evaluate(model: Module, loader: DataLoader) -> Evaluation:
    """Run a model in ``eval`` mode over all batches of a loader, and leave each module in the mode it was in.

    Raises
    ------
    ValueError
        For a loader that shuffles or drops a last batch: what is told of image i would be told of another.
    MemoryError
        When a batch needs more memory than there is.

    Examples
    --------
    >>> import tinycnn as tc
    >>> images, labels = tc.data.digits("test")
    >>> transform = tc.data.DATA_SETS["digits"].transform((1, 32, 32))
    >>> result = evaluate(tc.models.lenet5(), tc.data.DataLoader(images, labels, transform=transform))
    >>> result.confusion.sum()
    np.int64(359)
    """
    if loader.shuffle or loader.drop_last:
        raise ValueError("evaluate takes every image in its order: make the loader without shuffle and drop_last")
    total, labels, probabilities = 0.0, [], []
    with no_grad(), evaluating(model):
        for images, targets in on_side_of(model, loader.batches(0)):
            with room_for(images, "a loader with batch_size={half}"):
                outputs = model(images)
                total += loss_of(model)(outputs, targets).item() * len(targets)
                labels.append(to_numpy(targets))
                probabilities.append(to_numpy(F.softmax(logits_of(model, outputs)).data))
    right = np.concatenate(labels).astype(np.int64)
    return Evaluation(total / len(right), right, np.concatenate(probabilities))


def loss_of(model: Module) -> Callable[[Tensor, Any], Tensor]:
    """The loss that a model is trained with: its own method ``loss``, or cross-entropy."""
    return getattr(model, "loss", F.cross_entropy)


def logits_of(model: Module, outputs: Tensor) -> Tensor:
    """Outputs as logits, the likeliest class the largest: by the model's own method ``logits`` where it has one."""
    own: Callable[[Tensor], Tensor] | None = getattr(model, "logits", None)
    return own(outputs) if own else outputs
