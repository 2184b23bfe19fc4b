"""Occlusion: how much less likely a class becomes when a part of the image is covered."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.arrays import Array, beside, to_numpy
from tinycnn.function import no_grad
from tinycnn.geometry import Axis, pair
from tinycnn.inspect.scores import batch_of_one, class_index, class_scores
from tinycnn.nn import Module, evaluating
from tinycnn.tensor import Tensor

BATCH = 64
"""Covered images that run at a time."""


def occlusion(
    model: Module, image: Array, target: int | None = None, window: Any = 8, stride: Any = 4, fill: Any = 0.0
) -> Array:
    """Cover each window of an image in turn, and tell by how much the probability of a class drops.

    drop[p, q] = probability of the image − probability with rows p·stride … and columns q·stride … covered

    Parameters
    ----------
    model
        Any Module that gives logits (N, classes); run once for each window and once without, in ``eval`` mode, and left
        as it was.
    image
        One image as the model takes it, (C, H, W), without the batch.
    target
        The class; None for the one with the largest score of the uncovered image.
    window, stride
        Of the cover: an int, or (down, across).
    fill
        What covers: a number, or one for each channel. 0 is the mean colour where images are normalised.

    Returns
    -------
    array
        (P, Q) with P = floor((H − R) / stride) + 1, from −1 to 1, in main memory. Negative where the class becomes
        more likely.

    Raises
    ------
    ValueError
        For a window that never fits, a wrong number of fills, a batch or a bare (H, W), a class that does not exist, a
        model that gives no class scores, and what the model says of an image that does not fit.
    TypeError
        For an image of integers, or a window or stride that is no int.

    Notes
    -----
    Zeiler, Fergus (2014), Visualizing and Understanding Convolutional Networks, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> occlusion(tc.models.lenet5(), np.zeros((1, 32, 32), np.float32), window=8, stride=6).shape
    (5, 5)
    """
    x = batch_of_one("occlusion", model, image).data
    C, H, W = image.shape
    R, S = pair("occlusion", "window", window)
    down, across = pair("occlusion", "stride", stride)
    P, Q = Axis(H, R, down).out, Axis(W, S, across).out
    if P < 1 or Q < 1:
        raise ValueError(f"occlusion: a {R}x{S} window never fits a {H}x{W} image: use at most window=({H}, {W})")
    cover = np.asarray(fill, image.dtype)
    if cover.shape not in ((), (C,)):
        raise ValueError(f"occlusion: fill must be one number, or one for each of {C} channels, got {cover.shape}")
    cells = [(p * down, q * across) for p in range(P) for q in range(Q)]
    with no_grad(), evaluating(model):
        scores = class_scores("occlusion", model, Tensor(x))
        index = class_index("occlusion", scores, target)
        whole = _probability(scores, index)
        parts = []
        for first in range(0, len(cells), BATCH):
            corners = cells[first : first + BATCH]
            covered = np.repeat(to_numpy(x), len(corners), axis=0)  # (1, C, H, W) -> (N, C, H, W)
            for copy, (top, left) in zip(covered, corners, strict=True):
                copy[:, top : top + R, left : left + S] = cover.reshape(-1, 1, 1)
            parts.append(_probability(class_scores("occlusion", model, Tensor(beside(covered, x))), index))
    return (whole - np.concatenate(parts)).reshape(P, Q)  # (1,) − (P·Q,) -> (P, Q)


def _probability(scores: Tensor, index: int) -> Array:
    """Of one class, for each image: (N, classes) -> (N,)."""
    return to_numpy(F.softmax(scores).data[:, index])
