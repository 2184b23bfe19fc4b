"""Where the controls of tutorial 8 are moved to, and what NumPy says the page must show then."""

import numpy as np

from tests.tutorials.move import Move


def _tanh(h: float) -> dict[str, float]:
    """Errors of difference quotients of tanh at 0.5, whose derivative is 1 / cosh(0.5)²."""
    x, slope = 0.5, 1 / np.cosh(0.5) ** 2
    up, down = (np.tanh(np.float32(x) + np.float32(sign * h)) for sign in (1, -1))
    return {
        "h": h,
        "error_central": abs((np.tanh(x + h) - np.tanh(x - h)) / (2 * h) / slope - 1),
        "error_forward": abs((np.tanh(x + h) - np.tanh(x)) / h / slope - 1),
        "error_single": abs(float((up - down) / np.float32(2 * h)) / slope - 1),
    }


def _fourth_power(h: float) -> dict[str, float]:
    """Of x⁴ at 2 by algebra: ((x + h)⁴ − (x − h)⁴) / 2h = 4x³ + 4xh²."""
    x = 2.0
    return {"h": h, "error_central": h**2 / x**2, "error_forward": (6 * x**2 * h + 4 * x * h**2 + h**3) / (4 * x**3)}


def _softmax() -> float:
    """The largest s · (g − Σ s·g)."""
    x, g = (np.random.default_rng(seed).normal(size=(2, 4)) for seed in (3, 4))
    s = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    return float(np.abs(s * (g - (s * g).sum(axis=1, keepdims=True))).max())


def _negative() -> int:
    """The entries in which a leaky ReLU's other slope counts; those of the first row are made positive."""
    return int((np.random.default_rng(8).normal(size=(3, 4))[1:] < 0).sum())


MOVES = (
    Move("function", "tanh(x) at 0.5", {"h": 1e-5}),
    Move("exponent", 3, _tanh(1e-3)),
    Move("function", "x⁴ at 2", _fourth_power(1e-3)),
    Move("scale", 6, {"absolute": 1.3e-6, "relative": 0.5}),
    Move("millionths", 8, {"kink_gradient": 1, "kink_quotient": 0.9, "kink_error": 0.1, "kink_verdict": "right"}),
    Move("millionths", -12, {"kink_gradient": 0, "kink_quotient": 0, "kink_error": 0, "kink_verdict": "right"}),
    Move("random_upstream", True, {"largest_quotient": _softmax()}),
    # Windows of 3, two apart, on a row of 9: the entries 2, 4 and 6 are in two of them; 3 weights are right.
    Move("suspect", 2, {"suspect": 2, "mistake": "(hidden)", "wrong_entries": 3, "entries": 9 + 3}),
    Move("suspect", 4, {"suspect": 4, "mistake": "(hidden)", "wrong_entries": _negative(), "entries": 12}),
    Move("reveal", True, {"mistake": "slope 0.01 in backward, 0.1 in forward"}),
    # Of ten, each weak check misses two: equal means (softmax; a kernel not rotated), a right first entry (windows
    # that overlap; a positive entry), and those that ones hide (grad not used; softmax).
    Move("hard", True, dict.fromkeys(("caught_mean", "caught_first", "caught_ones"), 8) | {"caught_engine": 10}),
)
