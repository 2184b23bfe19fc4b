"""Where a number that is not finite came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from tinycnn.arrays import Array, is_array, to_numpy
from tinycnn.function import no_grad
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

ADVICE = "try a lower lr"


class Diverged(RuntimeError):
    """Training stopped because of a NaN or an infinity; the message names the first layer that made it."""


def first_cause(model: Module, batches: Iterable[Array]) -> str:
    """Run batches again and name the first thing that is not finite.

    Parameters
    ----------
    model
        Run in the mode that it is in.
    batches
        Images, as the model takes them, on its side.

    Returns
    -------
    str
        A batch itself, a layer's weights, its output made of finite inputs, or, where all of these are finite, the
        loss.
    """
    search = _Search()
    with ExitStack() as stack, no_grad(), np.errstate(all="ignore"):
        for name, module in model.named_modules():
            stack.enter_context(module.register_forward_hook(search.hook(name)))
        for images in batches:
            if fault := fault_in_batch(images):
                return fault
            model(images)
            if search.cause:
                return search.cause
    return f"all outputs are finite, at last {search.last}, so it arose in the loss: where they are large, {ADVICE}"


def fault_in_batch(images: Array) -> str | None:
    """The first image that is not finite, in words, or None."""
    finite = to_numpy(np.isfinite(images))
    if finite.all():
        return None
    image = int(np.argwhere(~finite)[0][0])
    return f"the batch itself holds {_kind(images)}, first in image {image}: look at the data"


def fault_in_state(model: Module) -> str | None:
    """The first layer whose weights or statistics are not finite, in words, or None."""
    for name, module in model.named_modules():
        for own, array in _own_arrays(module):
            if not np.isfinite(array).all():
                return _spoilt(_layer(name, module), own, array)
    return None


class _Search:
    """Looks at each module when it is done: the first that made what is not finite is the cause.

    Modules within others are done first. One that is given something that is not finite is passed over: an earlier one
    is to blame, or else the code of the module around both.
    """

    def __init__(self) -> None:
        self.cause: str | None = None
        self.last = "none"

    def hook(self, name: str) -> Any:
        def look(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
            if self.cause:
                return
            layer = _layer(name, module)
            bad = next((array for array in _arrays(output) if not np.isfinite(array).all()), None)
            if bad is None:
                if not any(module.children()):
                    size = max((float(abs(array).max()) for array in _arrays(output) if array.size), default=0.0)
                    self.last = f"up to {size:.1e} by {layer}"
            elif all(np.isfinite(array).all() for array in _arrays(inputs)):
                self.cause = _made(layer, module, bad)

        return look


def _made(layer: str, module: Module, output: Array) -> str:
    for own, array in _own_arrays(module):
        if not np.isfinite(array).all():
            return _spoilt(layer, own, array)
    return f"{layer} made {_kind(output)} of finite inputs; {ADVICE}"


def _spoilt(layer: str, own: str, array: Array) -> str:
    return f"{layer} has {_kind(array)} in its {own}; {ADVICE}"


def _layer(name: str, module: Module) -> str:
    return f"layer {name} ({type(module).__name__})" if name else f"the model itself ({type(module).__name__})"


def _own_arrays(module: Module) -> Iterator[tuple[str, Array]]:
    """Parameters and buffers of a module without those below it."""
    below = {id(parameter) for _, child in module.children() for parameter in child.parameters()}
    for name, parameter in module.named_parameters():
        if id(parameter) not in below:
            yield name, parameter.data
    for name, buffer in module.named_buffers():
        if "." not in name:
            yield name, buffer


def _arrays(value: Any) -> Iterator[Array]:
    if isinstance(value, Tensor):
        yield value.data
    elif is_array(value):
        yield value
    elif isinstance(value, (tuple, list)):
        for entry in value:
            yield from _arrays(entry)


def _kind(array: Array) -> str:
    return "NaN" if np.isnan(array).any() else "infinity"
