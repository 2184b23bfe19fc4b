"""Where the controls of tutorial 16 are moved to, and what plain arithmetic says the page must show then."""

from tests.tutorials.move import Move

ONE_TOWER = {  # weights and biases of a layer, and at how many places each weight is used
    "conv1": (96 * (3 * 121 + 1), 96 * 3 * 121 * 55**2),
    "conv2": (256 * (96 * 25 + 1), 256 * 96 * 25 * 27**2),
    "conv3": (384 * (256 * 9 + 1), 384 * 256 * 9 * 13**2),
    "conv4": (384 * (384 * 9 + 1), 384 * 384 * 9 * 13**2),
    "conv5": (256 * (384 * 9 + 1), 256 * 384 * 9 * 13**2),
    "full": (4096 * 9217 + 4096 * 4097 + 1000 * 4097, 4096 * 9216 + 4096 * 4096 + 1000 * 4096),
}
PARAMETERS, MULTIPLY_ADDS = (sum(column) for column in zip(*ONE_TOWER.values(), strict=True))
FULL, FULL_MULTIPLY_ADDS = ONE_TOWER["full"]

CONV1, CONV2, CONV3, CONV5, LAST = 96 * 55**2, 256 * 27**2, 384 * 13**2, 256 * 13**2, 256 * 6**2
POOLED = (96 * 27**2, 256 * 13**2, LAST)
OUTPUTS = 2 * CONV1 + 2 * CONV2 + 2 * CONV3 + CONV5 + sum(POOLED) + 2 * 4096  # of ReLU, normalisation and pooling
KEPT = 4 * OUTPUTS + sum(POOLED)  # bytes of one image: which entry won in a pool takes one

MOVES = (
    Move("size", 227, {"conv1_exact": 55, "conv1": 55, "last_map": 6, "features": 9216}),
    Move("padding", 2, {"conv1_exact": 56, "conv1": 56, "last_map": 6, "features": 9216}),
    Move(
        "variant",
        "single",
        {
            "parameters": PARAMETERS,
            "full_share": 100 * FULL / PARAMETERS,
            "multiply_adds": MULTIPLY_ADDS,
            "convolution_share": 100 - 100 * FULL_MULTIPLY_ADDS / MULTIPLY_ADDS,
        },
    ),
    Move(
        "batch",
        64,
        {"weights_mb": 12e-6 * 60_965_224, "activations_mb": 1e-6 * 64 * KEPT, "images_mb": 4e-6 * 64 * 3 * 227**2},
    ),
    Move(
        "groups",
        "4",
        {"seen": 24, "conv2_weights": 256 * 24 * 25, "conv2_multiply_adds": 256 * 24 * 25 * 27**2},
    ),
    Move("window", 2, {"pool_width": 27, "windows_of_a_pixel": (27 * 2 / 55) ** 2}),
    Move("alpha", "1", {"example_norm_first": 4 / (2 + 16) ** 0.75, "example_pool_first": 4 / (2 + 32) ** 0.75}),
    Move("crop_size", 24, {"seen_share": 100 * (24 / 32) ** 2}),
    Move("run", True, {"crops_run": 10}),
)
