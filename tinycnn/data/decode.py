"""Image files become arrays, by Pillow; what is none is refused in one sentence that names it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tinycnn.arrays import Array
from tinycnn.optional import require

if TYPE_CHECKING:
    from PIL.Image import Image

# Common ones that Pillow decodes by itself: for EPS it would start another program, and TGA has no mark to know it by.
FORMATS = ("PNG", "JPEG", "MPO", "TIFF", "GIF", "WEBP", "BMP", "PPM", "ICO", "JPEG2000", "AVIF")


def decode(path: Path, file: BinaryIO, pixels_of: Callable[[Image], Array]) -> Array:
    """The pixels of an image file, turned upright as its EXIF note says.

    Parameters
    ----------
    path
        What the file is called in messages.
    file
        It, opened.
    pixels_of
        Takes an image of Pillow's in whatever mode it is stored, and gives the array.

    Raises
    ------
    ValueError
        When it is no image, is damaged or too large.
    ModuleNotFoundError
        When Pillow is not installed.
    """
    Image, ImageOps = require("PIL.Image", "images"), require("PIL.ImageOps", "images")
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata: what counts is the pixels
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(file, formats=formats) as image:
                image.load()
                return pixels_of(ImageOps.exif_transpose(image))
        except Image.UnidentifiedImageError:
            expected = "PNG, JPEG, TIFF, GIF, WebP or BMP"
            raise ValueError(f"{path} is no image that can be read here, expected {expected}: save it as PNG") from None
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            limit = f"{Image.MAX_IMAGE_PIXELS:,}"
            raise ValueError(f"{path} has more than {limit} pixels: make it smaller, 1000 x 1000 are plenty") from None
        except MemoryError:
            raise
        except Exception as error:  # on damaged files Pillow's decoders raise whatever they stumble over
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(
                f"{path} cannot be decoded ({reason}): damaged or cut short? Save it anew as PNG"
            ) from None


def in_colour(image: Image) -> Image:
    """Red, green and blue of 8 bits each; transparent parts show white paper.

    Raises
    ------
    ValueError
        For pixels of more bits, whose range the file does not tell.
    """
    from PIL import Image as Images

    if image.mode.startswith(("I", "F")):
        raise ValueError(f"its pixels are of mode {image.mode}, expected 8 bits for each colour")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Images.alpha_composite(Images.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def channels_first(image: Image) -> Array:
    """The pixels of a coloured image: uint8 (H, W, 3) -> (3, H, W)."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
