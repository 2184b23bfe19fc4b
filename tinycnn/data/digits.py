"""The bundled digits: real handwriting for a first run, without a download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinycnn.arrays import Array


def digits(split: str = "train") -> tuple[Array, Array]:
    """Read the UCI digits that come with tinycnn.

    Parameters
    ----------
    split
        ``"train"`` (1,438 images) or ``"test"`` (359, a fifth of each class).

    Returns
    -------
    tuple of array
        Images uint8 (N, 8, 8), ink 16 on 0, and labels uint8 (N,).

    Raises
    ------
    ValueError
        For another split.

    Notes
    -----
    Alpaydin, Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, under
    CC BY 4.0; ``digits.md`` beside the file says more.

    Examples
    --------
    >>> import tinycnn as tc
    >>> images, labels = tc.data.digits("test")
    >>> images.shape, images.max(), labels[:5]
    ((359, 8, 8), np.uint8(16), array([1, 5, 7, 7, 3], dtype=uint8))
    """
    if split not in ("train", "test"):
        raise ValueError(f'digits: split must be "train" or "test", got {split!r}')
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        chosen = file["test"] == (split == "test")
        return file["images"][chosen], file["labels"][chosen]
