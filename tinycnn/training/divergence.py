"""Where a number that is not finite came from."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.function import no_grad
from tinycnn.nn import Module


class Diverged(RuntimeError):
    """Training stopped because the loss was NaN or infinite; the message names the first layer that made it so."""


def first_cause(model: Module, images: Array) -> str:
    """Run a batch again and name the first thing that is not finite: the batch, a layer's weights, or its output."""
    if not np.isfinite(images).all():
        image = int(np.argwhere(~np.isfinite(images))[0][0])
        return f"the batch itself holds {_kind(images)}, first in image {image}: look at the data"
    causes: list[str] = []

    def look(name: str) -> Any:
        def hook(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
            if not causes:
                causes.extend(_faults(name, module, output))

        return hook

    with ExitStack() as stack, no_grad(), np.errstate(all="ignore"):
        for name, module in model.named_modules():
            if not any(module.children()):
                stack.enter_context(module.register_forward_hook(look(name)))
        model(images)
    return causes[0] if causes else "all layers give finite outputs, so it arose in the loss: are the logits too large?"


def _faults(name: str, module: Module, output: Any) -> list[str]:
    layer = f"layer {name} ({type(module).__name__})"
    for parameter, tensor in module.named_parameters():
        if not np.isfinite(tensor.data).all():
            return [f"{layer}: its {parameter} holds {_kind(tensor.data)} since the last step; try a lower lr"]
    array = (output[0] if isinstance(output, tuple) else output).data
    return [] if np.isfinite(array).all() else [f"{layer} made {_kind(array)} of finite inputs; try a lower lr"]


def _kind(array: Array) -> str:
    return "NaN" if np.isnan(array).any() else "infinity"
