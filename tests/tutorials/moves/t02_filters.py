"""Where the controls of tutorial 2 are moved to, and what NumPy says the page must show then."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import tinycnn as tc
from tests.tutorials.move import Move

RED, GREEN, BLUE = tc.data.photograph("china")[:, 20:260, 60:380].astype(float)
PHOTO = 0.299 * RED + 0.587 * GREEN + 0.114 * BLUE
SMOOTH = np.convolve(PHOTO[100], np.ones(21) / 21, "valid")
WINDOWS = sliding_window_view(PHOTO, (3, 3))
SHARP = (8 * PHOTO[1:-1, 1:-1] - PHOTO[:-2, 1:-1] - PHOTO[2:, 1:-1] - PHOTO[1:-1, :-2] - PHOTO[1:-1, 2:]) / 4
ACROSS = np.einsum("pqrs,r,s->pq", WINDOWS, [1, 2, 1], [-1, 0, 1])
DOWN = np.einsum("pqrs,r,s->pq", WINDOWS, [-1, 0, 1], [1, 2, 1])

MOVES = (
    Move("width", 21, {"length": 300, "rough_after": np.abs(np.diff(SMOOTH)).mean()}),
    Move(
        "filter",
        "sharpen",
        {"weights_sum": 1, "mean": SHARP.mean(), "least": SHARP.min(), "largest": SHARP.max(), "size": "238 × 318"},
    ),
    Move("filter", "Sobel, down", {"weights_sum": 0, "least": DOWN.min(), "largest": DOWN.max()}),
    Move("filter", "box 9 × 9", {"weights_sum": 1, "size": "232 × 312"}),
    Move("threshold", 400, {"edge_percent": 100 * (np.hypot(ACROSS, DOWN) > 400).mean()}),
    Move("compared", "sharpen", {"difference": 0, "opposite": 2 * np.abs(SHARP).max()}),
    Move("compared", "Sobel, across", {"difference": 2 * np.abs(ACROSS).max(), "opposite": 0}),
    Move("turn", False, {"difference": 0, "opposite": 2 * np.abs(ACROSS).max()}),
    Move("turn", True, {"difference": 2 * np.abs(ACROSS).max(), "opposite": 0}),
    Move("compared", "a 1 in a corner, 9 × 9", {"difference": np.abs(PHOTO[8:, 8:] - PHOTO[:-8, :-8]).max()}),
    Move("side", 10, {"matrix_rows": 64, "matrix_columns": 100, "all_entries": 6400, "links": 64 * 9, "different": 9}),
    Move("kernel_size", 2, {"matrix_rows": 81, "all_entries": 8100, "links": 81 * 4, "different": 4}),
    Move("count", 16, {"bank_shape": "(16, 3, 3, 3)", "maps_shape": "(1, 16, 62, 62)", "bank_weights": 432}),
    Move("colour", False, {"bank_shape": "(16, 1, 3, 3)", "maps_shape": "(1, 16, 62, 62)", "bank_weights": 144}),
)
