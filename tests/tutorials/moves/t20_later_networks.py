"""Where the controls of tutorial 20 are moved to, and what NumPy says the page must show then."""

from math import exp

import numpy as np

import tinycnn as tc
from tests.tutorials.move import Move


def _sizes(depth: int, scale: float) -> dict[str, float]:
    """The gradient at the first block, plain and with shortcuts, walked back by hand."""
    images, labels = tc.data.digits("train")
    rng = np.random.default_rng(20)
    weights, head = rng.normal(0, scale / 8, (depth, 64, 64)), rng.normal(0, 1 / 8, (64, 10))
    found = {}
    for name, shortcut in (("first_plain", 0), ("first_shortcuts", 1)):
        x, kept = images[:64].reshape(64, 64) / 16 - 0.3, []
        for w in weights:
            y = np.tanh(x @ w)
            kept.append(y)
            x = y + shortcut * x
        p = np.exp(x @ head)
        grad = (p / p.sum(axis=1, keepdims=True) - np.eye(10)[labels[:64]]) @ head.T / 64
        for w, y in zip(weights[::-1], kept[::-1], strict=True):
            grad = (grad * (1 - y**2)) @ w.T + shortcut * grad
        found[name] = float(np.sqrt((grad**2).mean()))
    return found


def _block(C: int, K: int, stride: int) -> dict[str, float | str]:
    shortcut = 0 if (C, stride) == (K, 1) else C * K + 2 * K
    return {
        "residual_channels": K,
        "residual_height": 8 // stride,
        "residual_parameters": 9 * C * K + 9 * K * K + 4 * K + shortcut,
        "shortcut_parameters": shortcut,
        "residual_verdict": "right",
    }


def _excited(red: int, blue: int) -> dict[str, float]:
    means = tc.data.photograph("flower")[:, ::2, ::2].mean(axis=(1, 2)) / 255
    scale_red, scale_blue = 1 / (1 + exp(-red)), 1 / (1 + exp(-blue))
    return {
        "mean_red": means[0],
        "scale_red": scale_red,
        "mean_red_after": means[0] * scale_red,
        "scale_blue": scale_blue,
        "mean_blue_after": means[2] * scale_blue,
    }


def _soft(temperature: float) -> dict[str, float]:
    e = [exp(score / temperature) for score in (9, 4, 3, -2)]
    return {"soft_7": e[0] / sum(e), "soft_1": e[1] / sum(e), "ratio": exp(6 / temperature)}


# GoogLeNet's module 3a: 163,696 parameters, of which the 3x3 convolution has 128 kernels of 96 channels and 128 biases.
_OTHERS = 163_696 - 128 * (96 * 9 + 1)

MOVES = (
    Move("depth", 10, _sizes(10, 0.5)),
    Move("scale", 1.2, _sizes(10, 1.2)),
    Move("slope", 0.5, {"product_plain": 0.5**30, "product_shortcuts": 1.5**30}),
    Move("blocks", 4, {"product_plain": 0.0625, "product_shortcuts": 5.0625}),
    Move("longer", True, {"steps": 300}),
    Move("channels_out", 8, _block(4, 8, 1)),
    Move("stride", 2, _block(4, 8, 2)),
    Move("width", 64, {"basic_weights": 73_728, "bottleneck_weights": 4352, "times_fewer": 73_728 / 4352}),
    Move("three", 64, {"inception_channels": 192, "inception_height": 28, "inception_parameters": _OTHERS + 64 * 865}),
    Move("reduced", 32, {"straight": 120_422_400, "with_reduction": 24_887_296, "part": 31_744 / 153_600}),
    Move("red", -1, _excited(-1, -2)),
    Move("blue", 3, _excited(-1, 3)),
    Move("detached", True, {"se_verdict": "wrong", "wrong_entries": 72}),
    Move("se_channels", "512", {"se_weights": 32_768, "convolution_weights": 9 * 512**2}),
    Move("temperature", 4, _soft(4)),
)
