"""Where the controls of tutorial 1 are moved to, and what NumPy says the page must show then."""

import numpy as np

import tinycnn as tc
from tests.tutorials.move import Move

photo, flower = (tc.data.photograph(name).astype(np.int64) for name in ("china", "flower"))
RED, GREEN, BLUE = photo
MEAN = (RED + GREEN + BLUE) / 3
BRIGHT = (299 * RED + 587 * GREEN + 114 * BLUE) / 1000
STILL, MOVED = BRIGHT[20:220, 100:360], BRIGHT[20:220, 125:385]
SUM = photo + 100
CHANNEL_MEANS = [(photo[c].mean() + flower[c].mean()) / 2 for c in range(3)]
A, B = (
    np.concatenate([picture[c].ravel() - mean for c, mean in enumerate(CHANNEL_MEANS)]) / 255
    for picture in (photo, flower)
)

MOVES = (
    Move("row", 300, {"red": RED[300, 176], "green": GREEN[300, 176], "blue": BLUE[300, 176]}),
    Move("column", 500, {"red": RED[300, 500], "green": GREEN[300, 500], "blue": BLUE[300, 500]}),
    Move(
        "channel",
        "blue",
        {
            "chosen": BLUE[300, 500],
            "place_chw": 2 * 427 * 640 + 300 * 640 + 500,
            "place_hwc": 3 * (300 * 640 + 500) + 2,
            "value": BLUE[300, 500],
        },
    ),
    Move("recipe", "the mean", {"grey_here": MEAN[300, 500], "grey_mean": MEAN.mean()}),
    Move(
        "brighter",
        100,
        {
            "wrapped": 100 * (SUM > 255).mean(),
            "mean_wrapped": np.where(SUM > 255, SUM - 256, SUM).mean(),
            "mean_clipped": np.minimum(SUM, 255).mean(),
        },
    ),
    Move(
        "prepared",
        "and the mean subtracted",
        {
            "least": min(A.min(), B.min()),
            "largest": max(A.max(), B.max()),
            "cosine": A @ B / (np.linalg.norm(A) * np.linalg.norm(B)),
        },
    ),
    Move(
        "shift",
        25,
        {
            "distance": np.abs(MOVED - STILL).mean(),
            "mean_change": abs(MOVED.mean() - STILL.mean()),
            "found_column": 200 - 100 - 25,
            "found_least": 0,
        },
    ),
)
