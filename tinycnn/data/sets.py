"""The data sets by name, with what is needed to bring their images to a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinycnn.arrays import Array
from tinycnn.data.digits import digits
from tinycnn.data.mnist import fashion_mnist, mnist
from tinycnn.data.transforms import Compose, GreyToColour, Normalize, Pad, RandomAffine, Resize, ToFloat, Transform
from tinycnn.random import Purpose, stream

DIGIT_NAMES = tuple("0123456789")
FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class DataSet:
    """Grey images in classes.

    Attributes
    ----------
    name
        As on the command line.
    read
        From ``"train"`` or ``"test"`` to images (N, H, W) and labels (N,).
    classes
        Their names.
    size
        Height and width of an image.
    maximum
        The value of full ink.
    mean, std
        Of all pixels of the training images, ink counted as 1.
    box
        Height and width of the box that the thing shown fills, in the middle of the image.
    """

    name: str
    read: Callable[[str], tuple[Array, Array]]
    classes: tuple[str, ...]
    size: int
    maximum: int
    mean: float
    std: float
    box: int

    def transform(self, input_shape: tuple[int, int, int], augment: bool = False) -> Compose:
        """From stored images to what a network of this input shape (C, H, W) takes.

        Where a small border makes up the size it is added, as LeNet-5 does to MNIST; else images are resized.
        """
        C, H, W = input_shape
        missing = (H - self.size, W - self.size)
        steps: list[Transform] = [ToFloat(self.maximum)]
        if min(missing) >= 0 and max(missing) <= self.size // 4:
            top, left = missing[0] // 2, missing[1] // 2
            steps.append(Pad((top, missing[0] - top, left, missing[1] - left)))
        else:
            steps.append(Resize((H, W)))
        if augment:
            steps.append(RandomAffine(degrees=10, translate=0.06, scale=(0.9, 1.1), shear=10))
        steps.append(Normalize(self.mean, self.std))
        return Compose(steps + ([GreyToColour(C)] if C > 1 else []))


DATA_SETS = {
    data_set.name: data_set
    for data_set in (
        DataSet("digits", digits, DIGIT_NAMES, 8, 16, 0.3053, 0.3759, 8),
        DataSet("mnist", mnist, DIGIT_NAMES, 28, 255, 0.1307, 0.3081, 20),
        DataSet("fashion-mnist", fashion_mnist, FASHION_NAMES, 28, 255, 0.2860, 0.3530, 28),
    )
}


def hold_out(labels: Array, fraction: float, seed: int) -> tuple[Array, Array]:
    """Split indices at random within each class.

    Parameters
    ----------
    labels
        Integers (N,).
    fraction
        Part of each class that is held out, from 0 up to, not including, 1.
    seed
        Of the choice.

    Returns
    -------
    tuple of array
        The indices that stay and those held out, each in order.

    Raises
    ------
    ValueError
        For a fraction outside its range.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"hold_out: fraction must be from 0 up to, not including, 1, got {fraction}")
    draws = stream(seed, Purpose.HOLD_OUT)
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        held[draws.permutation(members)[: round(fraction * len(members))]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
