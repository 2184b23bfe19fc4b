"""Local response normalisation, channel by channel."""

from __future__ import annotations

from math import prod

from tinycnn.functional.normalization import LocalResponseNorm
from tinycnn.inspect.trace.lesson import Calls, Lesson, Phase, View
from tinycnn.inspect.trace.lessons.calls import first, gradients, outputs
from tinycnn.inspect.trace.lessons.convolution_call import ROLES, asked_for
from tinycnn.kernels.loops import normalization as loops
from tinycnn.kernels.numpy.normalization import channel_window_sum

ENTRY = ("n", "c", "h", "w")


def local_response_norm(calls: Calls) -> Lesson:
    """The denominators and what is divided by them; where asked for, both parts of the way back.

    What is no batch of images is shown as one: (N, C, …) as (N, C, H, W).
    """
    call = first(calls)
    f = call.function
    assert isinstance(f, LocalResponseNorm)
    N, C, *cells = call.inputs[0].shape
    shape = N, C, prod(cells[:-1]), prod(cells[-1:])
    x = call.inputs[0].reshape(shape)
    d = {name: each.function.d.reshape(shape) for name, each in calls.items()}  # type: ignore[attr-defined]
    denominator = Phase(
        "denominator",
        loops.denominator,
        {"x": x, "size": f.size, "scale": f.scale, "k": f.k},
        "d",
        d,
        stops=ENTRY,
        views=(View("x"), _channels("x"), View("d")),
        size=x.size * (1 + min(f.size, C)),
    )
    forward = Phase(
        "forward",
        loops.forward,
        {"x": x, "beta": f.beta},
        "y",
        outputs(calls, shape),
        stops=ENTRY,
        views=(View("x"), View("d"), View("y")),
        size=x.size,
        uses=("d",),
    )
    phases = [denominator, forward]
    if call.grad is not None:
        dy = call.grad.reshape(shape)
        sent = dy * x * d["numpy"] ** (-f.beta - 1)
        shared = Phase(
            "shared",
            loops.shared_sum,
            {"dy": dy, "x": x, "size": f.size, "beta": f.beta},
            "shared",
            {"numpy": channel_window_sum(sent, (f.size - 1) // 2, f.size // 2)},
            stops=ENTRY,
            views=(View("dy"), View("x"), View("d"), _channels("x"), View("shared")),
            size=x.size * min(f.size, C),
            uses=("d",),
        )
        backward = Phase(
            "backward",
            loops.backward,
            {"dy": dy, "x": x, "scale": f.scale, "beta": f.beta},
            "dx",
            gradients(calls, shape=shape),
            stops=ENTRY,
            views=(View("dy"), View("x"), View("d"), View("shared"), View("dx")),
            size=2 * x.size,
            uses=("d", "shared"),
        )
        phases += [shared, backward]
    parameters = {"size": f.size, "scale": f.scale, "beta": f.beta, "k": f.k}
    axes = dict.fromkeys(["x", "d", "y", "dy", "shared", "dx"], "nchw")
    return Lesson("local_response_norm", parameters, axes, ROLES, asked_for(*phases))


def _channels(tensor: str) -> View:
    """One channel in each row: the window is a piece of a column."""
    return View(tensor, rows=("c",), columns=("n", "h", "w"))
