"""Where the controls of tutorial 5 are moved to, and what NumPy says the page must show then."""

from tests.tutorials.move import Move

MOVES = (
    Move("kernel_size", 5, {"rows": 25, "columns": 16, "copies": 25 * 16 / 64}),
    Move("stride", 2, {"rows": 25, "columns": 4, "copies": 25 * 4 / 64}),
    Move(
        "layer",
        "VGG conv1_2",
        {"layer_rows": 576, "layer_columns": 224**2, "megabytes": 4e-6 * 576 * 224**2, "layer_copies": 9},
    ),
    Move("measure", True, {"images_measured": 64}),
)
