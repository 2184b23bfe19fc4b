"""Where the controls of tutorial 11 are moved to, and what NumPy says the page must show then."""

import numpy as np

import tinycnn as tc
from tests.tutorials.move import Move


def _scores() -> np.ndarray:
    """What the trained LeNet-5 says of one digit: here it is data."""
    images = np.pad(np.kron(tc.data.digits("test")[0][3] / 16, np.ones((3, 3))), 4)[None, None]
    model = tc.training.load_checkpoint(tc.models.pretrained_path("lenet5")).build().eval()
    with tc.no_grad():
        return model(((images - 0.1307) / 0.3081).astype(np.float32)).data[0].astype(float)


def _softmax(z: np.ndarray) -> np.ndarray:
    return np.exp(z - np.logaddexp.reduce(z))


def _forecast(p: float) -> dict[str, float]:
    q = 0.7
    entropy = -(q * np.log(q) + (1 - q) * np.log(1 - q))
    cross = -(q * np.log(p) + (1 - q) * np.log(1 - p))
    return {"from_p": cross, "own": entropy, "apart": cross - entropy, "kl_of_engine": cross - entropy}


def _smoothed(amount: float) -> dict[str, float]:
    right, other = 1 - 0.9 * amount, amount / 10
    return {
        "target_right": right,
        "target_other": other,
        "least_loss": -right * np.log(right) - 9 * other * np.log(other),
        "best_lead": np.log(right / other),
    }


def _labels(dog: float) -> dict[str, float]:
    scores = np.array([3.0, dog, -3.0])
    losses = np.log1p(np.exp(-scores * [1, 1, -1]))
    return {
        "share_person": _softmax(scores)[0],
        "share_dog": _softmax(scores)[1],
        "alone_person": 1 / (1 + np.exp(-3)),
        "alone_dog": 1 / (1 + np.exp(-dog)),
        "several_loss": losses.mean(),
    }


def _binary(z: float) -> dict[str, float]:
    p = 1 / (1 + np.exp(-z))
    return {"p_right": p, "by_cross": p - 1, "by_squared": 2 * (p - 1) * p * (1 - p)}


MOVES = (
    Move("sharpness", 0, {"largest_p": 0.1, "sum_p": 1}),
    Move("sharpness", 0.25, {"largest_p": _softmax(0.25 * _scores()).max(), "sum_p": 1}),
    Move("shift", 200, {"naive_p": "nan", "stable_p": f"{_softmax(np.float32(_scores() + 200)).max():.4g}"}),
    Move("classes", 1000, {"equal_loss": np.log(1000), "classes": 1000}),
    Move("gap", 200, {"two_steps": "inf", "with_epsilon": f"{-np.log(1e-12):.4g}", "one_step": "200"}),
    Move("gap", 20, {"two_steps": "20", "one_step": "20"}),
    Move("batch", 100, {"ratio": 1}),
    Move("forget", True, {"ratio": 100}),
    Move("believed", 0.7, {**_forecast(0.7), "apart": 0}),
    Move("believed", 0.9, _forecast(0.9)),
    Move("smoothing", 0.3, _smoothed(0.3)),
    Move("second", -2, _labels(-2)),
    Move("score", 3, _binary(3)),
)
