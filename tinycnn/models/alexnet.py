"""AlexNet (Krizhevsky, Sutskever, Hinton, 2012) and its two later forms."""

from __future__ import annotations

from typing import Any

from tinycnn.nn import (
    AdaptiveAvgPool2d,
    Conv2d,
    Dropout,
    Flatten,
    Identity,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    init,
)
from tinycnn.tensor import Tensor


class AlexNet(Module):
    """Five convolutions, three full layers; see `alexnet` for the variants.

    Parameters
    ----------
    features
        (N, 3, H, W) -> (N, 256, P, Q).
    pool
        Brings (P, Q) to 6x6 where the input size may vary.
    classifier
        (N, 256 · 6 · 6) -> logits.
    """

    def __init__(self, features: Sequential, pool: Module, classifier: Sequential):
        self.features, self.avgpool, self.flatten, self.classifier = features, pool, Flatten(), classifier

    def forward(self, x: Any) -> Tensor:
        """(N, 3, H, W) -> logits (N, num_classes).

        Raises
        ------
        ValueError
            For images of another size than 227x227 where nothing pools the features to 6x6.
        """
        if isinstance(self.avgpool, Identity) and x.shape[1:] != (3, 227, 227):
            hint = ": the paper says 224, its arithmetic needs 227" if x.shape[1:] == (3, 224, 224) else ""
            raise ValueError(f"this AlexNet expected input (N, 3, 227, 227), got {x.shape}{hint}")
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


def alexnet(variant: str = "2012", num_classes: int = 1000, dropout: float = 0.5) -> AlexNet:
    """Build AlexNet.

    Parameters
    ----------
    variant
        ``"2012"``: the paper's, for 227x227 (its text says 224; 227 is what its arithmetic needs). Two towers, one for
        each of its two GPUs, are the two groups of conv2, conv4 and conv5: they meet at conv3 and at the full layers.
        60,965,224 parameters. ``"single"``: one tower, no groups, no response normalisation; 62,378,344 parameters.
        ``"one_weird_trick"``: Krizhevsky's of 2014, for 224x224, with torchvision's shapes and keys; 61,100,840
        parameters.
    num_classes
        Number of logits.
    dropout
        Probability of dropping in the first two full layers.

    Returns
    -------
    AlexNet

    Raises
    ------
    ValueError
        For another variant.

    Notes
    -----
    The order conv, ReLU, normalisation, pooling is the paper's; its layers start as section 5 says: weights from
    N(0, 0.01²), biases 1 in conv2, conv4, conv5 and the two hidden full layers, else 0.

    Examples
    --------
    >>> import tinycnn as tc
    >>> net = tc.models.alexnet("one_weird_trick", num_classes=2)
    >>> net.features[3]
    Conv2d(64, 192, kernel_size=(5, 5), padding=2)
    """
    if variant == "one_weird_trick":
        return _one_weird_trick(num_classes, dropout)
    if variant not in ("2012", "single"):
        raise ValueError(f'alexnet: variant must be "2012", "single" or "one_weird_trick", got {variant!r}')
    net = _two_towers(num_classes, dropout) if variant == "2012" else _one_tower(num_classes, dropout)
    _initialise(net)
    return net


def _two_towers(num_classes: int, dropout: float) -> AlexNet:
    features = Sequential(
        Conv2d(3, 96, 11, stride=4),  # (N, 3, 227, 227) -> (N, 96, 55, 55)
        ReLU(),
        _response_norm(),
        MaxPool2d(3, 2),  # -> (N, 96, 27, 27)
        Conv2d(96, 256, 5, padding=2, groups=2),  # -> (N, 256, 27, 27)
        ReLU(),
        _response_norm(),
        MaxPool2d(3, 2),  # -> (N, 256, 13, 13)
        Conv2d(256, 384, 3, padding=1),  # -> (N, 384, 13, 13): here the towers meet
        ReLU(),
        Conv2d(384, 384, 3, padding=1, groups=2),
        ReLU(),
        Conv2d(384, 256, 3, padding=1, groups=2),  # -> (N, 256, 13, 13)
        ReLU(),
        MaxPool2d(3, 2),  # -> (N, 256, 6, 6)
    )
    return AlexNet(features, Identity(), _dropout_after(num_classes, dropout))


def _one_tower(num_classes: int, dropout: float) -> AlexNet:
    features = Sequential(
        Conv2d(3, 96, 11, stride=4),  # (N, 3, 227, 227) -> (N, 96, 55, 55)
        ReLU(),
        MaxPool2d(3, 2),  # -> (N, 96, 27, 27)
        Conv2d(96, 256, 5, padding=2),  # -> (N, 256, 27, 27)
        ReLU(),
        MaxPool2d(3, 2),  # -> (N, 256, 13, 13)
        Conv2d(256, 384, 3, padding=1),  # -> (N, 384, 13, 13)
        ReLU(),
        Conv2d(384, 384, 3, padding=1),
        ReLU(),
        Conv2d(384, 256, 3, padding=1),  # -> (N, 256, 13, 13)
        ReLU(),
        MaxPool2d(3, 2),  # -> (N, 256, 6, 6)
    )
    return AlexNet(features, Identity(), _dropout_after(num_classes, dropout))


def _one_weird_trick(num_classes: int, dropout: float) -> AlexNet:
    features = Sequential(
        Conv2d(3, 64, 11, stride=4, padding=2),  # (N, 3, 224, 224) -> (N, 64, 55, 55)
        ReLU(),
        MaxPool2d(3, 2),  # -> (N, 64, 27, 27)
        Conv2d(64, 192, 5, padding=2),  # -> (N, 192, 27, 27)
        ReLU(),
        MaxPool2d(3, 2),  # -> (N, 192, 13, 13)
        Conv2d(192, 384, 3, padding=1),  # -> (N, 384, 13, 13)
        ReLU(),
        Conv2d(384, 256, 3, padding=1),  # -> (N, 256, 13, 13)
        ReLU(),
        Conv2d(256, 256, 3, padding=1),
        ReLU(),
        MaxPool2d(3, 2),  # -> (N, 256, 6, 6)
    )
    classifier = Sequential(
        Dropout(dropout),
        Linear(256 * 6 * 6, 4096),
        ReLU(),
        Dropout(dropout),
        Linear(4096, 4096),
        ReLU(),
        Linear(4096, num_classes),
    )
    return AlexNet(features, AdaptiveAvgPool2d(6), classifier)


def _response_norm() -> LocalResponseNorm:
    """Section 3.3: n = 5, k = 2, alpha = 1e-4 on the sum, beta = 0.75."""
    return LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0, average=False)


def _dropout_after(num_classes: int, dropout: float) -> Sequential:
    return Sequential(
        Linear(256 * 6 * 6, 4096),
        ReLU(),
        Dropout(dropout),
        Linear(4096, 4096),
        ReLU(),
        Dropout(dropout),
        Linear(4096, num_classes),
    )


def _initialise(net: AlexNet) -> None:
    convolutions = [layer for layer in net.features if isinstance(layer, Conv2d)]
    full = [layer for layer in net.classifier if isinstance(layer, Linear)]
    started_at_one = {id(layer) for layer in (*convolutions[1:2], *convolutions[3:5], *full[:2])}
    layers: list[Conv2d | Linear] = [*convolutions, *full]
    for layer in layers:
        init.normal_(layer.weight, std=0.01)
        if layer.bias is not None:
            init.constant_(layer.bias, 1.0 if id(layer) in started_at_one else 0.0)
