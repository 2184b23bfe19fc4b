"""One image through a whole network and back: what each layer makes of it, and what gradient comes back to each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.arrays import Array
from tinycnn.backend import use_backend
from tinycnn.function import Function
from tinycnn.hooks import Call as Watched
from tinycnn.hooks import watch
from tinycnn.inspect.trace.crop import CUTS, Crop, cropped
from tinycnn.inspect.trace.lesson import Call
from tinycnn.inspect.trace.lessons import LESSONS
from tinycnn.inspect.trace.run import forward_call, run
from tinycnn.nn import Module, evaluating
from tinycnn.tensor import Tensor
from tinycnn.training.evaluation import logits_of

STEPS = 4100
"""The most, about, that a layer's page shows: more would make pages that are slow to open and long to step through."""

SIDES, COUNTS = (5, 4, 3, 2, 1), (10, 8, 6, 5, 4, 3, 2, 1)
"""What is tried for a page, the largest that fits: outputs along a side of one map, outputs in a row."""

LOSS = "loss"
"""The name of what comes after the network."""


@dataclass(frozen=True)
class Weights:
    """A parameter of a layer, and the gradient of the loss with respect to it."""

    name: str
    values: Array
    gradient: Array


@dataclass(frozen=True)
class Layer:
    """What one layer did, for one image.

    Attributes
    ----------
    name, kind
        Dotted name in the model and class; of what runs between layers, no name and the Function's class.
    calls
        Its Functions, in the order of the forward pass.
    input_shape
        Of its first input, without the batch.
    weights
        Its own parameters.
    """

    name: str
    kind: str
    calls: tuple[Call, ...]
    input_shape: tuple[int, ...]
    weights: tuple[Weights, ...]

    @property
    def output(self) -> Array:
        """Without the batch."""
        return np.asarray(self.calls[-1].output)[0] if self.calls[-1].output.ndim else self.calls[-1].output

    @property
    def gradient(self) -> Array:
        """Of the loss with respect to the output, of its shape."""
        grad = self.calls[-1].grad
        assert grad is not None
        return np.asarray(grad)[0] if grad.ndim else grad

    @property
    def shown(self) -> Call | None:
        """The first of its Functions that can be stepped through."""
        return next((call for call in self.calls if type(call.function) in LESSONS.keys() & CUTS.keys()), None)

    def crops(self) -> Iterator[Crop]:
        """Parts of it that are small enough to be stepped through, the largest first; none where nothing is shown."""
        call = self.shown
        for part in _parts(call) if call else ():
            assert call is not None
            crop = cropped(call, part)
            if _steps(crop) <= STEPS:
                yield crop


@dataclass(frozen=True)
class Pass:
    """A forward and a backward pass of one image.

    Attributes
    ----------
    image, image_gradient
        As the network gets it, (C, H, W), and the gradient of the loss with respect to it.
    logits, logits_gradient, probabilities
        Of each class.
    label
        The class that the loss is held against.
    loss
        Cross-entropy.
    layers
        In the order of the forward pass; the last is the loss itself.
    """

    image: Array
    image_gradient: Array
    logits: Array
    logits_gradient: Array
    probabilities: Array
    label: int
    loss: float
    layers: tuple[Layer, ...]


def passed(network: Module, image: Array, label: int | None = None) -> Pass:
    """Run one image through a network and back.

    Parameters
    ----------
    network
        Run in ``eval`` mode and left as it was, but for the gradients of its parameters, which are cleared.
    image
        As the network takes it, (C, H, W).
    label
        The class that the loss is held against; the likeliest where None.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> seen = passed(tc.models.lenet5(), np.zeros((1, 32, 32), np.float32), label=3)
    >>> [layer.name for layer in seen.layers][:3], seen.layers[0].output.shape, seen.label
    (['c1', 'tanh1', 's2'], (6, 28, 28), 3)
    """
    names = {id(module): name for name, module in network.named_modules()}
    calls: dict[Function, Call] = {}
    owners: dict[Function, Module | None] = {}
    inputs: dict[int, tuple[int, ...]] = {}
    running: list[Module] = []

    def keep(seen: Watched) -> None:
        if seen.phase == "forward":
            calls[seen.function] = forward_call(seen)
            owners[seen.function] = running[-1] if running else None
        else:
            calls[seen.function] = replace(calls[seen.function], grad=seen.inputs[0], gradients=seen.outputs)

    def enter(module: Module, given: tuple[Any, ...]) -> None:
        running.append(module)
        inputs[id(module)] = tuple(given[0].shape[1:])

    def leave(module: Module, given: tuple[Any, ...], output: Any) -> None:
        running.pop()

    network.zero_grad()
    x = Tensor(image[None], requires_grad=True)
    with ExitStack() as stack, evaluating(network):
        for module in network.modules():
            if not any(module.children()):
                stack.enter_context(module.register_forward_pre_hook(enter))
                stack.enter_context(module.register_forward_hook(leave))
        stack.enter_context(watch(keep))
        outputs = network(x)
        inside = set(calls)
        logits = logits_of(network, outputs)
        logits.retain_grad()
        answer = int(logits.data[0].argmax()) if label is None else label
        loss = F.cross_entropy(logits, np.array([answer]))
        for function, call in calls.items():  # backward frees them
            calls[function] = replace(call, function=copy(function))
        loss.backward()
    layers = []
    for (after, owner), group in groupby(calls, key=lambda function: (function not in inside, owners[function])):
        made = tuple(calls[function] for function in group)
        layers.append(_layer(LOSS if after else names.get(id(owner), ""), owner, made, inputs))
    assert x.grad is not None
    assert logits.grad is not None
    network.zero_grad()
    return Pass(
        image,
        np.asarray(x.grad)[0],
        logits.data[0],
        np.asarray(logits.grad)[0],
        F.softmax(logits.detach(), 1).data[0],
        answer,
        loss.item(),
        tuple(layers),
    )


def _layer(name: str, module: Module | None, calls: tuple[Call, ...], inputs: Mapping[int, tuple[int, ...]]) -> Layer:
    if module is None:
        kind = "CrossEntropyLoss" if name == LOSS else type(calls[0].function).__name__
        return Layer(name, kind, calls, tuple(calls[0].inputs[0].shape[1:]), ())
    weights = tuple(
        Weights(key, parameter.data, np.asarray(parameter.grad))
        for key, parameter in module.named_parameters()
        if parameter.grad is not None
    )
    return Layer(name, type(module).__name__, calls, inputs[id(module)], weights)


def _parts(call: Call) -> Iterator[tuple[slice, ...]]:
    """Parts of an output where it and its gradient stand out, the largest first: there is most to be seen."""
    strength = _prominence(call)
    for size in dict.fromkeys(_sizes(call)):
        windows = np.lib.stride_tricks.sliding_window_view(strength, size)
        sums = windows.sum(axis=tuple(range(strength.ndim, 2 * strength.ndim)))
        first = np.unravel_index(int(sums.argmax()), sums.shape)
        yield tuple(slice(int(start), int(start) + length) for start, length in zip(first, size, strict=True))


def _prominence(call: Call) -> Array:
    """|dy| of each output; of maps times |y − the middle of its map|, which is the answer to what fills the picture."""
    assert call.grad is not None
    y, dy = (np.asarray(array, np.float64) for array in (call.output, call.grad))
    if y.ndim < 4 or y[0, 0].size == 1:
        return np.abs(dy)
    return np.abs(dy) * np.abs(y - np.median(y, axis=(2, 3), keepdims=True))


def _sizes(call: Call) -> Iterator[tuple[int, ...]]:
    """Of a part: a block of one map, or of all where needed; numbers in a row where each map is a single one."""
    shape = call.output.shape
    name = type(call.function).__name__
    if len(shape) == 1:  # a loss of each image
        yield shape
    elif len(shape) == 4 and max(shape[2:]) > 1:
        channels = shape[1] if name == "LocalResponseNorm" else 1
        for side in SIDES:
            yield (1, channels, min(side, shape[2]), min(side, shape[3]))
    else:
        for count in COUNTS:
            yield (1, min(count, shape[1]), *shape[2:])


def _steps(crop: Crop) -> int:
    """About how many steps it takes."""
    with use_backend("numpy"):
        (call,) = run(crop.function, crop.arrays, upstream=crop.upstream).calls.values()
    lesson = LESSONS[type(call.function)]({"numpy": call})
    return sum(phase.size for phase in lesson.phases)
