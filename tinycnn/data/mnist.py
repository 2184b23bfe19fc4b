"""MNIST and Fashion-MNIST: 70,000 grey images of 28x28 each, in the same four files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinycnn.arrays import Array
from tinycnn.data.fetch import PublishedFile, data_directory, obtain
from tinycnn.data.idx import parse_idx

PREFIXES = {"train": "train", "test": "t10k"}

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_FILES = {
    "train-images": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}

FASHION_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)
FASHION_FILES = {  # of the unpacked files only MD5 sums are published
    "train-images": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "md5:f4a8712d7a061bf5bd6d2ca38dc4d50a",
    ),
    "train-labels": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "md5:9018921c3c673c538a1fc5bad174d6f9",
    ),
    "t10k-images": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "md5:8181f5470baa50b63fa0f6fddb340f0a",
    ),
    "t10k-labels": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "md5:15d484375f8d13e6eb1aabb0c3f46965",
    ),
}


def mnist(split: str = "train") -> tuple[Array, Array]:
    """Read MNIST, from ``mnist/`` of the data directory; what is missing there is fetched first.

    Parameters
    ----------
    split
        ``"train"`` (60,000 images) or ``"test"`` (10,000).

    Returns
    -------
    tuple of array
        Images uint8 (N, 28, 28), ink 255 on 0, and labels uint8 (N,).

    Raises
    ------
    ValueError
        For another split, or a file that is damaged or is not MNIST's.
    OSError
        When a file is missing and no mirror gave it.
    ModuleNotFoundError
        When a file is missing and pooch, which fetches it, is not installed.

    Notes
    -----
    LeCun, Bottou, Bengio, Haffner (1998), Gradient-Based Learning Applied to Document Recognition, section III-A.
    """
    return _read("mnist", split, MNIST_FILES, MNIST_MIRRORS)


def fashion_mnist(split: str = "train") -> tuple[Array, Array]:
    """Read Fashion-MNIST, from ``fashion-mnist/`` of the data directory; what is missing there is fetched first.

    Parameters
    ----------
    split
        ``"train"`` (60,000 images) or ``"test"`` (10,000).

    Returns
    -------
    tuple of array
        Images uint8 (N, 28, 28), clothes bright on 0, and labels uint8 (N,), from 0 for T-shirts to 9 for ankle boots.

    Raises
    ------
    ValueError, OSError, ModuleNotFoundError
        As for `mnist`.

    Notes
    -----
    Xiao, Rasul, Vollgraf (2017), Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms.
    """
    return _read("fashion-mnist", split, FASHION_FILES, FASHION_MIRRORS)


def _read(name: str, split: str, files: Mapping[str, tuple[str, str]], mirrors: Sequence[str]) -> tuple[Array, Array]:
    if split not in PREFIXES:
        raise ValueError(f'{name}: split must be "train" or "test", got {split!r}')
    arrays = []
    for kind, suffix in (("images", "idx3-ubyte.gz"), ("labels", "idx1-ubyte.gz")):
        part = f"{PREFIXES[split]}-{kind}"
        sha256, content = files[part]
        file = PublishedFile(f"{part}-{suffix}", f"sha256:{sha256}", content)
        arrays.append(parse_idx(*obtain(data_directory() / name, file, mirrors)))
    images, labels = arrays
    return images, labels
