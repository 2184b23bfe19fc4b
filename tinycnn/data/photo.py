"""From any image file to what the images of a data set look like.

For a grey data set that is ink on empty paper, scaled and centred as its images are, in three steps, each a function:
the pixels' brightness (`read_photo`, by Pillow), the ink alone (`ink_of`), and the frame (`framed`). For a coloured one
it is the middle of the picture, at the size of its images (`middle_square`).
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from difflib import get_close_matches
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tinycnn.arrays import Array
from tinycnn.data.decode import channels_first, decode, in_colour
from tinycnn.data.sets import DataSet
from tinycnn.data.transforms import resampling
from tinycnn.optional import require

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 2048**2  # pixels; whatever has more is averaged down at once, to save time and memory

BORDER = 1 / 64  # of the shorter side, at least one pixel
OUTLIER = 6.0  # median deviations from the paper, beyond which a border pixel is something that lies on it
ROUNDING = 1 / 512  # half a step of 8 bits
GRAIN = 1.5  # times the largest deviation of the border: so far the paper deviates elsewhere
FAINTEST = 0.06  # of the darkest ink: most of what JPEG leaves around it, and less than one step of 16


def read_photo(path: str | Path, data_set: DataSet) -> Array:
    """Read an image file as one more image of a data set.

    For a grey data set, ink may be dark on light paper or light on dark, the contrast low and the paper grey or
    unevenly lit; but the paper must fill the picture, and nothing else lie on it. For a coloured one, the square in the
    middle is taken. Transparent parts count as white paper; of an animation, the first frame is read; a photo that was
    taken sideways is turned as its EXIF note says.

    Parameters
    ----------
    path
        PNG, JPEG, TIFF, GIF, WebP, BMP or another common format; grey, coloured, with a palette, 1 to 32 bits deep.
    data_set
        Whose images it shall be like.

    Returns
    -------
    array
        uint8 as ``data_set.read`` gives them: (size, size), from 0 for paper to ``data_set.maximum`` for ink, or
        (3, size, size).

    Raises
    ------
    OSError
        When there is no such file, or it cannot be read.
    ValueError
        When it is no image, is damaged or too large, or shows nothing.
    ModuleNotFoundError
        When Pillow is not installed.

    Examples
    --------
    >>> import tinycnn as tc
    >>> read_photo("seven.jpg", tc.data.DATA_SETS["mnist"]).shape  # doctest: +SKIP
    (28, 28)
    """
    path = Path(path)
    if data_set.channels == 3:
        return middle_square(_decode(path, _colours), data_set.size)
    grey = _decode(path, _brightness)
    if not np.isfinite(grey).all():
        raise ValueError(f"{path} holds NaN or infinite pixels, expected finite ones: save it as PNG")
    if grey.min() == grey.max():
        raise ValueError(f"{path} shows nothing: all pixels are alike")
    ink = ink_of(grey)
    if not ink.any():
        raise ValueError(f"{path} shows nothing that stands out from the paper: try more light, or a darker pen")
    return framed(ink, data_set)


def ink_of(grey: Array) -> Array:
    """Take the paper away.

    Paper is what the border shows: a plane, a + b·h + c·w, laid through the border's pixels without those that lie far
    off it. Whether ink is darker or lighter than the paper is told by the pixels that stand out: by the sign of the sum
    of their differences, cubed, in which few strong ones outweigh many weak ones. A pixel is ink when it differs from
    the plane by more than 1.5 times as much as any of the border's paper, and by more than 6 % of what the darkest ink
    does. Single pixels are dust.

    Parameters
    ----------
    grey
        Brightness (H, W) in any unit, not all alike.

    Returns
    -------
    array
        float64 (H, W): 0 for paper, 1 for the darkest ink; all 0 when nothing stands out.

    Examples
    --------
    >>> ink_of(np.array([[9, 9, 9, 9], [9, 5, 1, 9], [9, 9, 9, 9]]))
    array([[0. , 0. , 0. , 0. ],
           [0. , 0.5, 1. , 0. ],
           [0. , 0. , 0. , 0. ]])
    """
    grey = grey.astype(np.float64)
    grey = (grey - grey.min()) / (grey.max() - grey.min())
    difference, grain = _without_paper(grey)
    outstanding = difference[np.abs(difference) > GRAIN * grain + ROUNDING]
    ink = difference if (outstanding**3).sum() > 0 else -difference
    ink[ink <= max(GRAIN * grain + ROUNDING, FAINTEST * ink.max())] = 0
    ink[_neighbours(ink > 0) < 2] = 0
    return ink / (ink.max() or 1)


def framed(ink: Array, data_set: DataSet) -> Array:
    """Scale and centre ink as a data set does.

    The smallest rectangle that holds the ink is scaled, its proportions kept, to fit the data set's box: each new pixel
    is the mean of what it covers. Where the box is smaller than the image, as in MNIST, the ink's centre of mass comes
    to the middle of the image; else the rectangle's own. The darkest pixel gets the largest value.

    Parameters
    ----------
    ink
        (H, W), 0 where there is none, and somewhere there is.
    data_set
        It says how large.

    Returns
    -------
    array
        uint8 (size, size), from 0 to ``data_set.maximum``.

    Notes
    -----
    LeCun, Bottou, Bengio, Haffner (1998), Gradient-Based Learning Applied to Document Recognition, section III-A.

    Examples
    --------
    >>> import tinycnn as tc
    >>> bar = np.zeros((300, 200))
    >>> bar[50:250, 20:60] = 1
    >>> image = framed(bar, tc.data.DATA_SETS["mnist"])
    >>> image.shape, image.any(axis=1).sum(), image.any(axis=0).sum()
    ((28, 28), np.int64(20), np.int64(4))
    """
    size, box = data_set.size, data_set.box
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    H, W = ink.shape
    P, Q = (max(1, round(length * box / max(H, W))) for length in (H, W))
    ink = _averaging(H, P) @ ink @ _averaging(W, Q).T  # (H, W) -> (P, Q)
    middle = _centre_of_mass(ink) if box < size else ((P - 1) / 2, (Q - 1) / 2)
    image = np.zeros((size, size), np.uint8)
    # MNIST's centres of mass lie half a pixel at most from (14, 14), counted from 0. Nothing may leave the image.
    top, left = (
        min(max(size // 2 - int(centre + 0.5), 0), size - length) for centre, length in zip(middle, (P, Q), strict=True)
    )
    image[top : top + P, left : left + Q] = np.rint(ink * (data_set.maximum / ink.max()))
    return image


def middle_square(image: Array, size: int) -> Array:
    """Cut off what is longer of a picture, the same on both sides, and bring the square to a size.

    Parameters
    ----------
    image
        uint8 (C, H, W).
    size
        Height and width of the result.

    Returns
    -------
    array
        uint8 (C, size, size).

    Examples
    --------
    >>> image = np.array([[[9, 1, 2, 9], [9, 3, 6, 9]]], np.uint8)
    >>> middle_square(image, 2), middle_square(image, 1)
    (array([[[1, 2],
            [3, 6]]], dtype=uint8), array([[[3]]], dtype=uint8))
    """
    _, H, W = image.shape
    side = min(H, W)
    top, left = (H - side) // 2, (W - side) // 2
    rows = resampling(side, size)
    square = image[:, top : top + side, left : left + side]
    return np.rint(rows @ square @ rows.T).astype(np.uint8)


def _without_paper(grey: Array) -> tuple[Array, float]:
    """What remains of grey (H, W) without the paper's plane, and how far the border's paper lies off that plane."""
    H, W = grey.shape
    width = max(1, int(min(H, W) * BORDER))
    edge = np.ones((H, W), bool)
    edge[width : H - width, width : W - width] = False
    h, w = np.nonzero(edge)
    border = grey[edge]
    place = np.stack([np.ones(len(h)), h / H - 0.5, w / W - 0.5], axis=1)  # (border pixels, 3)
    plane = np.array([np.median(border), 0.0, 0.0])
    for _ in range(3):
        deviation = np.abs(border - place @ plane)
        paper = deviation <= max(OUTLIER * float(np.median(deviation)), ROUNDING)
        plane = np.linalg.lstsq(place[paper], border[paper], rcond=None)[0]
    grain = np.abs(border - place @ plane)[paper].max()
    down, across = np.arange(H)[:, None] / H - 0.5, np.arange(W) / W - 0.5
    return grey - (plane[0] + plane[1] * down + plane[2] * across), float(grain)


def _neighbours(mask: Array) -> Array:
    """How many of the 3 x 3 pixels about each one are set, itself counted: (H, W) -> (H, W)."""
    padded = np.pad(mask.astype(np.uint8), 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]


def _averaging(old: int, new: int) -> Array:
    """The matrix (new, old) whose row i says how much of new pixel i each old pixel covers.

    A box, as the ink must not reach beyond the frame; the triangle of `resampling` would blur it by another pixel.
    """
    edges = np.arange(new + 1)[:, None] * (old / new)
    pixels = np.arange(old)
    covered = np.maximum(np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels), 0)
    return covered * (new / old)


def _centre_of_mass(ink: Array) -> tuple[float, float]:
    P, Q = ink.shape
    return float(ink.sum(axis=1) @ np.arange(P) / ink.sum()), float(ink.sum(axis=0) @ np.arange(Q) / ink.sum())


def _decode(path: Path, pixels_of: Callable[[Image], Array]) -> Array:
    require("PIL.Image", "images")  # at once: whether the file is there does not matter then
    with _opened(path) as file:
        return decode(path, file, pixels_of)


def _opened(path: Path) -> BinaryIO:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(f"{path} is a folder, expected an image: name a file in it")
        if not stat.S_ISREG(status.st_mode):  # a pipe, say, that would be waited for
            raise OSError(f"{path} is no regular file, expected an image: save it to a file first")
        if status.st_size == 0:
            raise ValueError(f"{path} is empty, expected an image: save it anew")
        return path.open("rb")
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}{_nearest(path)}") from None
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(f"{path} cannot be read ({error.strerror}), expected an image file") from None


def _nearest(path: Path) -> str:
    try:
        near = get_close_matches(path.name, [other.name for other in path.parent.iterdir()], n=1, cutoff=0.8)
    except OSError:
        return f": {path.parent} does not exist either"
    return f": did you mean {path.with_name(near[0])}?" if near else ", expected the path of an image"


def _brightness(image: Image) -> Array:
    """One number a pixel, (H, W): a mode of many bits keeps its own, colours go by how bright they look."""
    from PIL import Image as Images

    if image.mode.startswith(("I", "F")):
        return np.asarray(_of_fewer_pixels(Images.fromarray(np.asarray(image).astype(np.float32))))
    return np.asarray(_of_fewer_pixels(in_colour(image).convert("L")))


def _colours(image: Image) -> Array:
    """Red, green and blue, (3, H, W)."""
    return channels_first(_of_fewer_pixels(in_colour(image)))


def _of_fewer_pixels(image: Image) -> Image:
    return image.reduce(ceil(sqrt(image.width * image.height / LARGEST)))
