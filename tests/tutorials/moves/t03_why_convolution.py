"""Where the controls of tutorial 3 are moved to, and what NumPy says the page must show then."""

import numpy as np

import tinycnn as tc
from tests.tutorials.move import Move

KNOWN, LABELS = tc.data.digits("train")
TESTED, TRUTH = tc.data.digits("test")
KNOWN, TESTED = KNOWN.astype(int), TESTED.astype(int)


def percent_right(tested, known, labels, k=1):
    right = 0
    for image, truth in zip(tested, TRUTH, strict=True):
        nearest = labels[np.argsort(((known - image) ** 2).sum(axis=(1, 2)), kind="stable")[:k]]
        right += np.bincount(nearest, minlength=10).argmax() == truth
    return 100 * right / len(TRUTH)


def pad(digits, *widths):
    return np.pad(digits, ((0, 0), *widths))


GROUND = pad(KNOWN, (4, 4), (4, 4))
MOVED = pad(TESTED, (2, 6), (6, 2))
CROPPED = MOVED.copy()
CROPPED[:, :4] = CROPPED[:, 12:] = CROPPED[..., :4] = CROPPED[..., 12:] = 0
DISTANCES = ((KNOWN - TESTED[100]) ** 2).sum(axis=(1, 2))

MOVES = (
    Move(
        "known",
        200,
        {"products": 12800, "stored": 12800, "neighbours_right": percent_right(TESTED, KNOWN[:200], LABELS[:200])},
    ),
    Move("k", 5, {"neighbours_right": percent_right(TESTED, KNOWN[:200], LABELS[:200], k=5)}),
    Move(
        "chosen",
        100,
        {
            "truth": TRUTH[100],
            "nearest_label": LABELS[DISTANCES.argmin()],
            "nearest_distance": np.sqrt(DISTANCES.min()),
        },
    ),
    Move("side", 32, {"first_layer": 1024 * 1024, "large_weights": 1024**2 + 1024 * 2048 + 2048 * 4096 + 4096000}),
    Move("hidden", 512, {"first_layer": 1024 * 512, "large_weights": 512 * (1024 + 2048) + 2048 * 4096 + 4096000}),
    Move("right", 2, {"moved_neighbours": percent_right(pad(TESTED, (4, 4), (6, 2)), GROUND, LABELS)}),
    Move("down", -2, {"moved_neighbours": percent_right(MOVED, GROUND, LABELS)}),
    Move("cropped", True, {"moved_neighbours": percent_right(CROPPED, GROUND, LABELS)}),
    Move("teach", True, {"taught_epochs": 10}),
    Move(
        "kernel",
        5,
        {"forgetful": 25 * 896 + 1024000, "honest": 25 * (128 + 128 * 256 + 256 * 512) + 1024000},
    ),
    Move(
        "colour",
        True,
        {
            "honest": 25 * (3 * 128 + 128 * 256 + 256 * 512) + 1024000,
            "full": 3 * 224**2 * 1024 + 1024 * 2048 + 2048 * 4096 + 4096000,
        },
    ),
)
