"""The randomisation test: a map that shows what a model has learned changes when the model forgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

import numpy as np

from tinycnn.arrays import Array, beside, to_numpy
from tinycnn.inspect.gradients import saliency
from tinycnn.inspect.scores import chosen_class
from tinycnn.nn import Module

Method = Callable[[Module, Array, int], Array]
"""What explains a class: (model, image, target) -> map. `saliency`, `guided_backprop`, `grad_cam` and others are."""


def cascading_randomisation(model: Module, seed: int = 0) -> Iterator[tuple[str, Module]]:
    """Copies of a model that have forgotten more and more: the last layer, the last two, at the end all of them.

    A layer forgets by having the numbers of each of its parameters shuffled. So whatever the layer and the way it was
    started, it keeps the size of its weights, and the maps of a deep model neither vanish nor overflow.

    Parameters
    ----------
    model
        Any Module; it stays as it is.
    seed
        Of the shuffles.

    Yields
    ------
    tuple
        Dotted name of a layer, and a copy of the model in which it and all layers after it are random. Layers are the
        modules that have parameters of their own, in the order in which the model lists them, from the last.

    Notes
    -----
    Adebayo et al. (2018), Sanity Checks for Saliency Maps, section 3, who draw the weights anew by the rule that the
    layer was started with.

    Examples
    --------
    >>> import tinycnn as tc
    >>> [name for name, _ in cascading_randomisation(tc.models.lenet5())]
    ['output', 'f6', 'c5', 'c3', 'c1']
    """
    rng = np.random.default_rng(seed)
    forgetful = deepcopy(model)
    layers: dict[str, list[str]] = {}
    parameters = dict(forgetful.named_parameters())
    for name in parameters:
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    for layer, names in reversed(layers.items()):
        for parameter in (parameters[name] for name in names):
            shuffled = rng.permutation(to_numpy(parameter.data).ravel()).reshape(parameter.shape)
            parameter.data = beside(shuffled, parameter.data)
        yield layer, deepcopy(forgetful)


def rank_similarity(a: Array, b: Array) -> float:
    """Spearman's rank correlation of the absolute values of two maps: whether they order the pixels alike.

    Parameters
    ----------
    a, b
        Two maps of one shape.

    Returns
    -------
    float
        1 for the same order, −1 for the reverse; about 0 for maps that have nothing to do with each other. NaN where
        all of a map has one absolute value, and so no order, as a Grad-CAM that is 0 everywhere. Equal values share
        the mean of their ranks.

    Raises
    ------
    ValueError
        For maps of different shapes.

    Notes
    -----
    Spearman (1904), The Proof and Measurement of Association between Two Things.

    Examples
    --------
    >>> import numpy as np
    >>> rank_similarity(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 10.0, -100.0]))
    1.0
    """
    if a.shape != b.shape:
        raise ValueError(f"rank_similarity compares maps of one shape, got {a.shape} and {b.shape}")
    ranks_a, ranks_b = _centred_ranks(a), _centred_ranks(b)
    scale = np.sqrt((ranks_a @ ranks_a) * (ranks_b @ ranks_b))
    return float(ranks_a @ ranks_b / scale) if scale else float("nan")


def randomisation_test(
    model: Module, image: Array, method: Method = saliency, target: int | None = None, seed: int = 0
) -> dict[str, float]:
    """How like a method's map of an image stays while a model forgets, layer by layer from the last.

    A map that hardly changes shows the image, or the architecture, but not what the model has learned.

    Parameters
    ----------
    model
        Any Module that gives logits (N, classes); left as it was.
    image
        One image as the model takes it, (C, H, W), without the batch.
    method
        Called as ``method(model, image, target)``: `saliency`, `guided_backprop`, `grad_cam`, `occlusion`, or a
        function of your own.
    target
        The class; None for the one with the largest score of the model as it is. All maps are of this class.
    seed
        As for `cascading_randomisation`.

    Returns
    -------
    dict
        For each layer, from the last, the `rank_similarity` of the map of the model as it is and the map after this
        layer and all after it were made random.

    Raises
    ------
    ValueError, TypeError
        As the method.

    Notes
    -----
    Adebayo et al. (2018), Sanity Checks for Saliency Maps, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> tc.manual_seed(0)
    >>> image = np.random.default_rng(0).standard_normal((1, 32, 32)).astype(np.float32)
    >>> found = randomisation_test(tc.models.lenet5(), image)
    >>> list(found), all(-1 <= similarity <= 1 for similarity in found.values())
    (['output', 'f6', 'c5', 'c3', 'c1'], True)
    """
    target = chosen_class("randomisation_test", model, image, target)
    original = method(model, image, target)
    return {
        layer: rank_similarity(original, method(forgetful, image, target))
        for layer, forgetful in cascading_randomisation(model, seed)
    }


def _centred_ranks(values: Array) -> Array:
    """Ranks of the absolute values, less their mean; equal values share the mean of the ranks they take up."""
    _, group, counts = np.unique(np.abs(values).ravel(), return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of each group: its last rank, less half of its others
    return ranks[group] - (values.size + 1) / 2
