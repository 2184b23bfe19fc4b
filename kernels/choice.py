"""Which convolution algorithm ``auto`` means: for each backend a table of rules, read from the top.

The first rule that is for the pass, holds for the geometry and names an algorithm that can run it is taken; the last
one of each table always holds. Beside each stands the measurement that made it. ``tinycnn bench conv`` measures again;
what ``tinycnn bench tune`` has found on your machine comes before the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tinycnn.geometry import ConvGeometry
from tinycnn.kernels import abreast, along, spread

FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHT = "forward", "backward_input", "backward_weight"
Refusals = Mapping[str, Callable[[ConvGeometry], str]]
EVERY_PASS = (FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHT)


class Rule(NamedTuple):
    """Take this algorithm in these passes where this holds, for it was measured."""

    algorithm: str
    passes: tuple[str, ...]
    holds: Callable[[ConvGeometry], bool]
    measured: str


def channels(g: ConvGeometry) -> int:
    """Of one group, on the side that has fewer."""
    return min(g.C, g.K) // g.groups


def outputs(g: ConvGeometry) -> int:
    """N·P·Q: of one channel, in all images."""
    return g.N * g.P * g.Q


def always(g: ConvGeometry) -> bool:
    """For the last rule."""
    return True


RULES: dict[str, tuple[Rule, ...]] = {
    "numpy": (
        Rule(
            "winograd",
            (FORWARD, BACKWARD_INPUT),
            lambda g: (g.R, g.S) == (3, 3) and channels(g) >= 128 and outputs(g) >= 3000,
            """
            Layers of LeNet-5, AlexNet and VGG, 4 images, one thread of BLAS, medians, against im2col: faster by 1.4 to
            2.1 here, on VGG's layers with 112, 56 and 28 rows. Elsewhere the transforms take what the products save:
            0.8 to 1.3 with 64 channels and 56 rows, 0.7 to 1.0 on AlexNet's 13 rows and VGG's 14, 0.2 to 0.7 on
            LeNet-5's, 0.8 to 1.3 with AlexNet's 5x5, and in backward_weight 0.6 to 1.1, or 0.15 to 0.3 on LeNet-5's
            layers and VGG's first.
            """,
        ),
        Rule(
            "im2col",
            EVERY_PASS,
            always,
            """
            The same layers. fft is slower than im2col on all, by 2 to 20 on LeNet-5's and by 4 to 40 on AlexNet's.
            direct, on eleven geometries (LeNet-5's, AlexNet's first, 1x1, depthwise, one channel, 1-D), is as slow or
            slower in 32 of 33 passes, by 5 in the median and by over 1000 where its einsum has many channels; faster,
            by 1.6, in the backward_input of one depthwise layer, though not of the other.
            """,
        ),
    ),
    "numba": (
        Rule(
            "winograd",
            EVERY_PASS,
            lambda g: channels(g) >= 48 and outputs(g) >= 196,
            """
            LeNet-5, 64 images, AlexNet, 16, and VGG-16, 4, two threads, medians, against im2col: faster by 1.3 to 2.3
            on all layers of AlexNet and VGG-16 that it can run but VGG-16's first, and in backward_weight by 0.95 to
            1.9; with the 1 to 6 channels of VGG-16's first and of LeNet-5's, 0.1 to 1.1. Of 1 to 3 images with 14 rows
            and 4 to 8 with 7, against im2col or direct: faster by 1.2 to 3.6 with 48 to 512 channels, but 0.9 in the
            forward pass of one with 64 (3x3, minima); of one with 7 rows and 512 channels by 1.0 to 1.9.
            """,
        ),
        Rule(
            "direct",
            (FORWARD,),
            abreast.forward,
            """
            64 and 128 images, two threads, medians, against im2col: faster by 1.6 to 1.8 on LeNet-5's third layer, 1.6
            with a stride of 2, 1.9 on images of 7 rows with 32 channels, 3.2 by channel, 1.1 with 1x1 kernels and on
            images of 16 rows with 32 to 64 channels.
            """,
        ),
        Rule(
            "direct",
            (BACKWARD_INPUT,),
            abreast.backward_input,
            """
            The same: faster by 2.1 on LeNet-5's third layer, 3.9 on images of 7 rows, 6 by channel, 1.3 with 1x1
            kernels and on images of 16 rows.
            """,
        ),
        Rule(
            "direct",
            (BACKWARD_WEIGHT,),
            abreast.backward_weight,
            """
            The same: faster by 1.5 to 1.7 on LeNet-5's first and third layer, 1.5 to 1.8 on images of 28 rows with 1 to
            16 channels, 1.6 on those of 7 rows, 5.3 by channel, 1.15 on the first layer of a VGG for 32 rows, and as
            fast within 6 % with 1x1 kernels and on images of 16 rows with 32 to 64 channels.
            """,
        ),
        Rule(
            "direct",
            (FORWARD,),
            spread.forward,
            """
            Two threads, against im2col: faster by 1.15 on AlexNet's first layer, and by 1.04 to 1.45 on 12 others of 3
            to 512 channels, 1x1 to 7x7, stride 1 and 2.
            """,
        ),
        Rule(
            "direct",
            (BACKWARD_WEIGHT,),
            along.backward_weight,
            """
            Two threads, minima, against im2col: faster by 1.35 on VGG-16's first layer, by 1.2 to 1.55 on ten others of
            3 to 24 channels, 1.2 and 2.5 with 1x1 kernels, 2.5 from one channel to one, 3.6 by channel.
            """,
        ),
        Rule(
            "direct",
            (BACKWARD_WEIGHT,),
            spread.backward_weight,
            """
            The same: faster by 1.1 on AlexNet's first layer, by 1.0 to 1.35 on VGG-16's first, and by 1.05 to 1.35 on 8
            others; with 1x1 kernels 1.0 to 1.05. With more weights, of 256 channels and more, 0.6 to 0.95.
            """,
        ),
        Rule(
            "direct",
            (FORWARD, BACKWARD_INPUT),
            lambda g: channels(g) < 32 and g.stride == (1, 1) and g.Q >= 8,
            """
            The same and one thread, 64 images, against im2col: faster by 1.1 to 1.5 on LeNet-5's first two layers. On
            layers with more channels as fast within 10 %; in backward_input with a stride of 4, AlexNet's first, 0.3 to
            0.9.
            """,
        ),
        Rule(
            "direct",
            (BACKWARD_INPUT,),
            lambda g: channels(g) <= 128 and g.stride == (1, 1),
            """
            The grid of tinycnn bench conv crossover, one image, two threads, against im2col: faster by 1.1 to 3.1 on
            images of 7 and 14 rows with kernels of 3x3 to 7x7 and 2 to 128 channels, by 1.1 to 1.4 with 32 to 128
            channels on larger ones; with 256 channels 0.7 to 1.1. With 1x1 kernels 0.9 to 1.3.
            """,
        ),
        Rule(
            "im2col",
            EVERY_PASS,
            always,
            """
            What is left: in backward_weight, of more weights than a cache holds, faster than direct by 1.05 to 1.6;
            of fewer than 16 output channels by 0.8 to 1.4 (one thread).
            """,
        ),
    ),
    "cupy": (
        Rule(
            "implicit_gemm",
            EVERY_PASS,
            always,
            """
            Not measured, as no GPU was at hand. It takes every geometry, and no memory but its result's.
            """,
        ),
    ),
}  # fmt: skip


def choose(backend: str, refusals: Refusals, phase: str, geometry: ConvGeometry) -> str:
    """The algorithm of the first rule that applies; ``refusals`` says, by algorithm, why one cannot run a geometry."""
    for rule in RULES[backend]:
        refusal = refusals.get(rule.algorithm)
        if phase in rule.passes and rule.holds(geometry) and not (refusal and refusal(geometry)):
            return rule.algorithm
    raise LookupError(f"no rule of {backend} is for {phase} of {geometry}")
