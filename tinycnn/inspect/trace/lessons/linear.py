"""The fully connected layer: three products of matrices."""

from __future__ import annotations

from tinycnn.inspect.trace.lesson import Calls, Lesson, Phase, View
from tinycnn.inspect.trace.lessons.calls import first, gradients, outputs
from tinycnn.inspect.trace.lessons.convolution_call import ROLES, asked_for
from tinycnn.kernels.loops import linear as loops

AXES = {
    **dict.fromkeys(["x", "dx"], "nc"),
    **dict.fromkeys(["weight", "dw"], "kc"),
    **dict.fromkeys(["y", "dy"], "nk"),
    **dict.fromkeys(["bias", "db"], "k"),
}


def linear(calls: Calls) -> Lesson:
    """Forward, and where asked for backward; inputs (…, C) as rows (N, C)."""
    call = first(calls)
    x, weight, *rest = call.inputs
    bias = rest[0] if rest else None
    K, C = weight.shape
    x = x.reshape(-1, C)
    N = len(x)
    dy = None if call.grad is None else call.grad.reshape(N, K)
    forward = Phase(
        "forward",
        loops.forward,
        {"x": x, "weight": weight, "bias": bias},
        "y",
        outputs(calls, (N, K)),
        stops=("n", "k"),
        views=(_matrix("x"), _matrix("weight"), *(() if bias is None else (_matrix("bias"),)), _matrix("y")),
        size=N * K * (C + 1),
    )
    backward_input = Phase(
        "backward_input",
        loops.backward_input,
        {"dy": dy, "weight": weight},
        "dx",
        gradients(calls, 0, (N, C)),
        stops=("n", "c"),
        views=(_matrix("dy"), _matrix("weight"), _matrix("dx")),
        size=N * K * C,
    )
    backward_weight = Phase(
        "backward_weight",
        loops.backward_weight,
        {"dy": dy, "x": x},
        "dw",
        gradients(calls, 1),
        stops=("k", "c"),
        views=(_matrix("dy"), _matrix("x"), _matrix("dw")),
        size=N * K * C,
    )
    backward_bias = Phase(
        "backward_bias",
        loops.backward_bias,
        {"dy": dy},
        "db",
        gradients(calls, 2),
        stops=("k",),
        views=(_matrix("dy"), _matrix("db")),
        size=N * K,
    )
    phases = asked_for(forward, backward_input, backward_weight, backward_bias)
    return Lesson("linear", {}, AXES, ROLES, phases)


def _matrix(tensor: str) -> View:
    """Its first axis down, the second across, so that the row and the column of the loops are marked."""
    rows, columns = AXES[tensor][:1], AXES[tensor][1:]
    return View(tensor, rows=tuple(rows), columns=tuple(columns))
