"""The bundled photographs: two pictures to look at, blur and take apart, without a download."""

from __future__ import annotations

from pathlib import Path

from tinycnn.arrays import Array
from tinycnn.choices import look_up
from tinycnn.data.decode import channels_first, decode, in_colour

FILES = {"china": "china.jpg", "flower": "flower.jpg"}


def photograph(name: str) -> Array:
    """Read a photograph that comes with tinycnn.

    Parameters
    ----------
    name
        ``"china"``, a tower above a lake, or ``"flower"``, a dahlia before dark leaves.

    Returns
    -------
    array
        uint8 (3, 427, 640): red, green and blue.

    Raises
    ------
    ValueError
        For another name.
    ModuleNotFoundError
        When Pillow, which decodes it, is not installed.

    Notes
    -----
    Both are published under CC BY 2.0; ``photographs.md`` beside the files names who took them.

    Examples
    --------
    >>> import tinycnn as tc
    >>> picture = tc.data.photograph("china")
    >>> picture.shape, picture.dtype
    ((3, 427, 640), dtype('uint8'))
    >>> picture.transpose(1, 2, 0).shape  # as matplotlib takes it
    (427, 640, 3)
    """
    path = Path(__file__).with_name(look_up("photograph", name, FILES))
    with path.open("rb") as file:
        return decode(path, file, lambda image: channels_first(in_colour(image)))
