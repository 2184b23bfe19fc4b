"""Which entries of a large input are looked at: corners first, then borders and interior, all channels alike."""

from __future__ import annotations

from itertools import product

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.gradcheck.draws import Draw, stream

LIMIT = 500
"""Inputs with more entries are sampled."""

BORDERS = 0.4
"""Share of a sample that lies on the border of the image, corners not counted: padding goes wrong there."""


def entries(shape: tuple[int, ...], seed: int, limit: int = LIMIT) -> Array:
    """Choose entries.

    Parameters
    ----------
    shape
        Of the input. The last two axes are the image where there are three or more.
    seed
        Of the choice.
    limit
        How many at most; all where there are no more.

    Returns
    -------
    array
        (k, ndim) indices in the order of memory.

    Examples
    --------
    >>> entries((2, 3), seed=0).tolist()
    [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    >>> chosen = {tuple(index) for index in entries((64, 64, 28, 28), seed=0).tolist()}
    >>> len(chosen), (0, 0, 0, 0) in chosen, (63, 63, 27, 27) in chosen
    (500, True, True)
    """
    size = int(np.prod(shape))
    if size <= limit:
        return _indices(np.arange(size), shape)
    rng = stream(seed, Draw.SAMPLE)
    corners = {int(np.ravel_multi_index(c, shape)) for c in product(*({0, n - 1} for n in shape))}
    chosen = dict.fromkeys(sorted(corners)[:limit])
    on_border = min(limit, len(chosen) + int(BORDERS * (limit - len(chosen))))
    _fill(chosen, on_border, shape, rng, at_border=True)
    _fill(chosen, limit, shape, rng, at_border=False)
    return _indices(np.sort(np.array(list(chosen))), shape)


def _fill(
    chosen: dict[int, None], count: int, shape: tuple[int, ...], rng: np.random.Generator, at_border: bool
) -> None:
    """Draw entries until there are so many, going round the leading axes (images and channels) in shuffled order."""
    lead, image = (shape[:-2], shape[-2:]) if len(shape) > 2 else ((), shape)
    maps = rng.permutation(int(np.prod(lead)))
    for turn in range(20 * count):
        if len(chosen) >= count:
            return
        place = [int(rng.integers(n)) for n in image]
        if at_border:
            axis = int(rng.integers(len(image)))
            place[axis] = int(rng.choice((0, image[axis] - 1)))
        first = np.unravel_index(maps[turn % len(maps)], lead) if lead else ()
        chosen.setdefault(int(np.ravel_multi_index((*map(int, first), *place), shape)))


def _indices(flat: Array, shape: tuple[int, ...]) -> Array:
    return np.stack(np.unravel_index(flat, shape), axis=-1) if shape else np.zeros((1, 0), np.intp)
