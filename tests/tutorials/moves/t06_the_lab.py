"""Where the controls of tutorial 6 are moved to, and what NumPy says the page must show then."""

import numpy as np

from tests.tutorials.move import Move


def _rms(channels: int) -> float:
    """Of 3x3 sums over all channels, written as one einsum over shifted images, in float64."""
    rng = np.random.default_rng(1)
    x, w = (
        rng.standard_normal(shape).astype(np.float32).astype(float)
        for shape in ((channels, 16, 16), (8, channels, 3, 3))
    )
    shifted = np.stack([[x[:, r : r + 14, s : s + 14] for s in range(3)] for r in range(3)])
    return float(np.sqrt((np.einsum("rschw,kcrs->khw", shifted, w) ** 2).mean()))


CONV3 = 13 * 13 * 384 * 256 * 9
CONV1 = 55 * 55 * 96 * 3 * 121

MOVES = (
    Move(
        "layer",
        "AlexNet conv3",
        {"multiply_adds": CONV3, "winograd_products": 16 * 36 * 256 * 384, "fft_products": 4 * 15 * 8 * 256 * 384},
    ),
    Move(
        "layer",
        "AlexNet conv1",
        {
            "multiply_adds": CONV1,
            "winograd_products": "cannot run it",
            "column_megabytes": 4e-6 * 363 * 55 * 55,
            "least_megabytes": 4e-6 * (3 * 227**2 + 96 * 363 + 96 * 55**2),
        },
    ),
    Move(
        "images",
        64,
        {
            "multiply_adds": 64 * CONV1,
            "intensity": 128 * CONV1 / (4 * (64 * 3 * 227**2 + 96 * 363 + 64 * 96 * 55**2)),
        },
    ),
    Move("channels", 8, {"measured_multiply_adds": 28 * 28 * 8 * 8 * 9}),
    Move("height", 8, {"measured_multiply_adds": 8 * 8 * 8 * 8 * 9, "rounds": 3}),
    Move("longer", True, {"measured_multiply_adds": 4 * 8 * 8 * 8 * 8 * 9, "rounds": 25}),
    Move("summed", 3, {"rms": _rms(3)}),
)
