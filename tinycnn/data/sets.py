"""The data sets by name, with what is needed to bring their images to a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinycnn.arrays import Array
from tinycnn.data.cifar10 import CIFAR10_NAMES, cifar10
from tinycnn.data.digits import digits
from tinycnn.data.mnist import fashion_mnist, mnist
from tinycnn.data.transforms import (
    ColourToGrey,
    Compose,
    GreyToColour,
    Normalize,
    Pad,
    RandomAffine,
    RandomHorizontalFlip,
    RandomShift,
    Resize,
    ToFloat,
    Transform,
)
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
    """Images in classes, all of one size, grey or coloured.

    Attributes
    ----------
    name
        As on the command line.
    read
        From ``"train"`` or ``"test"`` to images, grey (N, H, W) or coloured (N, 3, H, W), and labels (N,).
    classes
        Their names.
    size
        Height and width of an image.
    maximum
        The value of full ink, or of the brightest red, green and blue.
    mean, std
        Of all pixels of the training images, ``maximum`` counted as 1: one number, or one for each channel.
    box
        Height and width of the box that the thing shown fills, in the middle of the image.
    augmentation
        The random changes that leave an image one of its class.
    changed
        What they do to it, in words.
    """

    name: str
    read: Callable[[str], tuple[Array, Array]]
    classes: tuple[str, ...]
    size: int
    maximum: int
    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]
    box: int
    augmentation: tuple[Transform, ...] = (RandomAffine(degrees=10, translate=0.06, scale=(0.9, 1.1), shear=10),)
    changed: str = "turned, scaled, sheared and shifted a little"

    @property
    def channels(self) -> int:
        """Of an image: 1 where it is grey."""
        return int(np.size(self.mean))

    def transform(self, input_shape: tuple[int, int, int], augment: bool = False) -> Compose:
        """From stored images to what a network of this input shape (C, H, W) takes.

        Where a small border makes up the size it is added, as LeNet-5 does to MNIST; else images are resized. Grey
        images are given to each of a network's channels, and coloured ones turned grey for one that has one.

        Raises
        ------
        ValueError
            When the images have neither as many channels as the network takes nor one, nor it.
        """
        C, H, W = input_shape
        missing = (H - self.size, W - self.size)
        steps: list[Transform] = [ToFloat(self.maximum)]
        if min(missing) >= 0 and max(missing) <= self.size // 4:
            top, left = missing[0] // 2, missing[1] // 2
            steps.append(Pad((top, missing[0] - top, left, missing[1] - left)))
        else:
            steps.append(Resize((H, W)))
        steps += self.augmentation if augment else ()
        steps.append(Normalize(self.mean, self.std))
        return Compose(steps + self._to_channels(C))

    def _to_channels(self, channels: int) -> list[Transform]:
        if channels == self.channels:
            return []
        if self.channels == 1:
            return [GreyToColour(channels)]
        if channels == 1:
            return [ColourToGrey()]
        raise ValueError(
            f"images of {self.name} have {self.channels} channels, and the network takes {channels}: "
            f"choose one that takes {self.channels} or 1"
        )


DATA_SETS = {
    data_set.name: data_set
    for data_set in (
        DataSet("digits", digits, DIGIT_NAMES, 8, 16, 0.3053, 0.3759, 8),
        DataSet("mnist", mnist, DIGIT_NAMES, 28, 255, 0.1307, 0.3081, 20),
        DataSet("fashion-mnist", fashion_mnist, FASHION_NAMES, 28, 255, 0.2860, 0.3530, 28),
        DataSet(
            "cifar10",
            cifar10,
            CIFAR10_NAMES,
            32,
            255,
            (0.4914, 0.4822, 0.4465),
            (0.2470, 0.2435, 0.2616),
            32,
            (RandomHorizontalFlip(), RandomShift(4)),
            "mirrored and shifted by up to 4 pixels",
        ),
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
