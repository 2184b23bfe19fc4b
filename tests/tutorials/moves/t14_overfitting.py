"""Where the controls of tutorial 14 are moved to, and what NumPy says the page must show then."""

import numpy as np

from tests.tutorials.move import Move


def _curve(degree: int, decay: float) -> dict[str, float]:
    """The polynomial by the normal equations: (AᵀA + decay · I) w = Aᵀ y."""
    x, everywhere = np.linspace(-1, 1, 10), np.linspace(-1, 1, 201)
    y = np.sin(3 * x) + 0.3 * np.random.default_rng(30).standard_normal(10)
    a = x[:, None] ** np.arange(degree + 1)
    w = np.linalg.solve(a.T @ a + decay * np.eye(degree + 1), a.T @ y)
    missed = (everywhere[:, None] ** np.arange(degree + 1)) @ w - np.sin(3 * everywhere)
    return {
        "error_at_points": float(np.linalg.norm(a @ w - y) / np.sqrt(10)),
        "error_everywhere": float(np.linalg.norm(missed) / np.sqrt(201)),
        "largest_coefficient": float(max(w.max(), -w.min())),
    }


def _dropout(p: float) -> dict[str, float]:
    """What is kept of 1,000 outputs, by their indices."""
    kept = np.flatnonzero(np.random.default_rng(14).random(1000) >= p)
    total = float((2 * kept / 999).sum())
    return {
        "kept": len(kept),
        "mean_kept_only": total / 1000,
        "mean_training": total / 1000 / (1 - p),
        "mean_test": 1,
    }


_ANGLES = 180 * np.random.default_rng(1).random((6, 5))[:, 0] - 90

MOVES = (
    Move("degree", 7, _curve(7, 0)),
    Move("decay", "0.01", _curve(7, 0.01)),
    Move("count", 200, {"weights": 10_090, "weights_per_image": 10_090 / 200}),
    Move("angle", 90, {"first_angle": float(_ANGLES[0]), "widest_angle": float(max(_ANGLES.max(), -_ANGLES.min()))}),
    Move("p", 0.8, _dropout(0.8)),
    Move("more_seeds", True, {"trained": 60}),
)
