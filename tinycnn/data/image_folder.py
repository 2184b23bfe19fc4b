"""Pictures in a folder for each class, as most collections come; also where the whole tree is packed in a tar file."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path, PurePath, PurePosixPath

import numpy as np

from tinycnn.arrays import Array
from tinycnn.data.decode import channels_first, decode, in_colour

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""How the names of pictures end, in small letters or capitals; all other files are passed over, and hidden ones too."""


def image_folder(path: str | Path) -> tuple[Array, Array, tuple[str, ...]]:
    """Read a tree of pictures whose folders are their classes: ``path/cat/1.jpg``, ``path/dog/1.jpg``.

    Parameters
    ----------
    path
        The folder that holds those of the classes, or one above it where nothing else lies; or a tar file of it,
        compressed or not, which is not unpacked to disk.

    Returns
    -------
    tuple
        Images uint8 (N, 3, H, W), labels int64 (N,), and the names of the classes, (names[label] is an image's own).
        Classes are in the order of their names, and so are the images of each. A grey picture has three equal
        channels; transparent parts are white.

    Raises
    ------
    OSError
        When there is no such folder or file, or it cannot be read.
    ValueError
        When there are no pictures, one is damaged, their sizes differ, or they are not in folders beside each other.
    ModuleNotFoundError
        When Pillow, which decodes them, is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> root = Path(tempfile.mkdtemp())
    >>> for colour in ("blue", "red"):
    ...     (root / colour).mkdir()
    ...     Image.new("RGB", (6, 4), colour).save(root / colour / "1.png")
    >>> images, labels, names = image_folder(root)
    >>> images.shape, labels, names
    ((2, 3, 4, 6), array([0, 1]), ('blue', 'red'))
    >>> images[1, :, 0, 0]
    array([255,   0,   0], dtype=uint8)
    """
    path = Path(path)
    files = read_tree(path)
    _require_classes(path, files)
    names = tuple(sorted({place.parent.name for place in files}))
    labels = np.array([names.index(place.parent.name) for place in files], np.int64)
    return decoded(path, files), labels, names


def read_tree(path: Path) -> dict[PurePosixPath, bytes]:
    """The pictures of a folder or a tar file, still encoded, by their place in it and in the order of that.

    Raises
    ------
    OSError
        When there is no such folder or file, or it cannot be read.
    ValueError
        When it is neither, or is damaged, or holds none.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no folder or file {path}, expected one with pictures in folders of classes")
    files = _of_folder(path) if path.is_dir() else _of_archive(path)
    if not files:
        raise ValueError(f"{path} holds no pictures: expected files such as cat/1.jpg, one folder for each class")
    return dict(sorted(files.items()))


def decoded(path: Path, files: Mapping[PurePosixPath, bytes]) -> Array:
    """The pixels of pictures, uint8 (N, 3, H, W).

    Raises
    ------
    ValueError
        Naming the one that is damaged, or of another size than the first.
    """
    images = np.empty(0)
    for index, (place, content) in enumerate(files.items()):
        image = decode(path / place, BytesIO(content), lambda image: channels_first(in_colour(image)))
        if index == 0:
            first, images = place, np.empty((len(files), *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            sizes = [f"{shape[-2]}x{shape[-1]}" for shape in (image.shape, images.shape)]
            raise ValueError(
                f"{path / place} is {sizes[0]} (height x width), and {first} is {sizes[1]}: bring all to one size first"
            )
        images[index] = image
    return images


def _of_folder(path: Path) -> dict[PurePosixPath, bytes]:
    places = [file.relative_to(path) for file in path.rglob("*") if file.is_file()]
    return {PurePosixPath(place): (path / place).read_bytes() for place in places if _is_picture(place)}


def _of_archive(path: Path) -> dict[PurePosixPath, bytes]:
    files = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                place = PurePosixPath(member.name)
                file = archive.extractfile(member) if member.isfile() and _is_picture(place) else None
                if file is not None:
                    files[place] = file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # it may not be read; what is damaged has no number
            raise
        raise ValueError(f"{path} is no folder and no tar file, or is a damaged one: pack it anew") from None
    return files


def _is_picture(place: PurePath) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in place.parts)
    return place.suffix.lower() in SUFFIXES and not hidden


def _require_classes(path: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    """Each picture must lie in a folder, and these folders beside each other."""
    first, *others = files
    if first.parent.name == "":
        raise ValueError(f"{path / first} lies in no folder of a class: move it to one, such as cat/{first.name}")
    for other in others:
        if other.parent.parent != first.parent.parent:
            raise ValueError(
                f"{path} has pictures at different depths, {first} and {other}: "
                "each must lie in the folder of its class, and these folders beside each other"
            )
