"""The models by name, as the command line and the checkpoints call them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tinycnn.choices import look_up
from tinycnn.models.alexnet import alexnet
from tinycnn.models.lenet import lenet5
from tinycnn.models.vgg import vgg11, vgg11_lrn, vgg13, vgg16, vgg16_1x1, vgg19, vgg_small
from tinycnn.nn import Module


class Architecture(NamedTuple):
    """How a model is built, and the (C, H, W) of its input."""

    build: Callable[..., Module]
    input_shape: tuple[int, int, int]


_LENET, _ALEXNET, _VGG = (1, 32, 32), (3, 227, 227), (3, 224, 224)
_VGG_MODELS = {
    "vgg11": vgg11,
    "vgg11-lrn": vgg11_lrn,
    "vgg13": vgg13,
    "vgg16-1x1": vgg16_1x1,
    "vgg16": vgg16,
    "vgg19": vgg19,
}

ARCHITECTURES: dict[str, Architecture] = {
    "lenet5": Architecture(lenet5, _LENET),
    "lenet5-1998": Architecture(partial(lenet5, "1998"), _LENET),
    "alexnet": Architecture(alexnet, _ALEXNET),
    "alexnet-single": Architecture(partial(alexnet, "single"), _ALEXNET),
    "alexnet-one-weird-trick": Architecture(partial(alexnet, "one_weird_trick"), _VGG),
    **{name: Architecture(build, _VGG) for name, build in _VGG_MODELS.items()},
    **{f"{name}-bn": Architecture(partial(build, batch_norm=True), _VGG) for name, build in _VGG_MODELS.items()},
    "vgg-small": Architecture(vgg_small, (3, 32, 32)),
}


def architecture(name: str) -> Architecture:
    """The model called ``name``.

    Raises
    ------
    ValueError
        Naming the nearest name.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.models.architecture("lenet5").input_shape
    (1, 32, 32)
    """
    return look_up("model", name, ARCHITECTURES)
