"""A model as the chain of its layers, in the order they run, and the kind of work that each of them is."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

from tinycnn import no_grad
from tinycnn.inspect.convolutions import blank_image
from tinycnn.nn import Module, evaluating

OPTIMISER, ELSE = "optimiser", "everything else"
CLASSES = {
    "convolution": ("Conv2d", "ConnectedConv2d"),
    "activation": ("ReLU", "Tanh", "ScaledTanh"),
    "pooling": ("MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "Subsampling"),
    "LRN": ("LocalResponseNorm",),
    "full layers": ("Linear", "RBF"),
}
KINDS = (*CLASSES, OPTIMISER, ELSE)
_KIND_OF = {name: kind for kind, names in CLASSES.items() for name in names}


class Layer(NamedTuple):
    """A layer of a chain, and the shapes of one image before and after it."""

    name: str
    module: Any
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    @property
    def type(self) -> str:
        """Name of its class."""
        return type(self.module).__name__

    @property
    def kind(self) -> str:
        """The kind of work that it is, one of KINDS."""
        return _KIND_OF.get(self.type, ELSE)


def chain(model: Module, input_shape: tuple[int, ...]) -> list[Layer]:
    """The layers of a model, as they run on an image of zeros.

    Raises
    ------
    ValueError
        Where a layer is given something else than what the one before it made.
    """
    layers: list[Layer] = []
    image = last = blank_image(model, input_shape)

    def ran(name: str, module: Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal last
        if inputs[0] is not last:
            raise ValueError(f"{name} of this {type(model).__name__} is not given what the layer before it made")
        layers.append(Layer(name, module, inputs[0].shape[1:], output.shape[1:]))
        last = output

    with ExitStack() as stack, evaluating(model), no_grad():
        for name, module in model.named_modules():
            if not any(module.children()):
                stack.enter_context(module.register_forward_hook(partial(ran, name)))
        model(image)
    return layers
