"""Where the controls of tutorial 10 are moved to, and what NumPy says the page must show then."""

from collections.abc import Callable

import numpy as np

import tinycnn as tc
from tests.tutorials.move import Move

EXAMPLE = np.array([[29.0, 15, 28, 184], [0, 100, 70, 38], [12, 12, 7, 2], [12, 12, 45, 6]])


def _corners(reduce: Callable[[np.ndarray], float]) -> dict[str, float]:
    names = ("upper_left", "upper_right", "lower_left", "lower_right")
    corners = (EXAMPLE[p : p + 2, q : q + 2] for p in (0, 2) for q in (0, 2))
    return {name: float(reduce(corner)) for name, corner in zip(names, corners, strict=True)}


def _digit(size: int, stride: int) -> dict[str, float]:
    digit = tc.data.digits("test")[0][3].repeat(3, axis=0).repeat(3, axis=1) / 16
    places = range(0, 25 - size, stride)
    windows = np.array([digit[p : p + size, q : q + size] for p in places for q in places])
    return {
        "rows": len(places),
        "kept": 100 * len(places) ** 2 / 576,
        "mean_of_max": windows.max(axis=(1, 2)).mean(),
        "mean_of_average": windows.mean(),
        "mean_of_min": windows.min(axis=(1, 2)).mean(),
    }


def _won(size: int, stride: int, overwrite: bool) -> dict[str, float]:
    """All numbers differ, so each winner can be told by its value."""
    image = np.random.default_rng(10).permutation(np.arange(81.0)).reshape(9, 9)
    places = range(0, 10 - size, stride)
    winners = [image[p : p + size, q : q + size].max() for p in places for q in places]
    _, counts = np.unique(winners, return_counts=True)
    return {
        "windows": len(winners),
        "arrived": len(counts) if overwrite else len(winners),
        "winners": len(counts),
        "most_won": counts.max(),
    }


def _trained(rate: float, slope: float) -> dict[str, float]:
    """The network of the tutorial with its gradients written out."""
    (images, labels), (unseen, answers) = (tc.data.digits(split) for split in ("train", "test"))
    x, targets, unseen = images[:500].reshape(-1, 64) / 16, np.eye(10)[labels[:500]], unseen.reshape(-1, 64) / 16
    rng = np.random.default_rng(0)
    w, b, v, c = rng.normal(0, 0.2, (64, 32)), np.zeros(32), rng.normal(0, 0.2, (32, 10)), np.zeros(10)
    below = []
    for step in range(50):
        before = x @ w + b
        below.append(int((before.max(axis=0) <= 0).sum()))
        slopes = np.where(before > 0, 1, slope)
        scores = (slopes * before) @ v + c
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        d_scores = (p / p.sum(axis=1, keepdims=True) - targets) / len(x)
        d_before = d_scores @ v.T * slopes
        gradients = x.T @ d_before, d_before.sum(axis=0), (slopes * before).T @ d_scores, d_scores.sum(axis=0)
        for array, gradient in zip((w, b, v, c), gradients, strict=True):
            array -= (rate if step < 2 else 0.3) * gradient
    hidden = unseen @ w + b
    chosen = (np.where(hidden > 0, 1, slope) * hidden @ v + c).argmax(axis=1)
    return {
        "before": below[0],
        "after": below[2],
        "at_end": below[-1],
        "accuracy": 100 * float((chosen == answers).mean()),
    }


MOVES = (
    Move("kind", "average", _corners(np.mean)),
    Move("kind", "min", _corners(np.min)),
    Move("kind", "L2", _corners(lambda corner: np.sqrt(np.square(corner).sum()))),
    Move("size", 3, _digit(3, 2)),
    Move("stride", 3, _digit(3, 3)),
    Move("windows", "3 × 3, stride 1", _won(3, 1, False)),
    Move("overwrite", True, _won(3, 1, True)),
    Move("windows", "2 × 2, stride 2", _won(2, 2, True)),
    Move("brightness", -2, {"corner_zeros": 0, "corner_infinity": -2, "corner_engine": -2}),
    Move("brightness", 4, {"corner_zeros": 4, "corner_infinity": 4, "corner_engine": 4}),
    Move("network", "VGG", {"flat_weights": 512 * 7 * 7 * 4096, "averaged_weights": 512 * 4096}),
    Move("rate", "5", _trained(5, 0.0)),
    Move("leaky", True, _trained(5, 0.1)),
)
