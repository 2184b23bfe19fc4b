"""Where the controls of tutorial 7 are moved to, and what NumPy says the page must show then."""

import numpy as np

from tests.tutorials.move import Move


def _by_hand(a: float, b: float) -> dict[str, float]:
    """Derivatives of relu(c) + c·b with c = a·b + a, written out; without waiting, the part through c·b is lost."""
    c = a * b + a
    open_ = float(c > 0)
    by_a, by_b = (open_ + b) * (b + 1), (open_ + b) * a + c
    return {
        "c": c,
        "output": np.maximum(c, 0.0) + c * b,
        "by_a": by_a,
        "by_b": by_b,
        "engine_by_a": by_a,
        "engine_by_b": by_b,
        "early_by_a": open_ * (b + 1),
        "early_by_b": open_ * a + c,
    }


def _doubled(times: int) -> dict[str, float]:
    derivative = 2.0**times
    return {
        "result": 3 * derivative,
        "by_path": derivative,
        "visits_by_path": float(np.sum(2 ** np.arange(times + 1))),
        "at_once": 2.0,
        "ordered": derivative,
        "visits_in_order": times + 1,
    }


def _bias(rows: int) -> dict[str, float | str]:
    total = np.arange(3 * rows).reshape(rows, 3).sum(axis=0)
    return {"bias_shape": "(3,)", "bias_0": total[0], "bias_1": total[1], "bias_2": total[2]}


MOVES = (
    Move("nudge", True, {"nudged": 500}),
    Move("doublings", 5, _doubled(5)),
    Move("doublings", 12, _doubled(12)),
    Move("a", -3, _by_hand(-3, 2)),
    Move("b", 4, _by_hand(-3, 4)),
    Move("walks", 5, {"accumulated": 5 * 2 * 3}),
    Move("clear", True, {"accumulated": 2 * 3}),
    Move("rows", 7, _bias(7)),
)
