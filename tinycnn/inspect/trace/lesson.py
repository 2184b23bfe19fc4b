"""What of an operation is stepped through: which loops run on which arrays, and how the arrays are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinycnn.arrays import Array
from tinycnn.function import Function


@dataclass(frozen=True)
class Call:
    """One Function as one backend ran it.

    Attributes
    ----------
    function
        The node, before it was freed: its geometry and other hyper-parameters.
    inputs, output
        Arrays of the forward pass.
    grad
        Gradient of the output, or None where backward did not reach the node.
    gradients
        Of the inputs, None where not asked for.
    """

    function: Function
    inputs: tuple[Array, ...]
    output: Array
    grad: Array | None = None
    gradients: tuple[Array | None, ...] = ()


Calls = Mapping[str, Call]
"""The same node by backend; the first is the one whose arrays are shown."""


@dataclass(frozen=True)
class View:
    """How a tensor is drawn beside the steps.

    Parameters
    ----------
    tensor
        Its name.
    rows, columns
        Axes by their letters: drawn as one matrix, as im2col and GEMM have it. Where none are given, as planes of the
        last two axes.
    padding
        Cells drawn around each plane: top, bottom, left, right.
    """

    tensor: str
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        kind = "matrix" if self.rows or self.columns else "planes"
        rows, columns, padding = (list(given) for given in (self.rows, self.columns, self.padding))
        return {"kind": kind, "tensor": self.tensor, "rows": rows, "columns": columns, "padding": padding}


@dataclass(frozen=True)
class Phase:
    """One pass: a function of `tinycnn.kernels.loops`, to be run on recording arrays.

    Parameters
    ----------
    name
        Key of its texts, such as ``forward`` or ``backward_input``.
    function, arguments
        What runs; arrays among the arguments record under their names.
    result
        Name of the array that it makes, the first where it returns several.
    expected
        The result as each backend computed it.
    stops
        Loop variables of which each setting is one stop: a window, say. All steps of a stop are shown together.
    views
        What is drawn.
    size
        About how many steps it takes.
    uses
        Arrays that earlier phases made and that are arguments too, by their names.
    """

    name: str
    function: Callable[..., Array | tuple[Array, ...]]
    arguments: Mapping[str, Any]
    result: str
    expected: Mapping[str, Array]
    stops: tuple[str, ...]
    views: tuple[View, ...]
    size: int
    uses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lesson:
    """An operation to step through.

    Parameters
    ----------
    operation
        Its name in `tinycnn.functional`.
    parameters
        Of the operation, as JSON has them.
    axes
        The letters of each tensor's axes, such as ``nchw``; a letter that loops use too links the two.
    roles
        Of each tensor: input, parameter, output, gradient or scratch.
    phases
        In order.
    companions
        Tensors that no phase touches but a view shows.
    """

    operation: str
    parameters: Mapping[str, Any]
    axes: Mapping[str, str]
    roles: Mapping[str, str]
    phases: tuple[Phase, ...]
    companions: Mapping[str, Array] = field(default_factory=dict)
