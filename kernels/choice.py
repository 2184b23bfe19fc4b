"""Which convolution algorithm ``auto`` means: for each backend a table of rules, read from the top.

The first rule that is for the pass, holds for the geometry and names an algorithm that can run it is taken; the last
one of each table always holds. Beside each stands the measurement that made it. `tinycnn.benchmarks.convolution_layers`
measures again; what ``tinycnn bench tune`` has found on your machine comes before the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tinycnn.geometry import ConvGeometry

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
            (FORWARD,),
            lambda g: (g.R, g.S) == (3, 3) and channels(g) >= 64 and outputs(g) >= 784,
            """
            VGG-16, 1 image, one thread, medians of 5 on a busy machine, against the better of direct and im2col: faster
            by 1.2 to 1.8 with 224 to 28 rows; slower, 0.6, with 14. As fast on AlexNet's 13 rows, 4 images.
            """,
        ),
        Rule(
            "winograd",
            (BACKWARD_INPUT,),
            lambda g: (g.R, g.S) == (3, 3) and channels(g) >= 64 and outputs(g) >= 3000,
            """
            The same: 0.9 to 1.4 with 224 to 56 rows, 0.8 with 28, 0.3 with 14; 0.5 to 0.8 on AlexNet's.
            """,
        ),
        Rule(
            "winograd",
            (BACKWARD_WEIGHT,),
            lambda g: (g.R, g.S) == (3, 3) and channels(g) >= 128 and outputs(g) >= 784,
            """
            The same: 1.1 to 1.2 with 112 to 28 rows, and 0.6 with 14; with 64 channels 0.9 to 1.1; 0.6 to 0.7 on
            AlexNet's 13 rows.
            """,
        ),
        Rule(
            "direct",
            (FORWARD, BACKWARD_INPUT),
            lambda g: g.Q >= 8,
            """
            LeNet-5 and AlexNet, 4 images, and VGG-16, 1 image, as above, against im2col: forward 0.9 to 1.8 and
            backward_input 0.9 to 7.8, most where channels are few or the stride is large. Where an image has one
            output, LeNet-5's last convolution, it computes five times what is needed, and is slower by 5 to 18.
            """,
        ),
        Rule(
            "im2col",
            EVERY_PASS,
            always,
            """
            What is left. backward_weight, the same layers, against direct: 1.3 to 2.3 on LeNet-5's and the first
            layers of AlexNet and VGG, 0.7 on AlexNet's 5x5, 0.9 to 1.2 elsewhere.
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
