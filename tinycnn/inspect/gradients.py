"""Which pixels a class score hangs on: its gradient with respect to the image, plain and guided."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinycnn.arrays import Array, to_numpy
from tinycnn.functional.activation import ReLU
from tinycnn.hooks import Call, watch
from tinycnn.inspect.scores import batch_of_one, class_scores, send_back, undisturbed
from tinycnn.nn import Module


def image_gradient(model: Module, image: Array, target: int | None = None) -> Array:
    """Gradient of a class score with respect to the image.

    Parameters
    ----------
    model
        Any Module that gives logits (N, classes); run once, in ``eval`` mode, and left as it was.
    image
        One image as the model takes it, (C, H, W), without the batch; it is copied to where the model's parameters are.
    target
        The class; None for the one with the largest score.

    Returns
    -------
    array
        (C, H, W), in main memory.

    Raises
    ------
    ValueError
        For a batch or a bare (H, W), a class that does not exist, a model that gives no class scores, and what the
        model says of an image that does not fit.
    TypeError
        For an image of integers.
    RuntimeError
        Under `tinycnn.no_grad`, or where the model cuts the graph.

    Notes
    -----
    The score is the one before softmax: after it, a score also rises when those of the other classes fall.

    Simonyan, Vedaldi, Zisserman (2013), Deep Inside Convolutional Networks, equation 4.

    Examples
    --------
    A model with one weight a pixel has that weight for its gradient, whatever the image:

    >>> import numpy as np
    >>> import tinycnn as tc
    >>> net = tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(4, 3))
    >>> gradient = image_gradient(net, np.ones((1, 2, 2), np.float32), target=2)
    >>> bool((gradient.reshape(4) == net[1].weight.data[2]).all())
    True
    """
    return _image_gradient("image_gradient", model, image, target)


def saliency(model: Module, image: Array, target: int | None = None) -> Array:
    """The saliency map of a class: how much its score can change with each pixel, whichever way.

    M[h, w] = max over c of |∂S/∂x[c, h, w]|

    Parameters
    ----------
    model, image, target
        As for `image_gradient`.

    Returns
    -------
    array
        (H, W), no entry negative, in main memory.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        As `image_gradient`.

    Notes
    -----
    Simonyan, Vedaldi, Zisserman (2013), Deep Inside Convolutional Networks, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> saliency(tc.models.lenet5(), np.zeros((1, 32, 32), np.float32)).shape
    (32, 32)
    """
    gradient = _image_gradient("saliency", model, image, target)
    return np.abs(gradient).max(axis=0)  # (C, H, W) -> (H, W)


def guided_backprop(model: Module, image: Array, target: int | None = None) -> Array:
    """Gradient of a class score with respect to the image, where each ReLU on the way back also drops what is negative.

    dx = dy where x > 0 and dy > 0, else 0

    It is no gradient of anything. It draws sharp edges, and `randomisation_test` tells how much of that is the model.

    Parameters
    ----------
    model, image, target
        As for `image_gradient`; the model applies ReLU somewhere, as a layer or as ``F.relu``.

    Returns
    -------
    array
        (C, H, W), in main memory.

    Raises
    ------
    ValueError
        For a model without ReLU, and as `image_gradient`.
    TypeError, RuntimeError
        As `image_gradient`.

    Notes
    -----
    Springenberg, Dosovitskiy, Brox, Riedmiller (2014), Striving for Simplicity, section 3.4.

    Examples
    --------
    The score is relu(x) − relu(2x). Both have a gradient, but a negative one reaches the second ReLU:

    >>> import numpy as np
    >>> import tinycnn as tc
    >>> class Difference(tc.nn.Module):
    ...     def forward(self, x):
    ...         return (tc.functional.relu(x) - tc.functional.relu(2 * x)).flatten(1)
    >>> one = np.ones((1, 1, 1), np.float32)
    >>> float(image_gradient(Difference(), one)[0, 0, 0]), float(guided_backprop(Difference(), one)[0, 0, 0])
    (-1.0, 1.0)
    """
    guided: list[ReLU] = []

    def guide(call: Call) -> None:
        if call.phase == "forward" and isinstance(call.function, ReLU):
            # A Function is one node of one graph: a backward of its own changes nothing for any other.
            vars(call.function)["backward"] = _only_positive(call.function.backward)
            guided.append(call.function)

    with watch(guide):  # while somebody watches, no ReLU runs inside a fused Function
        gradient = _image_gradient("guided_backprop", model, image, target)
    if not guided:
        raise ValueError(
            f"guided_backprop changes the way back through ReLU, and this {type(model).__name__} ran none: "
            "use image_gradient or saliency"
        )
    return gradient


def _image_gradient(name: str, model: Module, image: Array, target: int | None) -> Array:
    x = batch_of_one(name, model, image)
    with undisturbed(model):
        send_back(name, class_scores(name, model, x), target)
    assert x.grad is not None
    return to_numpy(x.grad[0])


def _only_positive(backward: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A backward pass that is handed max(dy, 0)."""
    return lambda grad: backward(np.maximum(grad, 0))
