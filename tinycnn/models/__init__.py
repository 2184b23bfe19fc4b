"""Networks built from the pieces: LeNet-5, AlexNet, VGG."""

from tinycnn.models.alexnet import alexnet
from tinycnn.models.lenet import lenet5
from tinycnn.models.pretrained import pretrained_path
from tinycnn.models.registry import ARCHITECTURES, Architecture, architecture
from tinycnn.models.vgg import vgg11, vgg11_lrn, vgg13, vgg16, vgg16_1x1, vgg19, vgg_small

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "alexnet",
    "architecture",
    "lenet5",
    "pretrained_path",
    "vgg11",
    "vgg11_lrn",
    "vgg13",
    "vgg16",
    "vgg16_1x1",
    "vgg19",
    "vgg_small",
]
