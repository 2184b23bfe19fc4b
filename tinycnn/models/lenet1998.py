"""LeNet-5 as it was published: a connection table, trained sub-sampling, scaled tanh, RBF outputs and their loss.

Section and equation numbers are those of LeCun, Bottou, Bengio, Haffner (1998), Gradient-Based Learning Applied to
Document Recognition, Proceedings of the IEEE 86(11).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.arrays import Array, beside
from tinycnn.nn import Conv2d, Flatten, Linear, Module, Parameter, Sequential, init
from tinycnn.tensor import Tensor

C3_TABLE = "012 123 234 345 045 015 0123 1234 2345 0345 0145 0125 0134 1245 0235 012345"
"""Which maps of S2 each of the 16 maps of C3 sees: table I."""

DIGITS = """
..###.. ...#... ..###.. .#####. ....##. ####### ..####. ####### ..###.. ..###..
.#...#. ..##... .#...#. #.....# ....##. #...... .#..... ......# .#...#. .#...#.
#.....# .###... #.....# ......# ...#.#. #...... #...... ......# #.....# #.....#
#.....# ...#... ......# ......# ...#.#. #...... #...... .....#. #.....# #.....#
#.....# ...#... ......# .....#. ..#..#. #.###.. #.###.. .....#. .#...#. #.....#
#.....# ...#... .....#. ..###.. ..#..#. ##...#. ##...#. ....#.. ..###.. .#...##
#.....# ...#... ....#.. .....#. .#...#. ......# #.....# ....#.. .#...#. ..###.#
#.....# ...#... ...#... ......# ####### ......# #.....# ...#... #.....# ......#
#.....# ...#... ..#.... ......# .....#. ......# #.....# ...#... #.....# ......#
#.....# ...#... .#..... #.....# .....#. #.....# #.....# ..#.... #.....# .....#.
.#...#. ...#... #...... .#...#. .....#. .#...#. .#...#. ..#.... .#...#. .....#.
..###.. .#####. ####### ..###.. .....#. ..###.. ..###.. ..#.... ..###.. .###...
"""
"""Codes of the ten classes, 12 rows of 7: stylised digits drawn in the manner of figure 3, not copied from it."""


def digit_codes() -> Array:
    """The fixed weights of the output units, +1 for ink and −1 for paper: float32 (10, 84)."""
    rows = [line.split() for line in DIGITS.split("\n") if line]
    bitmaps = np.array([[list(cells) for cells in row] for row in rows])  # (12, 10, 7)
    return np.where(bitmaps.transpose(1, 0, 2).reshape(10, 84) == "#", 1, -1).astype(np.float32)


class ScaledTanh(Module):
    """1.7159 · tanh(2x/3), which maps ±1 to ±1: appendix A."""

    def forward(self, x: Any) -> Tensor:
        """Any shape, entry by entry."""
        return F.tanh(x * (2 / 3)) * 1.7159


class Subsampling(Module):
    """The sum of each 2x2 window times a trained coefficient plus a trained bias, one of each per map: section II-B."""

    def __init__(self, maps: int):
        self.weight = init.uniform_(Parameter(np.empty(maps, np.float32)), -2.4 / 4, 2.4 / 4)
        self.bias = Parameter(np.zeros(maps, np.float32))

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, C, H/2, W/2)."""
        total = F.avg_pool2d(x, 2) * 4
        return total * self.weight.reshape(1, -1, 1, 1) + self.bias.reshape(1, -1, 1, 1)


class ConnectedConv2d(Module):
    """A convolution in which each output map sees only some input maps.

    Parameters
    ----------
    table
        For each output map, the digits of the input maps it sees.
    in_channels
        Number of input maps.
    kernel_size
        Height and width of the kernels.
    """

    def __init__(self, table: str, in_channels: int, kernel_size: int):
        links = [(k, int(c)) for k, seen in enumerate(table.split()) for c in seen]
        self.kernel_of = np.full((len(table.split()), in_channels), len(links))  # (K, C); one past the last: no link
        for kernel, link in enumerate(links):
            self.kernel_of[link] = kernel
        self.weight = Parameter(np.empty((len(links), kernel_size, kernel_size), np.float32))
        self.bias = Parameter(np.zeros(len(self.kernel_of), np.float32))
        init.uniform_(self.weight, -2.4, 2.4)
        for kernel, (k, _) in enumerate(links):
            self.weight.data[kernel] /= len(table.split()[k]) * kernel_size**2  # the fan-in of map k

    def forward(self, x: Any) -> Tensor:
        """(N, C, H, W) -> (N, K, P, Q)."""
        absent = np.zeros_like(self.weight.data, shape=(1, *self.weight.shape[1:]))
        kernel_of = beside(self.kernel_of, absent)
        dense = F.cat([self.weight, absent])[kernel_of]  # (links + 1, R, S) -> (K, C, R, S)
        return F.conv2d(x, dense, self.bias)


class RBF(Module):
    """Euclidean radial basis functions: the squared distance to each class's code, equation 7."""

    codes: Array

    def __init__(self) -> None:
        self.register_buffer("codes", digit_codes())

    def forward(self, x: Any) -> Tensor:
        """(N, 84) -> (N, 10), small for the class that is meant."""
        difference = x.reshape(-1, 1, 84) - self.codes  # (N, 1, 84) − (10, 84) -> (N, 10, 84)
        return (difference * difference).sum(dim=2)


class LeNet1998(Sequential):
    """LeNet-5 of the paper: 60,000 trained parameters, outputs that are distances, a loss of its own.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> net = LeNet1998()
    >>> sum(parameter.size for parameter in net.parameters())
    60000
    >>> distances = net(tc.Tensor(np.zeros((2, 1, 32, 32), np.float32)))
    >>> distances.shape, net.classify(distances).shape
    ((2, 10), (2,))
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "c1": Conv2d(1, 6, 5),  # (N, 1, 32, 32) -> (N, 6, 28, 28)
                "squash1": ScaledTanh(),
                "s2": Subsampling(6),  # -> (N, 6, 14, 14)
                "squash2": ScaledTanh(),
                "c3": ConnectedConv2d(C3_TABLE, 6, 5),  # -> (N, 16, 10, 10)
                "squash3": ScaledTanh(),
                "s4": Subsampling(16),  # -> (N, 16, 5, 5)
                "squash4": ScaledTanh(),
                "c5": Conv2d(16, 120, 5),  # -> (N, 120, 1, 1)
                "squash5": ScaledTanh(),
                "flatten": Flatten(),
                "f6": Linear(120, 84),
                "squash6": ScaledTanh(),
                "output": RBF(),
            }
        )
        for layer in self:
            if isinstance(layer, (Conv2d, Linear)):
                fan_in, _ = init.fan(layer.weight.shape)
                init.uniform_(layer.weight, -2.4 / fan_in, 2.4 / fan_in)  # appendix A
                if layer.bias is not None:
                    init.zeros_(layer.bias)

    def classify(self, distances: Tensor) -> Array:
        """The class whose code is nearest: (N, 10) -> (N,)."""
        return distances.data.argmin(axis=1)

    def logits(self, distances: Tensor) -> Tensor:
        """Minus the distances, so that softmax gives the likelihood of each class: (N, 10) -> (N, 10)."""
        return -distances

    def loss(self, distances: Tensor, targets: Any, j: float = 1.0) -> Tensor:
        """Mean over the batch of y_t + log(e^−j + Σ_i e^−y_i): equation 9.

        The right class's distance y_t is pulled down, the others are pushed up as far as the constant j; the paper
        gives j no value. The expression is the cross-entropy of the logits −y with one more class, "none of these",
        at −j.

        Parameters
        ----------
        distances
            (N, 10), from `forward`.
        targets
            Integer classes (N,).
        j
            Positive: distances beyond it hardly compete.
        """
        rubbish = np.full_like(distances.data, -j, shape=(distances.shape[0], 1))
        return F.cross_entropy(F.cat([-distances, rubbish], dim=1), targets)
