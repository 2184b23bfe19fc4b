"""Data sets, transforms, and the loader that makes batches of them."""

from tinycnn.data.digits import digits
from tinycnn.data.fetch import data_directory
from tinycnn.data.idx import read_idx
from tinycnn.data.loader import DataLoader
from tinycnn.data.mnist import fashion_mnist, mnist
from tinycnn.data.photo import read_photo
from tinycnn.data.sets import DATA_SETS, DataSet
from tinycnn.data.transforms import Compose, GreyToColour, Normalize, Pad, RandomAffine, Resize, ToFloat, Transform

__all__ = [
    "DATA_SETS",
    "Compose",
    "DataLoader",
    "DataSet",
    "GreyToColour",
    "Normalize",
    "Pad",
    "RandomAffine",
    "Resize",
    "ToFloat",
    "Transform",
    "data_directory",
    "digits",
    "fashion_mnist",
    "mnist",
    "read_idx",
    "read_photo",
]
