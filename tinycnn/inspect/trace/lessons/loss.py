"""Softmax and cross-entropy, row by row."""

from __future__ import annotations

import numpy as np

from tinycnn.arrays import Array
from tinycnn.functional.loss import CrossEntropy
from tinycnn.inspect.trace.lesson import Calls, Lesson, Phase, View
from tinycnn.inspect.trace.lessons.calls import first, outputs
from tinycnn.inspect.trace.lessons.convolution_call import asked_for
from tinycnn.kernels.loops import loss as loops

ROLES = {"z": "input", "q": "input", "loss": "output", "dloss": "gradient", "dz": "gradient"}

AXES = dict.fromkeys(["z", "q", "p", "exponential", "dz"], "nc") | dict.fromkeys(
    ["maximum", "total", "total_q", "loss", "dloss"], "n"
)


def cross_entropy(calls: Calls) -> Lesson:
    """Softmax, the loss, and where asked for the way back; where there are pixels, each of them has a row."""
    call = first(calls)
    assert isinstance(call.function, CrossEntropy)
    z, q = _rows(call.inputs[0]), _rows(call.function.q)
    N, C = z.shape
    softmax = Phase(
        "softmax",
        loops.softmax,
        {"z": z},
        "p",
        {name: np.exp(_rows(each.function.log_p)) for name, each in calls.items()},  # type: ignore[attr-defined]
        stops=("n",),
        views=(View("z"), _column("maximum"), View("exponential"), _column("total"), View("p")),
        size=N * (1 + 4 * C),
    )
    forward = Phase(
        "forward",
        loops.forward,
        {"z": z, "q": q},
        "loss",
        outputs(calls, (N,)),
        stops=("n",),
        views=(View("q"), View("z"), _column("maximum"), _column("total"), _column("loss")),
        size=2 * N * C,
        uses=("maximum", "total"),
    )
    phases = [softmax, forward]
    if call.grad is not None:
        found = {name: each.gradients[0] for name, each in calls.items()}
        backward = Phase(
            "backward",
            loops.backward,
            {"dloss": call.grad.reshape(N), "q": q},
            "dz",
            {name: _rows(gradient) for name, gradient in found.items() if gradient is not None},
            stops=("n", "c"),
            views=(_column("dloss"), _column("total_q"), View("p"), View("q"), View("dz")),
            size=2 * N * C,
            uses=("p",),
        )
        phases.append(backward)
    return Lesson("cross_entropy", {}, AXES, ROLES, asked_for(*phases))


def _rows(array: Array) -> Array:
    """(N, C, …) -> (N · …, C)."""
    return np.moveaxis(array, 1, -1).reshape(-1, array.shape[1])


def _column(tensor: str) -> View:
    """One entry for each row."""
    return View(tensor, rows=("n",))
