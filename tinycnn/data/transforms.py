"""Transforms: from a batch of stored images to the batch that a network takes.

A transform maps arrays to arrays. One that makes random changes says how many random numbers it needs for an image
(``draws``) and is given as many, uniform in [0, 1): so it holds no state, and the loader alone decides what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import pads, pair, positive


class Transform:
    """Maps a batch of images; subclass it and define ``apply``.

    ``apply(self, images, uniforms)`` takes images of one shape, batch first, and ``draws`` numbers from [0, 1) for each
    of them, an array (N, draws), and returns a new array.

    Examples
    --------
    >>> import tinycnn as tc
    >>> class RandomInvert(tc.data.Transform):
    ...     draws = 1
    ...     def apply(self, images, uniforms):
    ...         flipped = uniforms.reshape(-1, 1, 1, 1) < 0.5
    ...         return np.where(flipped, 1 - images, images)
    >>> RandomInvert()(np.zeros((2, 1, 1, 1)), np.array([[0.2], [0.9]])).ravel()
    array([1., 0.])
    """

    draws = 0

    def apply(self, images: Array, uniforms: Array) -> Array:
        """Map a batch."""
        raise NotImplementedError(f"{type(self).__name__} has no apply method: define apply(self, images, uniforms)")

    def __call__(self, images: Array, uniforms: Array | None = None) -> Array:
        if uniforms is None:
            if self.draws:
                raise ValueError(f"{type(self).__name__} is random: give it {self.draws} numbers an image")
            uniforms = np.empty((len(images), 0))
        if uniforms.shape != (len(images), self.draws):
            raise ValueError(
                f"{type(self).__name__} takes {self.draws} numbers an image, ({len(images)}, {self.draws}) in all, "
                f"got {uniforms.shape}"
            )
        return self.apply(images, uniforms)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in vars(self).items() if name != "draws")
        return f"{type(self).__name__}({settings})"


class Compose(Transform):
    """One transform after the other."""

    def __init__(self, transforms: Sequence[Transform]):
        self.transforms = tuple(transforms)
        self.draws = sum(transform.draws for transform in self.transforms)

    def apply(self, images: Array, uniforms: Array) -> Array:
        """Give each transform its share of the random numbers."""
        start = 0
        for transform in self.transforms:
            images = transform(images, uniforms[:, start : start + transform.draws])
            start += transform.draws
        return images


class ToFloat(Transform):
    """Integers from 0 to ``maximum`` become float32 from 0 to 1; grey images get their axis of channels.

    Parameters
    ----------
    maximum
        The largest value that can occur, such as 255.

    Raises
    ------
    TypeError, ValueError
        For a maximum below 1, and for images of another number of axes.
    """

    def __init__(self, maximum: int):
        self.maximum = positive("ToFloat", "maximum", maximum)

    def apply(self, images: Array, uniforms: Array) -> Array:
        """(N, H, W) or (N, C, H, W) -> (N, C, H, W)."""
        images = images[:, None] if images.ndim == 3 else images
        if images.ndim != 4:
            raise ValueError(
                f"ToFloat expected images (N, H, W) or (N, C, H, W), got {images.shape}: one image is image[None]"
            )
        return images.astype(np.float32) / np.float32(self.maximum)


class Normalize(Transform):
    """(x − mean) / std, channel by channel.

    Parameters
    ----------
    mean, std
        One number for all channels, or one for each.

    Raises
    ------
    TypeError, ValueError
        For a std that is not above 0, integer images, and images with another number of channels.
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]):
        if not np.all(np.isfinite(mean)) or not np.all(np.isfinite(std)) or np.any(np.less_equal(std, 0)):
            raise ValueError(f"Normalize: mean must be finite and std above 0, got mean={mean} and std={std}")
        self.mean, self.std = mean, std

    def apply(self, images: Array, uniforms: Array) -> Array:
        """(N, C, H, W) -> (N, C, H, W)."""
        _check_floats("Normalize", images)
        if not {np.size(self.mean), np.size(self.std)} <= {1, images.shape[1]}:
            raise ValueError(f"Normalize: images {images.shape} have {images.shape[1]} channels, {self!r} has others")
        mean, std = (np.asarray(value, images.dtype).reshape(-1, 1, 1) for value in (self.mean, self.std))
        return (images - mean) / std


class Pad(Transform):
    """Zeros around the image.

    Parameters
    ----------
    padding
        An int, (h, w) or (top, bottom, left, right), as for `tinycnn.functional.conv2d`.

    Raises
    ------
    TypeError, ValueError
        For a negative padding, and for images of another number of axes.
    """

    def __init__(self, padding: int | Sequence[int]):
        self.padding = pads("Pad", padding)

    def apply(self, images: Array, uniforms: Array) -> Array:
        """(N, C, H, W) -> (N, C, H + top + bottom, W + left + right)."""
        _check_shape("Pad", images)
        top, bottom, left, right = self.padding
        return np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)))


class GreyToColour(Transform):
    """One channel becomes ``channels`` equal ones.

    Raises
    ------
    TypeError, ValueError
        For images that have more than one already.
    """

    def __init__(self, channels: int = 3):
        self.channels = positive("GreyToColour", "channels", channels)

    def apply(self, images: Array, uniforms: Array) -> Array:
        """(N, 1, H, W) -> (N, channels, H, W)."""
        _check_shape("GreyToColour", images)
        if images.shape[1] != 1:
            raise ValueError(f"GreyToColour expected grey images (N, 1, H, W), got {images.shape}")
        return np.repeat(images, self.channels, axis=1)


class ColourToGrey(Transform):
    """Three channels, red, green and blue, become one: 0.299 R + 0.587 G + 0.114 B, by how bright each looks.

    Raises
    ------
    TypeError, ValueError
        For integer images, and for images of another number of channels.

    Notes
    -----
    ITU-R Recommendation BT.601, section 2.5.1: the luminance signal.
    """

    WEIGHTS = (0.299, 0.587, 0.114)

    def apply(self, images: Array, uniforms: Array) -> Array:
        """(N, 3, H, W) -> (N, 1, H, W)."""
        _check_floats("ColourToGrey", images)
        if images.shape[1] != 3:
            raise ValueError(f"ColourToGrey expected colour images (N, 3, H, W), got {images.shape}")
        weights = np.asarray(self.WEIGHTS, images.dtype).reshape(3, 1, 1)
        return (images * weights).sum(axis=1, keepdims=True)


class Resize(Transform):
    """Another size, by linear interpolation; when it shrinks an image, over all pixels that an output pixel covers.

    Parameters
    ----------
    size
        (height, width), or one int for both.

    Raises
    ------
    TypeError, ValueError
        For a size below 1, and for integer images.
    """

    def __init__(self, size: int | tuple[int, int]):
        self.size = pair("Resize", "size", size)

    def apply(self, images: Array, uniforms: Array) -> Array:
        """(N, C, H, W) -> (N, C, *size): rows · image · columnsᵀ."""
        _check_floats("Resize", images)
        rows, columns = (resampling(old, new) for old, new in zip(images.shape[2:], self.size, strict=True))
        return rows.astype(images.dtype) @ images @ columns.T.astype(images.dtype)


@lru_cache(maxsize=64)
def resampling(old: int, new: int) -> Array:
    """The matrix (new, old) whose row i averages the old pixels near the centre of new pixel i.

    The weight falls in a straight line from the centre to 0 at a distance of one pixel, of whichever size is larger.
    """
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(old) - centres[:, None]) / max(scale, 1.0)  # (new, old)
    weights = np.maximum(1 - distance, 0)
    return weights / weights.sum(axis=1, keepdims=True)


class RandomHorizontalFlip(Transform):
    """Left and right change places in some images.

    Parameters
    ----------
    p
        The probability, from 0 to 1.

    Raises
    ------
    ValueError
        For a probability outside its range.
    """

    draws = 1

    def __init__(self, p: float = 0.5):
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p must be from 0 to 1, got {p}")
        self.p = p

    def apply(self, images: Array, uniforms: Array) -> Array:
        """(N, C, H, W) -> (N, C, H, W)."""
        _check_shape("RandomHorizontalFlip", images)
        return np.where(uniforms.reshape(-1, 1, 1, 1) < self.p, images[..., ::-1], images)


class RandomShift(Transform):
    """Shift down and across by whole pixels, each way as likely; zeros come in: pads all round, and crops.

    Parameters
    ----------
    pixels
        The most, at least 1.

    Raises
    ------
    TypeError, ValueError
        For a number below 1.
    """

    draws = 2

    def __init__(self, pixels: int):
        self.pixels = positive("RandomShift", "pixels", pixels)

    def apply(self, images: Array, uniforms: Array) -> Array:
        """(N, C, H, W) -> (N, C, H, W)."""
        _check_shape("RandomShift", images)
        H, W = images.shape[2:]
        most = self.pixels
        padded = np.pad(images, ((0, 0), (0, 0), (most, most), (most, most)))
        starts = (uniforms * (2 * most + 1)).astype(np.intp)  # (N, 2), from 0 to 2 · most
        return np.stack([image[:, h : h + H, w : w + W] for image, (h, w) in zip(padded, starts, strict=True)])


class RandomAffine(Transform):
    """Rotate, scale, shear and shift about the centre, by linear interpolation; zeros come in from outside.

    Parameters
    ----------
    degrees
        Rotation, uniform from −degrees to degrees; a positive angle turns clockwise. At most 180.
    translate
        Shift down and across, each uniform from −translate to translate of the image's height or width. At most 1.
    scale
        Smallest and largest factor, uniform between them; above 1 enlarges.
    shear
        Horizontal shear, uniform from −shear to shear degrees; at a positive angle the top moves right. At most 89.

    Raises
    ------
    ValueError
        For a number outside its range.
    """

    draws = 5

    def __init__(
        self,
        degrees: float = 0.0,
        translate: float = 0.0,
        scale: tuple[float, float] = (1.0, 1.0),
        shear: float = 0.0,
    ):
        for argument, value, largest in (("degrees", degrees, 180), ("translate", translate, 1), ("shear", shear, 89)):
            if not 0 <= value <= largest:
                raise ValueError(f"RandomAffine: {argument} must be from 0 to {largest}, got {value}")
        if np.shape(scale) != (2,) or not 0 < scale[0] <= scale[1] < np.inf:
            raise ValueError(f"RandomAffine: scale must be the smallest and the largest factor above 0, got {scale}")
        self.degrees, self.translate, self.scale, self.shear = degrees, translate, scale, shear

    def apply(self, images: Array, uniforms: Array) -> Array:
        """(N, C, H, W) -> (N, C, H, W)."""
        _check_floats("RandomAffine", images)
        signed = 2 * uniforms - 1  # (N, 5), in [−1, 1)
        low, high = self.scale
        inverse = 1 / (low + uniforms[:, 4] * (high - low))
        angle = np.radians(self.degrees) * signed[:, 0]
        slope = np.tan(np.radians(self.shear) * signed[:, 1])
        cos, sin = np.cos(angle) * inverse, np.sin(angle) * inverse
        shift = signed[:, 2:4] * self.translate * images.shape[2:]
        # From an output pixel back to where it came from: shear · rotation / scale.
        matrix = np.array([[cos, -sin], [sin + slope * cos, cos - slope * sin]])  # (2, 2, N)
        return affine(images, matrix.transpose(2, 0, 1), shift)


def affine(images: Array, matrix: Array, shift: Array) -> Array:
    """Sample images where each output pixel came from: y[p] = x[matrix · (p − centre − shift) + centre].

    Parameters
    ----------
    images
        (N, C, H, W); 0 outside.
    matrix
        (N, 2, 2), for vectors (down, across).
    shift
        (N, 2), in pixels.

    Returns
    -------
    array
        (N, C, H, W), interpolated linearly between the four nearest pixels.
    """
    N, C, H, W = images.shape
    centre = (np.array([H, W]) - 1) / 2
    grid = np.stack(np.meshgrid(np.arange(H), np.arange(W), indexing="ij")).reshape(2, -1) - centre[:, None]
    source = matrix @ (grid - shift[:, :, None]) + centre[:, None]  # (N, 2, H·W)
    # A border of one zero pixel stands for all that lies outside.
    bordered = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1))).reshape(N, C, -1)
    source = np.clip(source + 1, 0, np.array([[H + 1], [W + 1]]))
    corner = np.minimum(source.astype(np.intp), np.array([[H], [W]]))
    down, across = np.moveaxis((source - corner).astype(images.dtype), 1, 0)[:, :, None]  # each (N, 1, H·W)
    first = (corner[:, 0] * (W + 2) + corner[:, 1])[:, None]  # (N, 1, H·W)

    def pixel(offset: int) -> Array:
        return np.take_along_axis(bordered, first + offset, axis=2)

    upper = pixel(0) * (1 - across) + pixel(1) * across
    lower = pixel(W + 2) * (1 - across) + pixel(W + 3) * across
    return (upper * (1 - down) + lower * down).reshape(images.shape)


def _check_shape(name: str, images: Array) -> None:
    if images.ndim != 4:
        raise ValueError(
            f"{name} expected images (N, C, H, W), got {images.shape}: ToFloat gives grey ones their axis of channels"
        )


def _check_floats(name: str, images: Array) -> None:
    _check_shape(name, images)
    if images.dtype.kind != "f":
        raise TypeError(f"{name} expected float32 or float64, got {images.dtype}: ToFloat comes first")
