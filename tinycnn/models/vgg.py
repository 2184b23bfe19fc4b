"""VGG (Simonyan, Zisserman, 2014, Very Deep Convolutional Networks for Large-Scale Image Recognition)."""

from __future__ import annotations

from typing import Any

from tinycnn.nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    init,
)
from tinycnn.tensor import Tensor

CONFIGURATIONS = {
    "A": "64 | 128 | 256 256 | 512 512 | 512 512 |",
    "A-LRN": "64 lrn | 128 | 256 256 | 512 512 | 512 512 |",
    "B": "64 64 | 128 128 | 256 256 | 512 512 | 512 512 |",
    "C": "64 64 | 128 128 | 256 256 1x1·256 | 512 512 1x1·512 | 512 512 1x1·512 |",
    "D": "64 64 | 128 128 | 256 256 256 | 512 512 512 | 512 512 512 |",
    "E": "64 64 | 128 128 | 256 256 256 256 | 512 512 512 512 | 512 512 512 512 |",
}
"""Table 1: output channels of each convolution, 3x3 where nothing else is said; ``|`` is a 2x2 max pool."""

SMALL = "24 24 | 48 48 | 96 96 96"
"""In the notation of the table; for images of 32x32 it ends in maps of 8x8."""


class VGG(Module):
    """Blocks of 3x3 convolutions, a 2x2 max pool after each block, three full layers; with torchvision's keys.

    Parameters
    ----------
    configuration
        A column of table 1: ``"A"``, ``"A-LRN"``, ``"B"``, ``"C"``, ``"D"`` or ``"E"``.
    batch_norm
        Whether each convolution is followed by batch normalisation.
    num_classes
        Number of logits.
    dropout
        Probability of dropping in the first two full layers.

    Examples
    --------
    >>> import tinycnn as tc
    >>> net = tc.models.vgg11(num_classes=2)
    >>> sum(p.size for p in net.features.parameters())
    9220480
    """

    def __init__(self, configuration: str, batch_norm: bool = False, num_classes: int = 1000, dropout: float = 0.5):
        self.features = Sequential(*_features(CONFIGURATIONS[configuration], batch_norm))  # 224 -> 7
        self.avgpool = AdaptiveAvgPool2d(7)
        self.flatten = Flatten()
        self.classifier = Sequential(
            Linear(512 * 7 * 7, 4096),
            ReLU(),
            Dropout(dropout),
            Linear(4096, 4096),
            ReLU(),
            Dropout(dropout),
            Linear(4096, num_classes),
        )
        self._initialise()

    def forward(self, x: Any) -> Tensor:
        """(N, 3, 224, 224) -> logits (N, num_classes); other sizes from 32 on are pooled to the same features.

        Raises
        ------
        ValueError
            For images smaller than 32x32 or without three channels.
        """
        if len(x.shape) != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 32:
            raise ValueError(f"VGG expected input (N, 3, 224, 224), or another size from 32 on, got {x.shape}")
        return self.classifier(self.flatten(self.avgpool(self.features(x))))

    def _initialise(self) -> None:
        """He's rule for the convolutions, N(0, 0.01²) for the full layers, biases 0.

        The paper starts the deep nets from a trained A; He's rule trains them without.
        """
        for layer in self.modules():
            if isinstance(layer, Conv2d):
                init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, Linear):
                init.normal_(layer.weight, std=0.01)
            if isinstance(layer, (Conv2d, Linear)) and layer.bias is not None:
                init.zeros_(layer.bias)


class VGGSmall(Sequential):
    """VGG's blocks of 3x3 convolutions for images of 32x32: see `vgg_small`.

    Parameters
    ----------
    num_classes
        Number of logits.
    """

    def __init__(self, num_classes: int = 10):
        super().__init__(
            {
                "features": Sequential(*_features(SMALL, batch_norm=True, bias=False)),  # (N, 3, H, W) -> (N, 96, P, Q)
                "pool": GlobalAvgPool2d(),  # -> (N, 96, 1, 1)
                "flatten": Flatten(),
                "classifier": Linear(96, num_classes),
            }
        )
        for layer in self.modules():
            if isinstance(layer, Conv2d):
                init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Any) -> Tensor:
        """(N, 3, 32, 32) -> logits (N, num_classes); the average takes maps of other sizes too.

        Raises
        ------
        ValueError
            For images smaller than 4x4 or without three channels.
        """
        if len(x.shape) != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 4:
            raise ValueError(f"vgg_small expected input (N, 3, 32, 32), or another size from 4 on, got {x.shape}")
        return super().forward(x)


def _features(configuration: str, batch_norm: bool, bias: bool = True) -> list[Module]:
    layers: list[Module] = []
    channels = 3
    for word in configuration.split():
        if word == "|":
            layers.append(MaxPool2d(2))
            continue
        if word == "lrn":
            layers.append(LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0, average=False))
            continue
        size, _, count = word.rpartition("·")
        wide = int(count)
        kernel = 1 if size == "1x1" else 3
        layers.append(Conv2d(channels, wide, kernel, padding=kernel // 2, bias=bias))
        layers += [BatchNorm2d(wide), ReLU()] if batch_norm else [ReLU()]
        channels = wide
    return layers


def vgg11(batch_norm: bool = False, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG A, 8 convolutions: 132,863,336 parameters. Arguments as for `VGG`."""
    return VGG("A", batch_norm, num_classes, dropout)


def vgg11_lrn(batch_norm: bool = False, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG A-LRN: A with local response normalisation after the first convolution; 132,863,336 parameters."""
    return VGG("A-LRN", batch_norm, num_classes, dropout)


def vgg13(batch_norm: bool = False, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG B, 10 convolutions: 133,047,848 parameters."""
    return VGG("B", batch_norm, num_classes, dropout)


def vgg16_1x1(batch_norm: bool = False, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG C, 13 convolutions of which three are 1x1: 133,638,952 parameters."""
    return VGG("C", batch_norm, num_classes, dropout)


def vgg16(batch_norm: bool = False, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG D, 13 convolutions: 138,357,544 parameters."""
    return VGG("D", batch_norm, num_classes, dropout)


def vgg19(batch_norm: bool = False, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG E, 16 convolutions: 143,667,240 parameters."""
    return VGG("E", batch_norm, num_classes, dropout)


def vgg_small(num_classes: int = 10) -> VGGSmall:
    """A small VGG for images of 32x32, such as CIFAR-10's: 7 convolutions, 246,130 parameters.

    Blocks of 24, 48 and 96 channels with batch normalisation (which makes biases of the convolutions superfluous), a
    2x2 max pool after the first and the second, and in place of the three full layers the average of each of the last
    96 maps, 8x8, and one layer of logits.

    Parameters
    ----------
    num_classes
        Number of logits.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> net = tc.models.vgg_small()
    >>> net.features(tc.Tensor(np.zeros((2, 3, 32, 32), np.float32))).shape
    (2, 96, 8, 8)
    >>> sum(p.size for p in net.parameters())
    246130
    """
    return VGGSmall(num_classes)
