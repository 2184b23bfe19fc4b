"""Small examples of the operations that can be stepped through, with numbers that are easy to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.arrays import Array
from tinycnn.choices import look_up
from tinycnn.inspect.trace import TooLargeError, Trace, trace
from tinycnn.inspect.trace.record import made_record, run_lesson
from tinycnn.inspect.trace.recorder import LIMIT
from tinycnn.random import manual_seed

ALGORITHMS = ("direct", "im2col", "winograd")


class Given:
    """What was asked for: options by name, as far as they were given, and numbers drawn from the seed.

    Parameters
    ----------
    name
        Of the operation.
    options
        Those that were given.
    seed
        Of all numbers.
    backward
        Whether to walk back.
    """

    def __init__(self, name: str, options: Mapping[str, Any], seed: int, backward: bool):
        self.name, self.options, self.backward = name, options, backward
        self.rng = np.random.default_rng(seed)

    def get(self, option: str, default: Any) -> Any:
        """An option, or what it is where it was not given; one size alone as a number."""
        value = self.options.get(option, default)
        return value[0] if isinstance(value, tuple) and len(value) == 1 else value

    def pair(self, option: str, default: int) -> tuple[int, int]:
        """An option of two sizes, of which one alone stands for both."""
        value = self.get(option, default)
        value = (value, value) if isinstance(value, int) else value
        if len(value) != 2 or min(value) < 1:
            raise ValueError(f"--{option} is one size or two, such as 3 or 3x2, got {_word(value)}")
        return int(value[0]), int(value[1])

    def count(self, option: str, default: int) -> int:
        """An option that counts something."""
        value = int(self.get(option, default))
        if value < 1:
            raise ValueError(f"--{option} must be at least 1, got {value}")
        return value

    def padding(self) -> Any:
        """The option of operations that take sizes alone, no words."""
        value = self.get("padding", 0)
        if isinstance(value, str):
            raise ValueError(f"--padding of {self.name} is one size, two or four, got {value!r}: words are for conv2d")
        return value

    def images(self, default: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the input: (N, C, H, W), of which N, or N and C, may have been left out."""
        shape = self._sizes(default)
        if not 2 <= len(shape) <= 4:
            raise ValueError(
                f"--input of {self.name} is 5x5 for one image of one channel, 2x5x5 for two channels, 1x2x5x5 for "
                f"all of (N, C, H, W), got {_word(shape)}"
            )
        return (1,) * (4 - len(shape)) + shape

    def rows(self, default: tuple[int, ...], axes: str) -> tuple[int, ...]:
        """Shape of an input of two axes, of which the first may have been left out."""
        shape = self._sizes(default)
        if not 1 <= len(shape) <= 2:
            raise ValueError(f"--input of {self.name} is {axes}, such as {_word(default)}, got {_word(shape)}")
        return (1,) * (2 - len(shape)) + shape

    def any(self, default: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of an input of any number of axes."""
        return self._sizes(default)

    def halves(self, shape: tuple[int, ...], most: int = 4) -> Array:
        """Halves of whole numbers, so that products and sums can be checked in the head."""
        self._require_small(shape)
        return self.rng.integers(-most, most + 1, shape) / 2

    def ordinary(self, shape: tuple[int, ...]) -> Array:
        """Numbers from −2 to 2 with two digits."""
        self._require_small(shape)
        return np.round(self.rng.uniform(-2, 2, shape), 2)

    def traced(self, fn: Callable[..., Any], *arrays: Array) -> Trace:
        """The trace of a function on these arrays."""
        return trace(fn, *arrays, backward=self.backward)

    def _sizes(self, default: tuple[int, ...]) -> tuple[int, ...]:
        shape = tuple(self.options.get("input", default))
        if min(shape) < 1:
            raise ValueError(f"--input takes sizes of at least 1, got {_word(shape)}")
        return shape

    def _require_small(self, shape: tuple[int, ...]) -> None:
        if prod(shape) > LIMIT:
            raise TooLargeError(f"{self.name} has an array of {prod(shape):,} numbers here, and {LIMIT:,} can be shown")


@dataclass(frozen=True)
class Example:
    """An operation and the options that it has.

    Parameters
    ----------
    make
        Its trace.
    options
        Names of options, those that make it larger first.
    """

    make: Callable[[Given], Trace]
    options: tuple[str, ...]


def example(name: str, options: Mapping[str, Any], seed: int = 0, backward: bool = False) -> Trace:
    """Trace a small example of an operation.

    Parameters
    ----------
    name
        Of the operation, one of `EXAMPLES` or `NICKNAMES`.
    options
        Sizes and hyper-parameters by name; tuples for sizes.
    seed
        Of the numbers.
    backward
        Also walk back.

    Raises
    ------
    ValueError
        For an unknown operation, an option that it does not have, and values that it does not take.
    TooLargeError
        When it takes more steps than can be shown.

    Examples
    --------
    >>> example("relu", {"input": (2, 2)})
    Trace of relu: 4 steps
    """
    known = {each: each for each in EXAMPLES} | NICKNAMES
    full, _, algorithm = look_up("operation", name.replace("-", "_"), known).partition(":")
    found = EXAMPLES[full]
    if algorithm:
        options = {"algorithm": algorithm, **options}
    for option in options:
        if option not in found.options:
            has = ", ".join(f"--{each}" for each in found.options) or "none of its own"
            raise ValueError(f"{full} has no option --{option}: it has {has}")
    manual_seed(seed)
    try:
        return found.make(Given(full, options, seed, backward))
    except TooLargeError as error:
        sizes = [f"--{each}" for each in found.options if each in ("input", "kernels", "kernel")]
        how_large, _, _ = str(error).partition(": make")
        raise TooLargeError(f"{how_large}: make {' or '.join(sizes)} smaller") from None


def _convolution(given: Given) -> Trace:
    groups = given.count("groups", 1)
    x, K = given.halves(given.images((1, 1, 5, 5))), given.count("kernels", groups)
    C = x.shape[1] // groups
    if x.shape[1] % groups or K % groups:
        raise ValueError(f"--groups {groups} must divide the {x.shape[1]} input channels and the {K} kernels")
    weight, bias = given.halves((K, C, *given.pair("kernel", 3)), 2), given.halves((K,), 2)
    algorithm = given.get("algorithm", "direct")
    look_up("algorithm", algorithm, {each: each for each in ALGORITHMS})
    options = {name: given.get(name, default) for name, default in _WINDOW.items()}
    options |= {"groups": groups, "algorithm": algorithm}
    return given.traced(lambda x, weight, bias: F.conv2d(x, weight, bias, **options), x, weight, bias)


def _transposed(given: Given) -> Trace:
    groups = given.count("groups", 1)
    x, K = given.halves(given.images((1, 1, 3, 3))), given.count("kernels", groups)
    if x.shape[1] % groups or K % groups:
        raise ValueError(f"--groups {groups} must divide the {x.shape[1]} input channels and the {K} kernels")
    weight = given.halves((x.shape[1], K // groups, *given.pair("kernel", 3)), 2)
    bias = given.halves((K,), 2)
    options = {name: given.get(name, default) for name, default in (_WINDOW | {"stride": 2}).items()}
    options |= {"padding": given.padding(), "groups": groups}
    return given.traced(lambda x, weight, bias: F.conv_transpose2d(x, weight, bias, **options), x, weight, bias)


def _pooling(given: Given) -> Trace:
    pool: Callable[..., Any] = getattr(F, given.name)
    kernel = given.pair("kernel", 3)
    options = {"stride": given.get("stride", 2), "padding": given.padding()}
    return given.traced(lambda x: pool(x, kernel, **options), given.halves(given.images((1, 1, 5, 5))))


def _entries(given: Given) -> Trace:
    draw = given.halves if given.name in ("relu", "leaky_relu") else given.ordinary
    return given.traced(getattr(F, given.name), draw(given.any((2, 3))))


def _dropout(given: Given) -> Trace:
    p = given.get("p", 0.5)
    if not 0 < p < 1:
        raise ValueError(f"--p is the probability of dropping, between 0 and 1, got {p}")
    return given.traced(lambda x: F.dropout(x, p), given.halves(given.any((2, 4))))


def _response_norm(given: Given) -> Trace:
    size, alpha, beta = given.count("size", 3), given.get("alpha", 1.0), given.get("beta", 0.75)
    x = given.ordinary(given.images((1, 4, 2, 2)))
    return given.traced(lambda x: F.local_response_norm(x, size, alpha, beta), x)


def _cross_entropy(given: Given) -> Trace:
    logits = given.ordinary(given.rows((2, 4), "images x classes"))
    targets = given.rng.integers(0, logits.shape[1], logits.shape[0])
    return given.traced(lambda logits: F.cross_entropy(logits, targets), logits)


def _linear(given: Given) -> Trace:
    x = given.halves(given.rows((2, 4), "images x features"))
    K = given.count("kernels", 3)
    return given.traced(F.linear, x, given.halves((K, x.shape[1]), 2), given.halves((K,), 2))


def _sgd(given: Given) -> Trace:
    from tinycnn.inspect.trace.lessons.optimizer import sgd

    shape = given.any((2, 3))
    parameter, grad, velocity = given.halves(shape), given.halves(shape), given.halves(shape, 2)
    lesson = sgd(parameter, grad, velocity, given.get("lr", 0.5), given.get("momentum", 0.5), False, 0.0)
    return Trace(made_record("sgd", [run_lesson(lesson)]))


def _graph(given: Given) -> Trace:
    a, b = given.rng.permutation([2.0, 3.0, 4.0])[:2]

    def shared(a: Any, b: Any) -> Any:
        c = a * b + a
        return F.relu(c) + c * b

    return trace(shared, np.array(a), np.array(b))


_WINDOW: dict[str, Any] = {"stride": 1, "padding": 0, "dilation": 1}
_CONVOLUTION = ("input", "kernel", "kernels", "stride", "padding", "dilation", "groups")

EXAMPLES = {
    "conv2d": Example(_convolution, (*_CONVOLUTION, "algorithm")),
    "conv_transpose2d": Example(_transposed, _CONVOLUTION),
    "max_pool2d": Example(_pooling, ("input", "kernel", "stride", "padding")),
    "avg_pool2d": Example(_pooling, ("input", "kernel", "stride", "padding")),
    **{name: Example(_entries, ("input",)) for name in ("relu", "leaky_relu", "tanh", "sigmoid")},
    "local_response_norm": Example(_response_norm, ("input", "size", "alpha", "beta")),
    "dropout": Example(_dropout, ("input", "p")),
    "cross_entropy": Example(_cross_entropy, ("input",)),
    "linear": Example(_linear, ("input", "kernels")),
    "sgd": Example(_sgd, ("input", "lr", "momentum")),
    "graph": Example(_graph, ()),
}
"""By name; ``graph`` is a function of several operations."""

NICKNAMES = {
    **dict.fromkeys(["conv", "convolution", "direct"], "conv2d"),
    "im2col": "conv2d:im2col",
    "winograd": "conv2d:winograd",
    **dict.fromkeys(["conv_transpose", "transposed", "deconv"], "conv_transpose2d"),
    **dict.fromkeys(["pool", "maxpool", "max_pool"], "max_pool2d"),
    **dict.fromkeys(["avgpool", "avg_pool"], "avg_pool2d"),
    "lrn": "local_response_norm",
    **dict.fromkeys(["softmax", "loss"], "cross_entropy"),
    **dict.fromkeys(["fc", "dense"], "linear"),
}
"""Other names of the examples, some with an algorithm."""


def _word(sizes: Any) -> str:
    return "x".join(map(str, sizes)) if isinstance(sizes, tuple) else str(sizes)
