"""Where the controls of tutorial 13 are moved to, and what NumPy says the page must show then."""

import numpy as np

from tests.tutorials.move import Move
from tinycnn.data import data_directory


def _equation_9(meant: float, other: float, j: float) -> dict[str, float]:
    """By the likelihoods of the right class, the other one and none of these."""
    likelihood = np.exp([-meant, -other, -j])
    share = likelihood / likelihood.sum()
    return {
        "loss": meant + float(np.log(likelihood.sum())),
        "slope_meant": 1 - float(share[0]),
        "slope_other": -float(share[1]),
    }


_SLOPE = 1.7159 * 2 / 3 / np.cosh(2) ** 2
_HAS_MNIST = (data_directory() / "mnist" / "t10k-images-idx3-ubyte.gz").is_file()

MOVES = (
    Move("layer", "C3", {"parameters": 16 * 151, "connections": 16 * 151 * 100, "total": 61_706}),
    Move(
        "version",
        "as published",
        {"parameters": 1516, "connections": 151_600, "total": 60_000, "total_engine": 60_000},
    ),
    Move("which_map", 14, {"inputs_of_map": 4, "parameters_of_map": 101, "links": 60, "parameters_of_c3": 1516}),
    Move("is_full", True, {"inputs_of_map": 6, "parameters_of_map": 151, "links": 96, "parameters_of_c3": 2416}),
    Move(
        "z",
        3,
        {
            "scaled": 1.7159 * np.tanh(2),
            "scaled_slope": _SLOPE,
            "plain": np.tanh(3),
            "plain_slope": 1 / np.cosh(3) ** 2,
        },
    ),
    Move("meant", 1, _equation_9(1, 4, 5)),
    Move("other", 0.5, _equation_9(1, 0.5, 5)),
    Move("j", 2, _equation_9(1, 0.5, 2)),
    Move("longer", True, {"seen": 15 * 1438}),
    Move("mnist", True, {"tested": 10_000 if _HAS_MNIST else 359}),
)
