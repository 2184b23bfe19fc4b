"""A small record of every operation that can be stepped through, forward and backward."""

from functools import cache

import numpy as np

import tinycnn as tc
import tinycnn.functional as F
from tests.cases import normal
from tinycnn.functional.activation import LeakyReLU, ReLU, Sigmoid, Tanh
from tinycnn.functional.convolution import Conv2d, ConvTranspose2d
from tinycnn.functional.dropout import Dropout
from tinycnn.functional.linear import Linear
from tinycnn.functional.loss import CrossEntropy
from tinycnn.functional.normalization import LocalResponseNorm
from tinycnn.functional.pooling import AvgPool2d, MaxPool2d
from tinycnn.inspect.trace.lessons import LESSONS
from tinycnn.inspect.trace.lessons.optimizer import sgd
from tinycnn.inspect.trace.record import made_record, run_lesson

IMAGE = (1, 1, 5, 4)


def conv2d(algorithm):
    return lambda: tc.trace(
        lambda x, w, b: F.conv2d(x, w, b, padding=1, algorithm=algorithm),
        *(normal(1, 1, 1, 4, 3), normal(2, 2, 1, 3, 3), normal(3, 2)),
    )


def of(fn, *shapes):
    """What traces a function on arrays of these shapes."""
    return lambda: tc.trace(fn, *(normal(seed, *shape) for seed, shape in enumerate(shapes, 1)))


MAKERS = {
    Conv2d: [conv2d("direct"), conv2d("im2col"), conv2d("winograd")],
    ConvTranspose2d: [of(lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2), (1, 2, 3, 2), (2, 1, 3, 2), (1,))],
    MaxPool2d: [of(lambda x: F.max_pool2d(x, 3, 2, padding=1), IMAGE)],
    AvgPool2d: [of(lambda x: F.avg_pool2d(x, 3, 2, padding=1), IMAGE)],
    ReLU: [of(F.relu, (2, 3))],
    LeakyReLU: [of(F.leaky_relu, (2, 3))],
    Tanh: [of(F.tanh, (2, 3))],
    Sigmoid: [of(F.sigmoid, (2, 3))],
    Dropout: [of(F.dropout, (2, 3))],
    LocalResponseNorm: [of(lambda x: F.local_response_norm(x, 4, alpha=1.0), (1, 5, 2, 1))],
    CrossEntropy: [of(lambda x: F.cross_entropy(x, np.array([2, 0]), reduction="none"), (2, 3))],
    Linear: [of(F.linear, (2, 3), (4, 3), (4,))],
}
"""By the Function that has a lesson; an operation with several algorithms has a record of each."""


def _sgd():
    weights = (normal(seed, 2, 3) for seed in (1, 2, 3))
    lesson = sgd(*weights, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    return made_record("sgd", [run_lesson(lesson)])


@cache
def every_record():
    """One of each, by the operation's name."""
    records = [make().record for function in LESSONS for make in MAKERS[function]] + [_sgd()]
    return {record["operations"][0]["operation"]: record for record in records}
