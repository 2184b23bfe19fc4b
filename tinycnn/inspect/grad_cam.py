"""Grad-CAM: where in the image the maps of a layer speak for a class."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from tinycnn.arrays import Array, to_numpy
from tinycnn.choices import look_up
from tinycnn.data.transforms import resampling
from tinycnn.functional.convolution import Convolution
from tinycnn.geometry import pair
from tinycnn.hooks import Call, watch
from tinycnn.inspect.scores import batch_of_one, class_scores, send_back, undisturbed
from tinycnn.nn import Module
from tinycnn.tensor import Tensor


def grad_cam(model: Module, image: Array, target: int | None = None, layer: str | None = None) -> Array:
    """Class activation map by gradients: the maps A of a layer, each weighted with its mean gradient, where positive.

    weight[k] = 1 / (P·Q) · Σ ∂S/∂A[k, p, q] over p and q;  L[p, q] = max(0, Σ weight[k] · A[k, p, q] over k)

    Parameters
    ----------
    model, image, target
        As for `image_gradient`.
    layer
        Dotted name of a module that gives maps. None for the last one whose maps have the height and width of the last
        convolution's output, convolutions to one cell not counted: the activation that follows it, or a block's sum.

    Returns
    -------
    array
        (P, Q), no entry negative, in main memory; `enlarged` brings it to the size of the image.

    Raises
    ------
    ValueError
        For a layer that does not exist, did not run, gives no maps or has no part in the score, a model that runs no
        convolution where no layer is named, and as `image_gradient`.
    TypeError, RuntimeError
        As `image_gradient`.

    Notes
    -----
    Selvaraju et al. (2017), Grad-CAM, equations 1 and 2. Where a model ends in global average pooling and one full
    layer, Σ weight · A is the class activation map of Zhou et al. (2016), Learning Deep Features for Discriminative
    Localization, equation 2, over P·Q.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> image = np.zeros((1, 32, 32), np.float32)
    >>> grad_cam(tc.models.lenet5(), image).shape, grad_cam(tc.models.lenet5(), image, layer="c1").shape
    ((10, 10), (28, 28))
    """
    named = dict(model.named_modules(remove_duplicate=False))
    chosen = None if layer is None else look_up("layer", layer, named)
    outputs: dict[Module, Tensor] = {}  # of every module, in the order in which they ended
    sizes: list[tuple[int, ...]] = []  # (P, Q) of every convolution

    def ended(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
        outputs.pop(module, None)  # of a module that runs twice, the last output, at its place
        outputs[module] = output[0] if isinstance(output, tuple) else output

    def ran(call: Call) -> None:
        if call.phase == "forward" and isinstance(call.function, Convolution):
            sizes.append(call.shapes[0][2:])

    x = batch_of_one("grad_cam", model, image)
    with undisturbed(model):
        with ExitStack() as stack:
            stack.enter_context(watch(ran))
            for module in model.modules():
                stack.enter_context(module.register_forward_hook(ended))
            scores = class_scores("grad_cam", model, x)
        maps = _last_maps(model, outputs, sizes) if chosen is None else _maps_of(str(layer), outputs.get(chosen))
        maps.retain_grad()
        send_back("grad_cam", scores, target)
    if maps.grad is None:
        raise ValueError(f"grad_cam: the score does not depend on what layer {layer!r} gives: choose one on its way")
    A, gradient = to_numpy(maps.data[0]), to_numpy(maps.grad[0])  # (K, P, Q)
    weight = gradient.mean(axis=(1, 2))  # (K, P, Q) -> (K,)
    return np.maximum(np.tensordot(weight, A, axes=1), 0)  # (K,) · (K, P, Q) -> (P, Q)


def enlarged(heat: Array, size: int | tuple[int, int]) -> Array:
    """A map at the size of the image it is of, by linear interpolation along both axes.

    Parameters
    ----------
    heat
        (…, P, Q), floating point.
    size
        (H, W), or one int for both.

    Returns
    -------
    array
        (…, H, W), of the dtype of ``heat``.

    Raises
    ------
    ValueError
        For a map of fewer than two axes, or sizes below 1.

    Notes
    -----
    Cells are squares with a value at their centres: PyTorch's ``interpolate`` with ``align_corners=False``.

    Examples
    --------
    >>> import numpy as np
    >>> enlarged(np.array([[0.0, 4.0]]), (1, 4))
    array([[0., 1., 3., 4.]])
    """
    if heat.ndim < 2:
        raise ValueError(f"enlarged takes maps (…, P, Q), got {heat.shape}")
    rows, columns = (resampling(*sizes) for sizes in zip(heat.shape[-2:], pair("enlarged", "size", size), strict=True))
    result: Array = rows @ heat @ columns.T  # (H, P) @ (…, P, Q) @ (Q, W) -> (…, H, W)
    return result.astype(heat.dtype, copy=False)


def _last_maps(model: Module, outputs: dict[Module, Tensor], sizes: list[tuple[int, ...]]) -> Tensor:
    sizes = [size for size in sizes if size != (1, 1)]
    if sizes:
        for output in reversed(outputs.values()):
            if output.ndim == 4 and output.shape[2:] == sizes[-1]:
                return output
    raise ValueError(
        f"grad_cam finds no convolution in this {type(model).__name__} that gives maps larger than 1x1: name a layer"
    )


def _maps_of(layer: str, output: Tensor | None) -> Tensor:
    if output is None:
        raise ValueError(f"grad_cam: layer {layer!r} did not run: name one that the model calls")
    if output.ndim != 4:
        raise ValueError(f"grad_cam: layer {layer!r} gives {output.shape[1:]}, no maps (K, P, Q): name an earlier one")
    return output
