"""Where the controls of tutorial 17 are moved to, and what plain arithmetic says the page must show then."""

from itertools import pairwise

from tests.tutorials.move import Move

A = (3, 64, 128, 256, 256, 512, 512, 512, 512)  # channels: of the image, and of each convolution
SIZES = (224, 112, 56, 56, 28, 28, 14, 14)
FULL = 4096 * (25088 + 1) + 4096 * (4096 + 1) + 1000 * (4096 + 1)
CONVOLUTIONS = sum(K * (9 * C + 1) for C, K in pairwise(A))
WORK = sum(9 * C * K * H * H for C, K, H in zip(A, A[1:], SIZES, strict=False))

SMALL = (3, 24, 24, 48, 48, 96, 96, 96)
SMALL_PARAMETERS = [9 * C * K + 2 * K for C, K in pairwise(SMALL)]  # and batch normalisation's
DIGITS = 10 * (96 + 1)

MOVES = (
    Move("layers", 3, {"field": 7, "stack": 27 * 256**2, "single": 49 * 256**2, "saved": 100 * 22 / 49}),
    Move("channels", "64", {"field": 7, "stack": 27 * 64**2, "single": 49 * 64**2, "saved": 100 * 22 / 49}),
    Move("relu", True, {"relus": 1}),
    Move(
        "column",
        "A",
        {
            "weight_layers": 11,
            "parameters": CONVOLUTIONS + FULL,
            "multiply_adds": WORK + 4096 * 25088 + 4096 * 4096 + 1000 * 4096,
            "full_share": 100 * FULL / (CONVOLUTIONS + FULL),
        },
    ),
    Move("convolutions", 4, {"deep_parameters": (9 + 1) * 16 + 3 * (9 * 16 + 1) * 16 + 10 * (64 + 1)}),
    Move("frozen", 6, {"trained": SMALL_PARAMETERS[6] + DIGITS, "trainings": 2}),
    Move("rate", "0.05", {"trained": SMALL_PARAMETERS[6] + DIGITS}),
    Move("sweep", True, {"trainings": 8}),
)
