"""Feature maps: what each layer makes of one image."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from tinycnn.arrays import Array, beside, to_numpy
from tinycnn.function import no_grad
from tinycnn.nn import Module, evaluating


def feature_maps(model: Module, image: Array) -> dict[str, Array]:
    """Run one image through a model and collect what each layer gives.

    Parameters
    ----------
    model
        Any Module; run once, in ``eval`` mode, and left as it was.
    image
        One image as the model takes it, (C, H, W), without the batch; it is copied to where the model's parameters are.

    Returns
    -------
    dict
        Outputs by the layer's dotted name, in the order they were made, without the batch: (K, P, Q) after a
        convolution or a pooling, (features,) after a full layer. Of a layer that runs twice, the last output. All in
        main memory, to be looked at.

    Raises
    ------
    ValueError
        For a batch or a bare (H, W), and what the model says of an image that does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> net = tc.nn.Sequential(tc.nn.Conv2d(1, 2, 3), tc.nn.MaxPool2d(2), tc.nn.Flatten())
    >>> {name: maps.shape for name, maps in feature_maps(net, np.zeros((1, 8, 8), np.float32)).items()}
    {'0': (2, 6, 6), '1': (2, 3, 3), '2': (18,)}
    """
    if image.ndim != 3:
        hint = "images[0] is one of a batch" if image.ndim == 4 else "one grey image is x.reshape(1, H, W)"
        raise ValueError(f"feature_maps takes one image (C, H, W), got {image.shape}: {hint}")
    maps: dict[str, Array] = {}

    def keep(name: str) -> Any:
        def hook(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
            maps.pop(name, None)  # so that a second run of a layer also takes its place in the order
            maps[name] = to_numpy((output[0] if isinstance(output, tuple) else output).data[0])

        return hook

    with ExitStack() as stack, no_grad(), evaluating(model):
        for name, module in model.named_modules():
            if not any(module.children()):
                stack.enter_context(module.register_forward_hook(keep(name)))
        model(beside(image[None], next((parameter.data for parameter in model.parameters()), image)))
    return maps
