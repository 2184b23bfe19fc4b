"""LeNet-5 (LeCun, Bottou, Bengio, Haffner, 1998, Gradient-Based Learning Applied to Document Recognition)."""

from __future__ import annotations

from typing import Any

from tinycnn.models.lenet1998 import LeNet1998
from tinycnn.nn import AvgPool2d, Conv2d, Flatten, Linear, Module, Sequential, Tanh
from tinycnn.tensor import Tensor


class LeNet5(Sequential):
    """LeNet-5 as it is taught: full connections in C3, plain average pooling, tanh, logits for softmax.

    Parameters
    ----------
    num_classes
        Number of logits.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> net = LeNet5()
    >>> net(tc.Tensor(np.zeros((2, 1, 32, 32), np.float32))).shape
    (2, 10)
    >>> sum(parameter.size for parameter in net.parameters())
    61706
    """

    def __init__(self, num_classes: int = 10):
        super().__init__(
            {
                "c1": Conv2d(1, 6, 5),  # (N, 1, 32, 32) -> (N, 6, 28, 28)
                "tanh1": Tanh(),
                "s2": AvgPool2d(2),  # -> (N, 6, 14, 14)
                "c3": Conv2d(6, 16, 5),  # -> (N, 16, 10, 10)
                "tanh3": Tanh(),
                "s4": AvgPool2d(2),  # -> (N, 16, 5, 5)
                "c5": Conv2d(16, 120, 5),  # -> (N, 120, 1, 1)
                "tanh5": Tanh(),
                "flatten": Flatten(),
                "f6": Linear(120, 84),
                "tanh6": Tanh(),
                "output": Linear(84, num_classes),
            }
        )

    def forward(self, x: Any) -> Tensor:
        """(N, 1, 32, 32) -> logits (N, num_classes).

        Raises
        ------
        ValueError
            For images of another size.
        """
        if x.shape[1:] != (1, 32, 32):
            mnist = x.shape[-2:] == (28, 28)
            hint = ": pad MNIST's 28x28 with F.pad(x.reshape(-1, 1, 28, 28), (2, 2, 2, 2))" if mnist else ""
            raise ValueError(f"LeNet-5 expected input (N, 1, 32, 32), got {x.shape}{hint}")
        return super().forward(x)


def lenet5(variant: str = "modern", num_classes: int = 10) -> Module:
    """Build LeNet-5.

    Parameters
    ----------
    variant
        ``"modern"``: as it is taught, 61,706 parameters. ``"1998"``: as it was published, 60,000 parameters, with the
        connection table of C3, trained sub-sampling, scaled tanh and RBF outputs; see `LeNet1998`.
    num_classes
        Number of outputs; the codes of variant ``"1998"`` are for ten digits.

    Returns
    -------
    Module
        Takes (N, 1, 32, 32).

    Raises
    ------
    ValueError
        For another variant, or variant ``"1998"`` with other than ten classes.
    """
    if variant == "modern":
        return LeNet5(num_classes)
    if variant != "1998":
        raise ValueError(f'lenet5: variant must be "modern" or "1998", got {variant!r}')
    if num_classes != 10:
        raise ValueError(
            f'lenet5: variant "1998" has codes for ten digits, got num_classes={num_classes}; use "modern"'
        )
    return LeNet1998()
