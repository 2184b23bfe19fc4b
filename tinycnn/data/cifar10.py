"""CIFAR-10: 60,000 colour images of 32x32 in ten classes."""

from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np

from tinycnn.arrays import Array
from tinycnn.data.fetch import data_directory, download, has_digest
from tinycnn.data.image_folder import decoded, read_tree

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

ARCHIVE = "cifar-10-binary.tar.gz"
DIGEST = "md5:c32a1d4ab5d03f1284b67883e8d87530"  # the only one that is published
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
UNPACKED = "cifar-10-batches-bin"
BATCHES = {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)}
IMAGES, RECORD = 10_000, 1 + 3 * 32 * 32  # of a batch, and the bytes of each: its label, then red, green and blue

JPEG_ARCHIVE = "cifar10-train-jpeg.tar.gz"
OF_A_CLASS, HELD_OUT = 5_000, 500


def cifar10(split: str = "train") -> tuple[Array, Array]:
    """Read CIFAR-10, from ``cifar10/`` of the data directory; where nothing is there, it is fetched first (170 MB).

    What is there may be the binary version as published, ``cifar-10-binary.tar.gz``, or its unpacked folder
    ``cifar-10-batches-bin``; or ``cifar10-train-jpeg.tar.gz``, the 50,000 images of the training part as pictures,
    ``train/airplane/0000.jpg`` and so on. The published test part is not among those: of each class, the last 500
    images then are ``"test"``, and the 4,500 before them ``"train"``, so that accuracies are not those of the published
    split.

    Parameters
    ----------
    split
        ``"train"`` (50,000 images, or 45,000 of the pictures) or ``"test"`` (10,000, or 5,000).

    Returns
    -------
    tuple of array
        Images uint8 (N, 3, 32, 32), red, green and blue, and labels uint8 (N,), from 0 for airplanes to 9 for trucks.

    Raises
    ------
    ValueError
        For another split, or a file that is damaged or is not CIFAR-10's.
    OSError
        When nothing is there and no mirror gave it.
    ModuleNotFoundError
        When nothing is there and pooch, which fetches it, is not installed; for pictures, when Pillow is not.

    Notes
    -----
    Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images, chapter 3.
    """
    if split not in BATCHES:
        raise ValueError(f'cifar10: split must be "train" or "test", got {split!r}')
    folder = data_directory() / "cifar10"
    if (folder / UNPACKED).is_dir():
        return _joined(_unpacked(folder / UNPACKED, split))
    if (folder / JPEG_ARCHIVE).exists() and not (folder / ARCHIVE).exists():
        return _pictures(folder / JPEG_ARCHIVE, split)
    return _joined(_members(folder, split))


def _unpacked(folder: Path, split: str) -> dict[Path, bytes]:
    """The batches of a split, by where they lie."""
    try:
        return {folder / name: (folder / name).read_bytes() for name in BATCHES[split]}
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no {error.filename}: unpack {ARCHIVE} anew") from None


def _members(folder: Path, split: str) -> dict[Path, bytes]:
    """The batches of a split in the published archive, which is fetched where it is not there."""
    path = folder / ARCHIVE
    if not path.exists():
        download(folder, ARCHIVE, DIGEST, MIRRORS)
    raw = path.read_bytes()
    if not has_digest(raw, DIGEST):
        raise ValueError(
            f"{path} is not the {ARCHIVE} that was published (its checksum differs): delete it, and it is fetched again"
        )
    with tarfile.open(fileobj=BytesIO(raw)) as archive:
        files = {name: archive.extractfile(f"{UNPACKED}/{name}") for name in BATCHES[split]}
        return {path / name: file.read() for name, file in files.items() if file is not None}


def _joined(batches: dict[Path, bytes]) -> tuple[Array, Array]:
    records = []
    for path, raw in batches.items():
        if len(raw) != IMAGES * RECORD:
            raise ValueError(
                f"{path} has {len(raw)} bytes, expected {IMAGES} records of {RECORD}: unpack {ARCHIVE} anew"
            )
        records.append(np.frombuffer(raw, np.uint8).reshape(IMAGES, RECORD))
    labels, images = np.split(np.concatenate(records), [1], axis=1)
    if labels.max() >= len(CIFAR10_NAMES):
        raise ValueError(
            f"{', '.join(map(str, batches))} has a label {labels.max()}, expected 0 to 9: unpack {ARCHIVE} anew"
        )
    return np.ascontiguousarray(images).reshape(-1, 3, 32, 32), labels[:, 0].copy()


def _pictures(path: Path, split: str) -> tuple[Array, Array]:
    files = read_tree(path)
    expected = {
        PurePosixPath("train", name, f"{number:04}.jpg") for name in CIFAR10_NAMES for number in range(OF_A_CLASS)
    }
    if files.keys() != expected:
        raise ValueError(
            f"{path} is not CIFAR-10's training part, {OF_A_CLASS} pictures in each of {len(CIFAR10_NAMES)} folders: "
            "tinycnn.data.image_folder reads others"
        )
    chosen = (np.arange(len(files)) % OF_A_CLASS >= OF_A_CLASS - HELD_OUT) == (split == "test")
    labels = np.repeat(np.arange(len(CIFAR10_NAMES), dtype=np.uint8), OF_A_CLASS)
    kept = {place: content for (place, content), keep in zip(files.items(), chosen, strict=True) if keep}
    return decoded(path, kept), labels[chosen]
