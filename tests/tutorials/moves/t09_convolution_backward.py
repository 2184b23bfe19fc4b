"""Where the controls of tutorial 9 are moved to, and what NumPy says the page must show then."""

import numpy as np

import tinycnn as tc
from tests.tutorials.move import Move

SOBEL = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])


def _distance_after(steps: int) -> float:
    """The distance shrinks by I − AᵀA / M in each step, A the matrix of all windows and M its number of rows."""
    images = tc.data.digits("test")[0][:32] / 16
    windows = [image[p : p + 3, q : q + 3].ravel() for image in images for p in range(6) for q in range(6)]
    shrinks = np.eye(9) - np.transpose(windows) @ windows / len(windows)
    return float(np.abs(np.linalg.matrix_power(shrinks, steps) @ -SOBEL.ravel()).max())


def _unrotated(w: np.ndarray) -> dict[str, float]:
    """A gradient that stamps the rotated kernel, once as it is and once doubled."""
    right, wrong = np.zeros((6, 6)), np.zeros((6, 6))
    for weight, p, q in ((1, 0, 0), (2, 3, 2)):
        right[p : p + 3, q : q + 3] += weight * w
        wrong[p : p + 3, q : q + 3] += weight * np.rot90(w, 2)
    return {"mean_right": right.mean(), "mean_here": wrong.mean(), "rotation_error": np.abs(right - wrong).max()}


def _folded(size: int, stride: int) -> dict[str, float | str]:
    """Every pixel that two windows read comes out wrong, in 2 images of 2 channels."""
    readers = np.zeros((7, 7))
    for p in range(0, 8 - size, stride):
        for q in range(0, 8 - size, stride):
            readers[p : p + size, q : q + size] += 1
    wrong = int(4 * (readers > 1).sum())
    return {
        "most_readers": int(readers.max()),
        "unread": int((readers == 0).sum()),
        "adding": "right",
        "overwriting": "wrong" if wrong else "right",
        "wrong_entries": wrong,
    }


MOVES = (
    Move("steps", 50, {"kernel_error": _distance_after(50)}),
    Move("kernel", "Sobel", {"mean_right": 0, "mean_here": 0, "rotation_error": 0}),
    Move("rotate", False, _unrotated(SOBEL)),
    Move("kernel", "1 to 9", _unrotated(np.arange(1.0, 10.0).reshape(3, 3))),
    Move("kernel", "box blur", _unrotated(np.ones((3, 3)))),
    Move("size", 3, _folded(3, 2)),
    Move("stride", 3, _folded(3, 3)),
    Move("layer", "VGG conv1_2", dict.fromkeys(("forward", "for_dw", "for_dx"), 224**2 * 64 * 64 * 9)),
    Move("layer", "LeNet-5 C1", {"forward": 28**2 * 6 * 25, "for_dw": 28**2 * 6 * 25, "for_dx": 0}),
)
