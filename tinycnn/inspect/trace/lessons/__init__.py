"""A lesson for each Function that can be stepped through."""

from __future__ import annotations

from collections.abc import Callable

from tinycnn.function import Function
from tinycnn.functional.activation import LeakyReLU, ReLU, Sigmoid, Tanh
from tinycnn.functional.convolution import Conv2d, ConvTranspose2d
from tinycnn.functional.dropout import Dropout
from tinycnn.functional.linear import Linear
from tinycnn.functional.loss import CrossEntropy
from tinycnn.functional.normalization import LocalResponseNorm
from tinycnn.functional.pooling import AvgPool2d, MaxPool2d
from tinycnn.inspect.trace.lesson import Calls, Lesson
from tinycnn.inspect.trace.lessons import (
    activation,
    convolution,
    convolution_transposed,
    dropout,
    linear,
    loss,
    normalization,
    pooling,
)

LESSONS: dict[type[Function], Callable[[Calls], Lesson]] = {
    Conv2d: convolution.conv2d,
    ConvTranspose2d: convolution_transposed.conv_transpose2d,
    MaxPool2d: pooling.max_pool2d,
    AvgPool2d: pooling.avg_pool2d,
    ReLU: activation.relu,
    LeakyReLU: activation.leaky_relu,
    Tanh: activation.tanh,
    Sigmoid: activation.sigmoid,
    Dropout: dropout.dropout,
    LocalResponseNorm: normalization.local_response_norm,
    CrossEntropy: loss.cross_entropy,
    Linear: linear.linear,
}
"""How to make the lesson of a node."""
