"""Arrays as PNG data URIs, a pixel for each number: the page enlarges them."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO

import numpy as np

from tinycnn.arrays import Array
from tinycnn.data.transforms import resampling
from tinycnn.optional import require

NEGATIVE, POSITIVE = (38, 120, 210), (224, 120, 0)
"""Blue and orange, in red, green and blue: colour-blind people tell them apart, and both show on white and on black."""

STEPS = 63  # of each colour: finer ones could not be seen, and would make larger files


def ink_picture(image: Array, maximum: float) -> str:
    """Dark ink on white paper.

    Parameters
    ----------
    image
        (H, W), from 0 for paper to ``maximum`` for full ink; what lies outside is drawn as the nearer of the two.
    maximum
        Positive.

    Returns
    -------
    str
        A ``data:`` URI.

    Raises
    ------
    ModuleNotFoundError
        When Pillow is not installed.
    """
    grey = np.rint(255 * (1 - np.clip(image / maximum, 0, 1))).astype(np.uint8)
    return _png(require("PIL.Image", "pictures").fromarray(grey))


def colour_picture(image: Array, maximum: float) -> str:
    """Red, green and blue as they are.

    Parameters
    ----------
    image
        (3, H, W), from 0 for none of a colour to ``maximum`` for all of it; what lies outside is drawn as the nearer.
    maximum
        Positive.

    Returns
    -------
    str
        A ``data:`` URI.

    Raises
    ------
    ModuleNotFoundError
        When Pillow is not installed.
    """
    colours = np.rint(255 * np.clip(image / maximum, 0, 1)).astype(np.uint8)
    return _png(require("PIL.Image", "pictures").fromarray(np.ascontiguousarray(colours.transpose(1, 2, 0))))


def signed_picture(values: Array, limit: float) -> str:
    """Blue where negative, orange where positive, the less transparent the further from 0.

    Parameters
    ----------
    values
        (H, W).
    limit
        Positive: what is drawn opaque, with either sign, and all beyond it.

    Returns
    -------
    str
        A ``data:`` URI. Transparency lets the page choose how 0 looks: white on a light page, black on a dark one.

    Raises
    ------
    ModuleNotFoundError
        When Pillow is not installed.
    """
    steps = np.rint(STEPS * np.clip(values / limit, -1, 1)).astype(int)
    picture = require("PIL.Image", "pictures").fromarray((steps + STEPS).astype(np.uint8), "P")
    picture.putpalette(bytes(NEGATIVE * STEPS + POSITIVE * (STEPS + 1)))
    opacity = np.rint(255 * np.abs(np.arange(-STEPS, STEPS + 1)) / STEPS).astype(np.uint8)
    return _png(picture, transparency=opacity.tobytes())


def reduced(maps: Array, size: int) -> Array:
    """Average maps down to ``size`` pixels along the longer side; smaller ones stay as they are.

    Parameters
    ----------
    maps
        (K, H, W), floating.
    size
        At least 1.

    Examples
    --------
    >>> reduced(np.array([[[0.0, 1.0], [2.0, 3.0]]]), 1)
    array([[[1.5]]])
    >>> reduced(np.zeros((6, 100, 50)), 32).shape
    (6, 32, 16)
    """
    _, H, W = maps.shape
    if max(H, W) <= size:
        return maps
    rows, columns = (resampling(old, max(1, round(old * size / max(H, W)))) for old in (H, W))
    return rows @ maps @ columns.T


def _png(picture: object, **options: object) -> str:
    file = BytesIO()
    picture.save(file, "PNG", optimize=True, **options)  # type: ignore[attr-defined]
    return "data:image/png;base64," + b64encode(file.getvalue()).decode()
