"""Which convolutions a model runs in a training step: their geometries, and the passes that each needs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tinycnn.backend import on_chosen_side
from tinycnn.functional.convolution import Convolution, ConvTranspose2d
from tinycnn.geometry import ConvGeometry
from tinycnn.hooks import Call, watch
from tinycnn.nn import Module, evaluating
from tinycnn.tensor import Tensor


class ModelConvolution(NamedTuple):
    """One or more convolutions of a model that have the same geometry.

    Attributes
    ----------
    layers
        Names of the modules that run them.
    geometry
        Of the convolution; where a layer runs it backwards, its input is the layer's output.
    passes
        Those that a training step runs: the first layer needs no gradient of its input.
    """

    layers: tuple[str, ...]
    geometry: ConvGeometry
    passes: tuple[str, ...]


def convolutions(model: Module, input_shape: Sequence[int], batch_size: int = 1) -> tuple[ModelConvolution, ...]:
    """Find every distinct convolution of a model.

    Parameters
    ----------
    model
        Any Module; run once, on one image of zeros in ``eval`` mode, and left as it was.
    input_shape
        Of one image, (C, H, W), without the batch.
    batch_size
        Images in a step, for the geometries.

    Returns
    -------
    tuple of ModelConvolution
        In the order in which they first run.

    Examples
    --------
    >>> import tinycnn as tc
    >>> for found in convolutions(tc.models.lenet5(), (1, 32, 32), 64):
    ...     print(found.layers, found.geometry.weight_shape, len(found.passes))
    ('c1',) (6, 1, 5, 5) 2
    ('c3',) (16, 6, 5, 5) 3
    ('c5',) (120, 16, 5, 5) 3
    """
    running: list[str] = []
    found: dict[ConvGeometry, tuple[list[str], set[str]]] = {}

    def function_ran(call: Call) -> None:
        function: Any = call.function
        if isinstance(function, Convolution):
            layers, passes = found.setdefault(replace(function.geometry, N=batch_size), ([], set()))
            layers.append(running[-1])
            forward, backward = "forward", "backward_input"
            if isinstance(function, ConvTranspose2d):
                forward, backward = backward, forward
            needs_input, needs_weight = function.needs_input_grad[:2]
            passes.update([forward, *[backward] * needs_input, *["backward_weight"] * needs_weight])

    def module_starts(module: Module, inputs: tuple[Any, ...]) -> None:
        running.append(names[id(module)])

    def module_ended(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
        running.pop()

    names = {id(module): name for name, module in model.named_modules()}
    with ExitStack() as stack, evaluating(model):
        stack.enter_context(watch(function_ran))
        for module in model.modules():
            stack.enter_context(module.register_forward_pre_hook(module_starts))
            stack.enter_context(module.register_forward_hook(module_ended))
        model(blank_image(model, input_shape))
    order = ("forward", "backward_input", "backward_weight")
    return tuple(
        ModelConvolution(tuple(layers), geometry, tuple(phase for phase in order if phase in passes))
        for geometry, (layers, passes) in found.items()
    )


def blank_image(model: Module, input_shape: Sequence[int]) -> Tensor:
    """One image of zeros as a model takes it: (1, C, H, W), of the dtype, and on the side, of its parameters."""
    shape = (1, *input_shape)
    parameter = next(model.parameters(), None)
    if parameter is None:
        return Tensor(on_chosen_side(np.zeros(shape, np.float32)))
    return Tensor(np.zeros_like(parameter.data, shape=shape, order="C"))
