"""What the lessons of convolution share: the arrays of a call, their letters, and how they are drawn."""

from __future__ import annotations

from typing import Any

from tinycnn.arrays import Array
from tinycnn.functional.convolution import Convolution
from tinycnn.inspect.trace.lesson import Calls, Phase, View

ROLES = {
    **dict.fromkeys(["weight", "bias"], "parameter"),
    **dict.fromkeys(["dy", "dx", "dw", "db"], "gradient"),
    "x": "input",
    "y": "output",
}
"""Of what the loops name; anything else is scratch."""


class ConvolutionCall:
    """A convolution as each backend ran it.

    Parameters
    ----------
    calls
        By backend; the arrays of the first are shown.

    Attributes
    ----------
    geometry, algorithm
        Of the Function.
    x, weight, bias, dy
        The last two may be None.
    """

    def __init__(self, calls: Calls):
        self.calls = calls
        call = next(iter(calls.values()))
        assert isinstance(call.function, Convolution)
        self.geometry, self.algorithm = call.function.geometry, call.function.algorithm
        self.x, self.weight, *rest = call.inputs
        self.bias: Array | None = rest[0] if rest else None
        self.dy = call.grad

    @property
    def outputs(self) -> dict[str, Array]:
        """By backend."""
        return {name: call.output for name, call in self.calls.items()}

    def gradients(self, place: int) -> dict[str, Array]:
        """Gradients of an input by backend; none where it was not asked for."""
        found = {}
        for name, call in self.calls.items():
            gradient = call.gradients[place] if place < len(call.gradients) else None
            if gradient is not None:
                found[name] = gradient
        return found

    @property
    def parameters(self) -> dict[str, Any]:
        """As JSON has them."""
        g = self.geometry
        return {
            "stride": list(g.stride),
            "padding": list(g.padding),
            "dilation": list(g.dilation),
            "groups": g.groups,
            "algorithm": self.algorithm,
        }

    @property
    def inner(self) -> str:
        """Letter of the weight's second axis: that of the loops, unless it counts within a group."""
        return "c" if self.geometry.groups == 1 else "l"

    @property
    def axes(self) -> dict[str, str]:
        """Letters of a convolution's tensors."""
        weight, x, y, column = f"k{self.inner}rs", "nchw", "nkpq", "crsnpq"
        gradients = {"dx": x, "dy": y, "dw": weight, "db": "k", "dcolumn": column}
        return {"x": x, "y": y, "weight": weight, "bias": "k", "column": column, **gradients}

    def planes(self, tensor: str) -> View:
        """Image by image; an input has its padding around it."""
        top, bottom, left, right = (max(0, pad) for pad in self.geometry.padding)
        return View(tensor, padding=(top, bottom, left, right)) if tensor in ("x", "dx") else View(tensor)

    def kernels(self, tensor: str) -> View:
        """The matrix of the kernels, one in each row."""
        return View(tensor, rows=("k",), columns=(self.inner, "r", "s"))

    def bias_views(self, tensor: str) -> tuple[View, ...]:
        """The bias as a column, where there is one."""
        return () if self.bias is None else (View(tensor, rows=("k",)),)


def outputs(tensor: str) -> View:
    """The matrix of the outputs, those of one kernel in each row."""
    return View(tensor, rows=("k",), columns=("n", "p", "q"))


def columns(tensor: str) -> View:
    """The matrix of the windows, one in each column."""
    return View(tensor, rows=("c", "r", "s"), columns=("n", "p", "q"))


def asked_for(*phases: Phase) -> tuple[Phase, ...]:
    """Phases whose result a backend computed."""
    return tuple(phase for phase in phases if phase.expected)
