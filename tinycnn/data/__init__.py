"""Data sets, transforms, and the loader that makes batches of them."""

from tinycnn.data.cifar10 import cifar10
from tinycnn.data.digits import digits
from tinycnn.data.fetch import data_directory
from tinycnn.data.idx import read_idx
from tinycnn.data.image_folder import image_folder
from tinycnn.data.loader import DataLoader
from tinycnn.data.mnist import fashion_mnist, mnist
from tinycnn.data.photo import read_photo
from tinycnn.data.photograph import photograph
from tinycnn.data.sets import DATA_SETS, DataSet
from tinycnn.data.transforms import (
    ColourToGrey,
    Compose,
    GreyToColour,
    Normalize,
    Pad,
    RandomAffine,
    RandomHorizontalFlip,
    RandomShift,
    Resize,
    ToFloat,
    Transform,
)

__all__ = [
    "DATA_SETS",
    "ColourToGrey",
    "Compose",
    "DataLoader",
    "DataSet",
    "GreyToColour",
    "Normalize",
    "Pad",
    "RandomAffine",
    "RandomHorizontalFlip",
    "RandomShift",
    "Resize",
    "ToFloat",
    "Transform",
    "cifar10",
    "data_directory",
    "digits",
    "fashion_mnist",
    "image_folder",
    "mnist",
    "photograph",
    "read_idx",
    "read_photo",
]
