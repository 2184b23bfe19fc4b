"""Crops: a part of a layer's outputs, with all that they are computed from, small enough to be stepped through.

A window of a convolution reads a block of its input; several windows side by side read a larger one, and where they
reach over the edge, padding. So the part of a layer that makes some of its outputs is a layer of the same kind on a
block of the input. What is cut is exact: the same products, summed in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.arrays import Array, to_numpy
from tinycnn.function import Function, no_grad
from tinycnn.functional.activation import LeakyReLU, ReLU, Sigmoid, Tanh
from tinycnn.functional.convolution import Conv2d
from tinycnn.functional.linear import Linear
from tinycnn.functional.loss import CrossEntropy
from tinycnn.functional.normalization import LocalResponseNorm
from tinycnn.functional.pooling import AvgPool2d, MaxPool2d
from tinycnn.geometry import Axis, PoolGeometry
from tinycnn.inspect.trace import trace
from tinycnn.inspect.trace.lesson import Call
from tinycnn.inspect.trace.record import TOLERANCE, Trace, largest_difference
from tinycnn.inspect.trace.run import in_double, run
from tinycnn.tensor import Tensor

Part = tuple[slice, ...]
"""For each axis of an output, its first entry and the one after its last."""

Cut = tuple[Callable[..., Tensor], tuple[Array, ...]]
"""A function, and the arrays on which it gives a part of an output."""


@dataclass(frozen=True)
class Crop:
    """A part of an operation, as an operation of its own.

    Attributes
    ----------
    call
        The whole.
    part
        Which outputs are computed.
    function, arrays
        What computes them, and on what.
    """

    call: Call
    part: Part
    function: Callable[..., Tensor]
    arrays: tuple[Array, ...]

    @property
    def output(self) -> Array:
        """The part as the whole computed it."""
        return to_numpy(self.call.output[self.part])

    @property
    def upstream(self) -> Array | None:
        """Gradient of the part; None where the whole has none."""
        return None if self.call.grad is None else to_numpy(self.call.grad[self.part])

    def trace(self) -> Trace:
        """Record its steps, and say in the record which part of which output they make.

        Gradients of what several outputs read hold the share of those that are shown.

        Raises
        ------
        ValueError
            When the operation has no steps to show.
        TooLargeError
            When the part still takes more steps than a page can show.
        AssertionError
            When the part gives other numbers than the whole: then one of them is wrong.
        """
        self._hold_against_the_whole()
        made = trace(self.function, *self.arrays, backward=self.upstream is not None, upstream=self.upstream)
        whole = {
            "output": list(self.output.shape),
            "of": list(self.call.output.shape),
            "start": [axis.start for axis in self.part],
        }
        operations = [{**operation, "crop": whole} for operation in made.operations]
        return Trace({**made.record, "operations": operations})

    def _hold_against_the_whole(self) -> None:
        expected = self.output
        with no_grad():
            found = self.function(*(Tensor(array.astype(np.float64)) for array in self.arrays)).data
        difference = largest_difference(found, expected)
        largest = float(np.max(np.abs(expected), initial=1.0, where=np.isfinite(expected)))
        if not difference <= TOLERANCE[str(expected.dtype)] * largest:
            raise AssertionError(
                f"{type(self.call.function).__name__}: its part {told(self.part)} differs from the whole by "
                f"{difference:g}; please report it"
            )


def trace_part(fn: Callable[..., Any], *arrays: Any, part: Sequence[Any], upstream: Any = None) -> Trace:
    """Record the steps by which an operation makes some of its outputs, where all of them would be too many.

    Parameters
    ----------
    fn, arrays, upstream
        As for `tinycnn.trace`; ``fn`` calls one operation.
    part
        For each axis of the output, a slice or a number.

    Returns
    -------
    Trace
        Its record says which part of which output is shown.

    Raises
    ------
    ValueError
        When ``fn`` calls several operations, or the part is none of the output.
    TooLargeError
        When the part is too large as well.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> image = np.ones((1, 3, 224, 224))
    >>> trace_part(tc.functional.relu, image, part=(0, 0, slice(100, 102), slice(100, 104)))
    Trace of relu: 16 steps
    """
    calls = run(in_double(fn), arrays, upstream=upstream).calls
    if len(calls) != 1:
        raise ValueError(f"a part is shown of one operation, and this function calls {len(calls)}: trace one alone")
    return cropped(next(iter(calls.values())), part).trace()


def cropped(call: Call, part: Sequence[Any]) -> Crop:
    """Cut what computes some outputs of an operation out of what computes all of them.

    Parameters
    ----------
    call
        The operation as it ran.
    part
        For each axis of the output, a slice or a number. Local response normalisation needs all channels,
        cross-entropy everything; of a convolution in groups, channels of one group, or all of several.

    Raises
    ------
    ValueError
        When the part is none of the output, or cannot be computed alone.
    """
    cut = CUTS.get(type(call.function))
    if cut is None:
        names = ", ".join(kind.__name__ for kind in CUTS)
        raise ValueError(f"{type(call.function).__name__} cannot be cropped: of {names}, a part can be shown")
    of = _part(call, part)
    inputs = tuple(to_numpy(array) for array in call.inputs)
    return Crop(call, of, *cut(replace(call, inputs=inputs), of))


def told(part: Part) -> str:
    """A part as Python writes it.

    Examples
    --------
    >>> told((slice(0, 1), slice(2, 6)))
    '[0:1, 2:6]'
    """
    return f"[{', '.join(f'{axis.start}:{axis.stop}' for axis in part)}]"


def _part(call: Call, part: Sequence[Any]) -> Part:
    """Slices with numbers, checked against the output."""
    name, shape = type(call.function).__name__, call.output.shape
    if len(part) != len(shape):
        raise ValueError(f"{name}: a part of an output {shape} has {len(shape)} axes, got {len(part)}")
    given = [axis if isinstance(axis, slice) else slice(axis, axis + 1) for axis in part]
    found = []
    for axis, size in zip(given, shape, strict=True):
        start, stop, step = axis.start or 0, size if axis.stop is None else axis.stop, axis.step or 1
        if step != 1 or not 0 <= start < stop <= size:
            raise ValueError(f"{name}: {start}:{stop} in steps of {step} is no part of an axis of {size} entries")
        found.append(slice(start, stop))
    return tuple(found)


def _convolution(call: Call, part: Part) -> Cut:
    assert isinstance(call.function, Conv2d)
    g = call.function.geometry
    x, weight, *bias = call.inputs
    images, kernels, p, q = part
    channels, groups = _groups(g.K // g.groups, g.C // g.groups, kernels)
    rows, top, bottom = _window(g.rows, p)
    columns, left, right = _window(g.columns, q)
    options: dict[str, Any] = {
        "stride": g.stride,
        "padding": (top, bottom, left, right),
        "dilation": g.dilation,
        "groups": groups,
    }
    return (
        partial(F.conv2d, **options, algorithm="direct"),
        (x[images, channels, rows, columns], weight[kernels], *(b[kernels] for b in bias)),
    )


def _groups(K: int, C: int, kernels: slice) -> tuple[slice, int]:
    """Input channels that some kernels read, and in how many groups, where a group has K kernels and C channels."""
    first, last = kernels.start // K, (kernels.stop - 1) // K
    if first != last and (kernels.start % K or kernels.stop % K):
        raise ValueError(
            f"Conv2d: kernels {kernels.start}:{kernels.stop} are parts of several groups of {K}: choose those of one "
            f"group, {first * K}:{(first + 1) * K}, or of whole groups"
        )
    return slice(first * C, (last + 1) * C), last - first + 1


def _window(axis: Axis, outputs: slice) -> tuple[slice, int, int]:
    """Input cells along one axis that windows side by side read, and the padding before and after them."""
    first = outputs.start * axis.stride - axis.lead
    end = (outputs.stop - 1) * axis.stride - axis.lead + axis.extent
    cells = slice(max(first, 0), min(end, axis.size))
    if cells.start >= cells.stop:
        raise ValueError(f"outputs {outputs.start}:{outputs.stop} read nothing but padding: choose others")
    return cells, max(-first, 0), min(max(end - axis.size, 0), axis.trail)


def _pooling(call: Call, part: Part) -> Cut:
    assert isinstance(call.function, (MaxPool2d, AvgPool2d))
    geometry: PoolGeometry = call.function.geometry
    images, channels, p, q = part
    rows, top, bottom = _window(geometry.rows, p)
    columns, left, right = _window(geometry.columns, q)
    options: dict[str, Any] = {
        "kernel_size": (geometry.R, geometry.S),
        "stride": geometry.stride,
        "padding": (top, bottom, left, right),
        "ceil_mode": geometry.rows.ceil_mode,
    }
    pool: Callable[..., Tensor] = F.max_pool2d
    if isinstance(call.function, AvgPool2d):
        pool, options["count_include_pad"] = F.avg_pool2d, call.function.include_pad
    return partial(pool, **options), (call.inputs[0][images, channels, rows, columns],)


def _entries(call: Call, part: Part) -> Cut:
    """Of what is computed entry by entry."""
    function = call.function
    operation: dict[type[Function], Callable[..., Tensor]] = {ReLU: F.relu, Tanh: F.tanh, Sigmoid: F.sigmoid}
    if isinstance(function, LeakyReLU):
        operation[LeakyReLU] = partial(F.leaky_relu, negative_slope=function.negative_slope)
    return operation[type(function)], (call.inputs[0][part],)


def _response_norm(call: Call, part: Part) -> Cut:
    assert isinstance(call.function, LocalResponseNorm)
    _require_all("LocalResponseNorm", part[1], call.output.shape[1], "channels")
    size, scale, beta, k = (getattr(call.function, name) for name in ("size", "scale", "beta", "k"))
    norm = partial(F.local_response_norm, size=size, alpha=scale, beta=beta, k=k, average=False)
    return norm, (call.inputs[0][part],)


def _linear(call: Call, part: Part) -> Cut:
    x, weight, *bias = call.inputs
    return F.linear, (x[part[:-1]], weight[part[-1]], *(b[part[-1]] for b in bias))


def _cross_entropy(call: Call, part: Part) -> Cut:
    function = call.function
    assert isinstance(function, CrossEntropy)
    for axis, size in zip(part, call.output.shape, strict=True):
        _require_all("CrossEntropy", axis, size, "losses")
    q = to_numpy(function.q)
    return lambda logits: CrossEntropy(q.astype(logits.dtype))(logits), (call.inputs[0],)


def _require_all(name: str, axis: slice, size: int, what: str) -> None:
    if axis != slice(0, size):
        raise ValueError(f"{name}: all {size} {what} are computed together, got {axis.start}:{axis.stop}")


CUTS: dict[type[Function], Callable[[Call, Part], Cut]] = {
    Conv2d: _convolution,
    MaxPool2d: _pooling,
    AvgPool2d: _pooling,
    ReLU: _entries,
    LeakyReLU: _entries,
    Tanh: _entries,
    Sigmoid: _entries,
    LocalResponseNorm: _response_norm,
    Linear: _linear,
    CrossEntropy: _cross_entropy,
}
"""How to cut a part of what a node computes."""
