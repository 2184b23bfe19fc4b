"""Where the controls of tutorial 12 are moved to, and what NumPy says the page must show then."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.tutorials.move import Move


def _left(rate: float, momentum: float, curvature: tuple[float, float] = (1.0, 25.0)) -> float:
    """Distance from the bottom after 40 steps: position and velocity of each direction by a matrix power."""
    ends = []
    for c in curvature:
        step = np.array([[1 - rate * c, -rate * momentum], [c, momentum]])  # (w, v) -> (w, v)
        ends.append((np.linalg.matrix_power(step, 40) @ [1.0, 0.0])[0])
    return float(np.hypot(*ends))


def _sizes(activation: str, deviation: float, depth: int) -> Mapping[str, float]:
    """Ten layers or another number of them, forward and back, with slopes by their own formulas."""
    with np.load(Path(__file__).parents[3] / "tinycnn/data/digits.npz") as file:
        x = file["images"][~file["test"]][:200].reshape(200, 64).astype(float)
    x = (x - x.mean()) / x.std()
    rng = np.random.default_rng(12)
    g = rng.standard_normal((200, 64))
    weights = rng.standard_normal((depth, 64, 64)) * deviation
    sums = []
    for w in weights:
        sums.append(np.einsum("ni,oi->no", x, w))
        x = {"sigmoid": 0.5 + 0.5 * np.tanh(sums[-1] / 2), "tanh": np.tanh(sums[-1]), "ReLU": sums[-1].clip(0)}[
            activation
        ]
    for w, z in zip(weights[::-1], sums[::-1], strict=True):
        slope = {"sigmoid": 0.25 / np.cosh(z / 2) ** 2, "tanh": 1 / np.cosh(z) ** 2, "ReLU": np.heaviside(z, 0)}
        g = np.einsum("no,oi->ni", g * slope[activation], w)
    gradient = float(np.sqrt((g**2).mean()))
    return {
        "last_output": float(np.sqrt((x**2).mean())),
        "first_gradient": gradient,
        "engine_gradient": gradient,
    }


MOVES = (
    Move("mistake", "zero_grad forgotten", {"least_wrong": 0}),
    Move("rate", 0.1, {"factor_flat": 0.9, "factor_steep": -1.5, "left": _left(0.1, 0)}),
    Move("momentum", 0.5, {"factor_steep": -1.5, "left": _left(0.1, 0.5)}),
    Move("power", -3, {"step_sgd": 1e-5, "step_adam": 0.01 * 1e-3 / (1e-3 + 1e-8), "step_engine": 0.01}),
    Move("activation", "ReLU", _sizes("ReLU", (1 / 64) ** 0.5, 10)),
    Move("initial", "He", _sizes("ReLU", (2 / 64) ** 0.5, 10)),
    Move("depth", 4, _sizes("ReLU", (2 / 64) ** 0.5, 4)),
    Move("train_all", True, {"runs": 9, "chance": np.log(10)}),
)
