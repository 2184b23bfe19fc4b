"""Which convolutions the lab measures: those of models, a grid on which algorithms overtake each other, your own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from tinycnn.geometry import ConvGeometry, conv_geometry
from tinycnn.inspect import convolutions
from tinycnn.models import architecture

MODELS = ("lenet5", "alexnet", "vgg16")
BATCHES = {"lenet5": 64, "alexnet": 16, "vgg16": 4}
ELSE = 4  # images for other models
CROSSOVER, GIVEN = "crossover", "given"
CHANNELS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # C and K alike
SIZES = (7, 14, 28, 56, 112)
KERNELS = (1, 3, 5, 7)


class Convolution(NamedTuple):
    """One geometry, and what it is of: a model and its layers, the grid, or the user's own."""

    of: str
    layers: str
    geometry: ConvGeometry

    @property
    def described(self) -> dict[str, Any]:
        """As the record holds it."""
        g = self.geometry
        shapes = {"input": g.input_shape, "weight": g.weight_shape, "output": g.output_shape}
        steps = {"stride": g.stride, "padding": g.padding, "dilation": g.dilation, "groups": g.groups}
        costs = {"flops": g.flops, "least_bytes": g.least_bytes(), "column_bytes": g.column_bytes()}
        return {"of": self.of, "layers": self.layers} | shapes | steps | costs

    def __str__(self) -> str:
        return title(self.described)


def title(found: Mapping[str, Any]) -> str:
    """A convolution as the record holds it, in a line.

    Examples
    --------
    >>> geometry = conv_geometry("conv2d", (4, 64, 56, 56), (128, 64, 3, 3), stride=2, padding=1)
    >>> title(Convolution("vgg16", "features.5", geometry).described)
    'vgg16 features.5: 4 x 64 -> 128, 3x3 over 56x56, stride 2, padding 1'
    """
    top, bottom, left, right = found["padding"]
    pads = (top, left) if (top, left) == (bottom, right) else (top, bottom, left, right)
    steps = (("padding", pads, 0), ("dilation", found["dilation"], 1))
    told = "".join(f", {name} {_short(value)}" for name, value, usual in steps if set(value) != {usual})
    return f"{found['of']} {found['layers']}".strip() + f": {found['input'][0]} x {brief(found)}{told}"


def brief(found: Mapping[str, Any]) -> str:
    """A convolution of a record in few words, without images and padding.

    Examples
    --------
    >>> brief({"input": [4, 64, 56, 56], "weight": [128, 32, 3, 3], "stride": [2, 2], "groups": 2})
    '64 -> 128, 3x3 over 56x56, stride 2, 2 groups'
    """
    (_, C, H, W), (K, _, R, S) = found["input"], found["weight"]
    told = f"{C} -> {K}, {R}x{S} over {H}x{W}"
    if set(found["stride"]) != {1}:
        told += f", stride {_short(found['stride'])}"
    return told + (f", {found['groups']} groups" if found["groups"] > 1 else "")


def of_model(name: str, batch: int | None = None) -> Iterator[Convolution]:
    """Each distinct convolution of a model, on the usual number of images where none is given.

    Raises
    ------
    ValueError
        When there is no such model.
    """
    found = architecture(name)
    for layers, geometry, _ in convolutions(found.build(), found.input_shape, batch or BATCHES.get(name, ELSE)):
        yield Convolution(name, " ".join(layers), geometry)


def crossover(
    channels: Sequence[int] = CHANNELS, sizes: Sequence[int] = SIZES, kernels: Sequence[int] = KERNELS, batch: int = 1
) -> Iterator[Convolution]:
    """A grid over channels, image size and kernel, at stride 1, each output as large as its input."""
    for kernel, size, count in product(kernels, sizes, channels):
        shapes = (batch, count, size, size), (count, count, kernel, kernel)
        geometry = conv_geometry("bench conv", *shapes, padding="same")
        yield Convolution(CROSSOVER, "", geometry)


def _short(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))
