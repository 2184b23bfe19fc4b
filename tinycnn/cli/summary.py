"""``tinycnn summary``."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict

from tinycnn import inspect
from tinycnn.cli.network import network_of
from tinycnn.cli.options import Whole
from tinycnn.cli.status import DONE
from tinycnn.wording import readable_bytes


def summary(model: str = "lenet5", *, batch_size: Whole = 64, json: bool = False) -> int:
    """Show what a model is made of and what it costs, layer by layer.

    Output shape, parameters, multiply-adds and receptive field of each layer, and the memory that backward needs kept
    for one image; then the memory of a training step.

    Parameters
    ----------
    model
        lenet5, lenet5-1998, alexnet, vgg16, …, or the folder of a run.
    batch_size
        Images in a step, for its memory.
    json
        Print all of it as one JSON object on the last line.
    """
    if batch_size < 1:
        raise ValueError(f"--batch-size must be at least 1, got {batch_size}")
    network, shape, _ = network_of(model)
    found = inspect.summary(network, shape)
    memory = found.memory(batch_size)
    print(found)
    parts = {name: f"{name} {readable_bytes(value)}" for name, value in asdict(memory).items()}
    print(f"a training step with {batch_size} images holds {readable_bytes(memory.total)}: {', '.join(parts.values())}")
    if json:
        layers = [asdict(layer) for layer in found.layers]
        totals = {"parameters": found.parameters, "multiply_adds": found.multiply_adds}
        bytes_held = {"batch_size": batch_size, **asdict(memory), "total": memory.total}
        print(json_format.dumps({"model": model, "input": shape, "layers": layers, **totals, "memory": bytes_held}))
    return DONE
