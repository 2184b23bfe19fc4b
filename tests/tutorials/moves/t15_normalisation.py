"""Where the controls of tutorial 15 are moved to, and what NumPy says the page must show then."""

from pathlib import Path

import numpy as np

from tests.tutorials.move import Move

_EPS = 1e-5


def _forgotten(alpha: float) -> float:
    """With windows that end one channel early, by matrices of who stands in whose window."""
    x = np.random.default_rng(15).standard_normal((2, 8, 4, 4))
    distance = np.arange(8) - np.arange(8)[:, None]  # [c, i]: i − c
    right, wrong = abs(distance) <= 2, (distance >= -2) & (distance <= 1)
    y, z = (x / (2 + alpha / 5 * np.einsum("ci,nihw->nchw", inside, x**2)) ** 0.75 for inside in (right, wrong))
    return float(np.abs(y - z).max() / np.abs(y).max())


def _batch(scale: float, shift: float) -> dict[str, float]:
    """Eight numbers; the gradient by the matrix of all derivatives, (I − 1/N − x̂ x̂ᵀ/N) / std."""
    spread = np.linspace(-1, 1, 8)
    std = np.sqrt(scale**2 * 3 / 7 + _EPS)  # 3/7: the mean square of eight even steps from −1 to 1
    hat = scale * spread / std
    jacobian = (np.eye(8) - 1 / 8 - np.outer(hat, hat) / 8) / std
    gradient = jacobian @ np.random.default_rng(15).standard_normal(8)
    return {
        "mean_before": shift,
        "deviation_before": scale * np.sqrt(3 / 7),
        "largest_after": float(hat[-1]),
        "size_of_gradient": float(np.sqrt(gradient @ gradient)),
    }


def _sizes(activation: str, deviation: float, is_normalised: bool) -> dict[str, float]:
    """Ten layers forward and back; batch normalisation's gradient along the three paths, one by one."""
    with np.load(Path(__file__).parents[3] / "tinycnn/data/digits.npz") as file:
        x = file["images"][~file["test"]][:200].reshape(200, 64).astype(float)
    x = (x - x.mean()) / x.std()
    rng = np.random.default_rng(12)
    g = rng.standard_normal((200, 64))
    weights = rng.standard_normal((10, 64, 64)) * deviation
    kept = []
    for w in weights:
        z = np.einsum("ni,oi->no", x, w)
        centred, std = z - z.mean(0), np.sqrt(z.var(0) + _EPS)
        u = centred / std if is_normalised else z
        kept.append((u, centred, std))
        x = {"sigmoid": 0.5 + 0.5 * np.tanh(u / 2), "tanh": np.tanh(u), "ReLU": u.clip(0)}[activation]
    for w, (u, centred, std) in zip(weights[::-1], kept[::-1], strict=True):
        slope = {"sigmoid": 0.25 / np.cosh(u / 2) ** 2, "tanh": 1 / np.cosh(u) ** 2, "ReLU": np.heaviside(u, 0)}
        g = g * slope[activation]
        if is_normalised:
            of_variance = -0.5 * (g * centred).sum(0) / std**3
            of_mean = -g.sum(0) / std
            g = g / std + 2 * centred * of_variance / 200 + of_mean / 200
        g = np.einsum("no,oi->ni", g, w)
    return {"last_output": float(np.sqrt((x**2).mean())), "first_gradient": float(np.sqrt((g**2).mean()))}


MOVES = (
    Move("channel", 6, {"first": 4, "last": 7, "in_window": 4}),
    Move("size", 4, {"first": 4, "last": 7, "in_window": 4}),
    Move("convention", "ONNX", {"first": 5, "last": 7, "in_window": 3}),
    Move("power", 0, {"middle": 3 / 47**0.75, "edge": 3 / 29**0.75, "difference": _forgotten(1.0), "passes": "no"}),
    Move("average", True, {"middle": 3 / 11**0.75, "edge": 3 / 7.4**0.75, "middle_engine": 3 / 11**0.75}),
    Move("scale", 4, _batch(4, 0)),
    Move("shift", 20, _batch(4, 20)),
    Move("batches", 12, {"first_values_left": 0.9**12}),
    Move("activation", "tanh", _sizes("tanh", 0.01, False)),
    Move("initial", "Xavier", _sizes("tanh", 0.125, False)),
    Move("normalise", True, _sizes("tanh", 0.125, True)),
    Move("train_all", True, {"runs": 18}),
)
