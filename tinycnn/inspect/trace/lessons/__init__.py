"""A lesson for each Function that can be stepped through."""

from __future__ import annotations

from collections.abc import Callable

from tinycnn.function import Function
from tinycnn.functional.activation import ReLU
from tinycnn.functional.convolution import Conv2d, ConvTranspose2d
from tinycnn.inspect.trace.lesson import Calls, Lesson
from tinycnn.inspect.trace.lessons import activation, convolution, convolution_transposed

LESSONS: dict[type[Function], Callable[[Calls], Lesson]] = {
    Conv2d: convolution.conv2d,
    ConvTranspose2d: convolution_transposed.conv_transpose2d,
    ReLU: activation.relu,
}
"""How to make the lesson of a node."""
