"""Where the controls of tutorial 19 are moved to, and what NumPy says the page must show then."""

import numpy as np

from tests.tutorials.move import Move


def _positive(size: int) -> int:
    a, b = np.random.default_rng(1).standard_normal((2, size), np.float32)
    return int((a + b > 0).sum())


MOVES = (
    Move("backend", "numba", {"batch": 8}),
    Move("batch", 16, {"batch": 16}),
    Move("entries", 50_000, {"passes_bytes": 5 * 4 * 50_000, "one_pass_bytes": 3 * 4 * 50_000, "agree": "yes"}),
    Move("size", 130, {"blocks": 5, "threads": 160, "idle": 30, "positive": _positive(130), "error": 0}),
    Move("block", "128", {"blocks": 2, "threads": 256, "idle": 126, "positive": _positive(130)}),
    Move("barrier", True, {"barriers": 1, "verdict": "nothing: both orders of threads agree"}),
    Move("barrier", False, {"barriers": 0}),
)
