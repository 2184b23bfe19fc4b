"""Initial weights, written into a Tensor in place.

What every rule but the plain ones uses is the fan of a weight: fan_in inputs are summed into one output, and one input
reaches fan_out outputs. A variance of 1 / fan_in keeps the size of activations from layer to layer, 1 / fan_out that of
gradients; ReLU, which loses half of them, needs twice as much.

Numbers are drawn in main memory, for a Tensor on a GPU too: so they are the same on every backend.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinycnn.arrays import beside
from tinycnn.random import default_generator
from tinycnn.tensor import Tensor

GAINS: dict[str, Callable[[float], float]] = {
    "linear": lambda a: 1.0,
    "sigmoid": lambda a: 1.0,
    "tanh": lambda a: 5 / 3,
    "relu": lambda a: math.sqrt(2),
    "leaky_relu": lambda a: math.sqrt(2 / (1 + a * a)),
}


def fan(shape: tuple[int, ...], groups: int = 1, transposed: bool = False) -> tuple[int, int]:
    """Number of inputs summed into one output, and of outputs that one input reaches (at stride 1).

    Parameters
    ----------
    shape
        (out, in), (K, C/groups, …) of a convolution, or (C, K/groups, …) of a transposed one.
    groups
        Outputs and inputs meet only within one of so many groups.
    transposed
        Whether the weight is that of a transposed convolution.

    Returns
    -------
    tuple of int
        fan_in, fan_out.

    Raises
    ------
    ValueError
        For a shape of fewer than two axes.

    Examples
    --------
    >>> fan((16, 6, 5, 5))
    (150, 400)
    >>> fan((256, 48, 5, 5), groups=2)
    (1200, 3200)
    """
    if len(shape) < 2:
        raise ValueError(
            f"a weight of shape {shape} has no fan: it needs an output and an input axis; use zeros_ for biases"
        )
    first, second, cells = shape[0] // groups, shape[1], math.prod(shape[2:])
    fan_out, fan_in = (second, first) if transposed else (first, second)
    return fan_in * cells, fan_out * cells


def constant_(tensor: Tensor, value: float) -> Tensor:
    """Set every entry to ``value``."""
    return _write(tensor, np.full(tensor.shape, value, tensor.dtype))


def zeros_(tensor: Tensor) -> Tensor:
    """Set every entry to 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Set every entry to 1."""
    return constant_(tensor, 1.0)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Draw every entry from N(mean, std²)."""
    draws = default_generator.next_stream().standard_normal(tensor.shape, dtype=_drawn(tensor))
    draws *= std
    draws += mean
    return _write(tensor, draws)


def uniform_(tensor: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Draw every entry from the interval [low, high)."""
    draws = default_generator.next_stream().random(tensor.shape, dtype=_drawn(tensor))
    draws *= high - low
    draws += low
    return _write(tensor, draws)


def lecun_normal_(tensor: Tensor, groups: int = 1, transposed: bool = False) -> Tensor:
    """Draw from N(0, 1 / fan_in). LeCun, Bottou, Orr, Müller (1998), Efficient BackProp, section 4.6."""
    return normal_(tensor, 0.0, _scale(tensor, "fan_in", groups, transposed))


def lecun_uniform_(tensor: Tensor, groups: int = 1, transposed: bool = False) -> Tensor:
    """Draw uniformly with variance 1 / fan_in. LeCun, Bottou, Orr, Müller (1998), Efficient BackProp, section 4.6."""
    return _uniform_of_deviation(tensor, _scale(tensor, "fan_in", groups, transposed))


def xavier_normal_(tensor: Tensor, gain: float = 1.0, groups: int = 1, transposed: bool = False) -> Tensor:
    """Draw from N(0, gain² · 2 / (fan_in + fan_out)). Glorot, Bengio (2010), equation 12."""
    return normal_(tensor, 0.0, gain * _scale(tensor, "mean", groups, transposed))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, groups: int = 1, transposed: bool = False) -> Tensor:
    """Draw uniformly with variance gain² · 2 / (fan_in + fan_out). Glorot, Bengio (2010), equation 16."""
    return _uniform_of_deviation(tensor, gain * _scale(tensor, "mean", groups, transposed))


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    groups: int = 1,
    transposed: bool = False,
) -> Tensor:
    """Draw from N(0, gain² / fan), He's rule: gain √2 for ReLU. He, Zhang, Ren, Sun (2015), section 2.2.

    Parameters
    ----------
    tensor
        The weight.
    a
        Slope of leaky ReLU below 0.
    mode
        ``"fan_in"`` keeps the size of activations, ``"fan_out"`` that of gradients.
    nonlinearity
        What follows the layer: ``"linear"``, ``"sigmoid"``, ``"tanh"``, ``"relu"`` or ``"leaky_relu"``.
    groups, transposed
        As for `fan`.

    Raises
    ------
    ValueError
        For an unknown mode or nonlinearity.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> weight = kaiming_normal_(tc.Tensor(np.zeros((64, 128, 3, 3), np.float32)), nonlinearity="relu")
    >>> bool(abs(weight.data.std() - (2 / (128 * 9)) ** 0.5) < 1e-3)
    True
    """
    return normal_(tensor, 0.0, _gain(nonlinearity, a) * _scale(tensor, mode, groups, transposed))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    groups: int = 1,
    transposed: bool = False,
) -> Tensor:
    """Draw uniformly with the variance of `kaiming_normal_`, whose arguments it takes."""
    return _uniform_of_deviation(tensor, _gain(nonlinearity, a) * _scale(tensor, mode, groups, transposed))


def _scale(tensor: Tensor, mode: str, groups: int, transposed: bool) -> float:
    """1 / √fan."""
    fan_in, fan_out = fan(tensor.shape, groups, transposed)
    fans = {"fan_in": fan_in, "fan_out": fan_out, "mean": (fan_in + fan_out) / 2}
    if mode not in fans:
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return 1 / math.sqrt(fans[mode])


def _gain(nonlinearity: str, a: float) -> float:
    if nonlinearity not in GAINS:
        raise ValueError(f"nonlinearity must be one of {', '.join(GAINS)}, got {nonlinearity!r}")
    return GAINS[nonlinearity](a)


def _uniform_of_deviation(tensor: Tensor, deviation: float) -> Tensor:
    bound = math.sqrt(3) * deviation  # the variance of U(−b, b) is b² / 3
    return uniform_(tensor, -bound, bound)


def _drawn(tensor: Tensor) -> type:
    return np.float64 if tensor.dtype == np.float64 else np.float32


def _write(tensor: Tensor, values: np.ndarray) -> Tensor:
    tensor.data[...] = beside(values.astype(tensor.dtype, copy=False), tensor.data)
    tensor.data = tensor.data  # counts as a change, for a backward pass that still needs the old values
    return tensor
