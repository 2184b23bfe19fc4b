"""Where the controls of tutorial 21 are moved to, and what NumPy says the page must show then."""

import numpy as np

import tinycnn as tc
from tests.tutorials.move import Move


def _slope(x: np.ndarray) -> np.ndarray:
    return np.select([x <= -3, x >= 3], [0.0, 1.0], x / 3 + 0.5)


def _checked(width: int, has_mistake: object) -> dict[str, float | str]:
    """The verdict, and in how many of the 24 numbers there is a mistake."""
    x = np.random.default_rng(21).uniform(-width, width, (4, 6))
    wrong = int(np.sum(has_mistake(x)))  # type: ignore[operator]
    return {"verdict": "wrong" if wrong else "right", "wrong_entries": wrong}


def _trained(name: str, steps: int) -> dict[str, float]:
    """The network of the tutorial by windows and matrices, with its gradients written out."""
    (images, labels), (unseen, answers) = (tc.data.digits(split) for split in ("train", "test"))
    rng = np.random.default_rng(21)
    w, v = rng.normal(0, 0.4, (6, 1, 3, 3)).reshape(6, 9), rng.normal(0, 0.05, (10, 216))
    b, c = np.zeros(6), np.zeros(10)

    def windows(x):
        return np.lib.stride_tricks.sliding_window_view(x / 16, (3, 3), axis=(1, 2)).reshape(len(x), 36, 9)

    def activation(x):
        return np.maximum(x, 0) if name == "ReLU" else x * np.clip(x / 6 + 0.5, 0, 1)

    def hidden(x):
        return np.einsum("npr,kr->nkp", windows(x), w) + b[:, None]

    targets, losses = np.eye(10)[labels[:300]], []
    for _ in range(steps):
        before = hidden(images[:300])
        features = activation(before).reshape(300, 216)
        p = np.exp(features @ v.T + c)
        p /= p.sum(axis=1, keepdims=True)
        losses.append(-np.mean(np.log(p[targets == 1])))
        d_scores = (p - targets) / 300
        d_before = (d_scores @ v).reshape(before.shape) * ((before > 0) if name == "ReLU" else _slope(before))
        steps_down = (
            np.einsum("nkp,npr->kr", d_before, windows(images[:300])),
            d_before.sum(axis=(0, 2)),
            d_scores.T @ features,
            d_scores.sum(axis=0),
        )
        for array, gradient in zip((w, b, v, c), steps_down, strict=True):
            array -= 0.1 * gradient
    chosen = (activation(hidden(unseen)).reshape(-1, 216) @ v.T + c).argmax(axis=1)
    return {"last_loss": losses[-1], "accuracy": 100 * float((chosen == answers).mean())}


def _blurred(digit: int, overwrite: bool) -> dict[str, float]:
    """Both sums, with the blur as a matrix whose rows are the outputs."""
    x = tc.data.digits("test")[0][digit].repeat(2, axis=0).repeat(2, axis=1)[:15, :15] / 16
    matrix = np.zeros((49, 15, 15))
    for n in range(49):
        p, q = divmod(n, 7)
        matrix[n, 2 * p : 2 * p + 3, 2 * q : 2 * q + 3] = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    grad = np.random.default_rng(24).normal(size=(7, 7)).ravel()
    back = matrix * grad[:, None, None]
    if overwrite:  # of all windows that a pixel is in, the last one
        last = 48 - (matrix[::-1] > 0).argmax(axis=0)
        dx = np.take_along_axis(back, last[None], axis=0)[0]
    else:
        dx = back.sum(axis=0)
    return {
        "forward_product": float(np.sum(matrix.reshape(49, 225) @ x.ravel() * grad)),
        "backward_product": float(np.sum(dx * x)),
        "rows": 7,
    }


MOVES = (
    Move("at", 1, {"value": 4 / 6, "slope": 5 / 6}),
    Move("at", -3, {"value": 0, "slope": 0}),
    Move("at", 3.5, {"value": 3.5, "slope": 1, "slope_before": 1, "slope_after": 1}),
    Move("width", 5, _checked(5, lambda x: x > 3)),
    Move("mistake", "no product rule", _checked(5, lambda x: np.abs(x) < 3)),
    Move("mistake", "forgets grad", _checked(5, lambda x: x > -3)),
    Move("mistake", "right", _checked(5, lambda x: x > 9)),
    Move("steps", 20, _trained("hard-swish", 20)),
    Move("activation", "ReLU", _trained("ReLU", 20)),
    Move("thousands", 100, {"own_functions": 1, "own_bytes": 400_000, "composed_bytes": 5 * 400_000 + 4, "rounds": 5}),
    Move("longer", True, {"rounds": 51, "composed_functions": 7}),
    Move("digit", 6, _blurred(6, False)),
    Move("overwrite", True, _blurred(6, True)),
)
