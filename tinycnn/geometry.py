"""Sizes of convolution and pooling: which input cell meets which kernel cell, how many outputs, at what cost.

Letters, as in cuDNN: N images, C input channels, H x W input, K output channels, R x S kernel, P x Q output, G groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]  # top, bottom, left, right
Numbers = tuple[int, int, int, int, int, int]  # what an Axis of a convolution is made of


@dataclass(frozen=True)
class Axis:
    """One spatial axis under a sliding window.

    Output ``i`` under kernel cell ``offset`` reads input ``i * stride + offset * dilation - lead``.
    """

    size: int
    kernel: int
    stride: int = 1
    lead: int = 0
    trail: int = 0
    dilation: int = 1
    ceil_mode: bool = False

    @property
    def extent(self) -> int:
        """Input cells from the first to the last that one window spans."""
        return self.dilation * (self.kernel - 1) + 1

    @cached_property
    def out(self) -> int:
        """Number of windows: floor((size + lead + trail - dilation * (kernel - 1) - 1) / stride) + 1.

        With ``ceil_mode`` the division rounds up, and a last window that would start beyond the input and its
        leading pad is dropped (PyTorch's rule). Below one where no window fits.
        """
        room = self.size + self.lead + self.trail - self.extent
        if not self.ceil_mode:
            return room // self.stride + 1
        windows = -(-room // self.stride) + 1
        starts_outside = (windows - 1) * self.stride >= self.size + self.lead
        return windows - 1 if starts_outside else windows

    def meet(self, offset: int) -> tuple[slice, slice]:
        """Outputs whose window has kernel cell ``offset`` on a real input cell, and those input cells, in step."""
        shift = offset * self.dilation - self.lead
        first = max(0, -(shift // self.stride))  # smallest i with i * stride + shift >= 0
        last = min(self.out - 1, (self.size - 1 - shift) // self.stride)
        if last < first:
            return slice(0, 0), slice(0, 0)
        start = first * self.stride + shift
        return slice(first, last + 1), slice(start, start + (last - first) * self.stride + 1, self.stride)


class Tap(NamedTuple):
    """One kernel cell (r, s) and what it touches: ``output[p, q]`` meets ``input[h, w]``, padding left out."""

    r: int
    s: int
    p: slice
    q: slice
    h: slice
    w: slice


@lru_cache(maxsize=1024)
def _taps(rows: Axis, columns: Axis) -> tuple[Tap, ...]:
    return tuple(
        Tap(r, s, p, q, h, w)
        for r, (p, h) in enumerate(map(rows.meet, range(rows.kernel)))
        for s, (q, w) in enumerate(map(columns.meet, range(columns.kernel)))
    )


@dataclass(frozen=True)
class WindowGeometry:
    """A window sliding over the rows and columns of an image."""

    rows: Axis
    columns: Axis

    @property
    def H(self) -> int:
        """Input height."""
        return self.rows.size

    @property
    def W(self) -> int:
        """Input width."""
        return self.columns.size

    @property
    def R(self) -> int:
        """Kernel height."""
        return self.rows.kernel

    @property
    def S(self) -> int:
        """Kernel width."""
        return self.columns.kernel

    @property
    def P(self) -> int:
        """Output height."""
        return self.rows.out

    @property
    def Q(self) -> int:
        """Output width."""
        return self.columns.out

    @property
    def stride(self) -> Pair:
        """Steps between windows, down and across."""
        return self.rows.stride, self.columns.stride

    @property
    def dilation(self) -> Pair:
        """Steps between kernel cells, down and across."""
        return self.rows.dilation, self.columns.dilation

    @property
    def padding(self) -> Pads:
        """Cells added at the top, bottom, left and right."""
        return self.rows.lead, self.rows.trail, self.columns.lead, self.columns.trail

    @property
    def taps(self) -> tuple[Tap, ...]:
        """Every kernel cell, row by row, with the output and input cells it joins."""
        return _taps(self.rows, self.columns)

    def __str__(self) -> str:
        return (
            f"{self.R}x{self.S} over {self.H}x{self.W} -> {self.P}x{self.Q} "
            f"(stride {self.stride}, padding {self.padding}, dilation {self.dilation})"
        )


@dataclass(frozen=True)
class ConvGeometry(WindowGeometry):
    """A 2-D convolution: (N, C, H, W) with (K, C/G, R, S) -> (N, K, P, Q)."""

    N: int
    C: int
    K: int
    groups: int = 1

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Computed once: a table of algorithms is asked in every pass of every convolution."""
        return hash((self.rows, self.columns, self.N, self.C, self.K, self.groups))

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W)."""
        return self.N, self.C, self.H, self.W

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(K, C/G, R, S)."""
        return self.K, self.C // self.groups, self.R, self.S

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, K, P, Q)."""
        return self.N, self.K, self.P, self.Q

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one pass, counted as direct convolution: N·K·P·Q · C/G·R·S."""
        return self.N * self.K * self.P * self.Q * (self.C // self.groups) * self.R * self.S

    @property
    def flops(self) -> int:
        """Floating-point operations of one pass, two per multiply-add."""
        return 2 * self.multiply_adds

    def least_bytes(self, itemsize: int = 4) -> int:
        """Bytes that any algorithm must move: the input and the weight read once, the output written once."""
        return itemsize * sum(int(np.prod(s)) for s in (self.input_shape, self.weight_shape, self.output_shape))

    def column_bytes(self, itemsize: int = 4) -> int:
        """Bytes of the full im2col matrix, C·R·S by N·P·Q."""
        return itemsize * self.C * self.R * self.S * self.N * self.P * self.Q


@dataclass(frozen=True)
class PoolGeometry(WindowGeometry):
    """A 2-D pooling window: (N, C, H, W) -> (N, C, P, Q)."""

    def count(self, include_pad: bool) -> Array:
        """How many cells each window averages over: (P, Q).

        With ``include_pad`` every cell inside the padded input counts, else real input cells only. What a window of
        ``ceil_mode`` reaches beyond the padded input never counts.
        """
        return np.multiply.outer(_cells(self.rows, include_pad), _cells(self.columns, include_pad))


@lru_cache(maxsize=1024)
def _cells(axis: Axis, include_pad: bool) -> Array:
    """Cells of each window along one axis that lie inside the (padded) input: (out,)."""
    start = np.arange(axis.out) * axis.stride - axis.lead
    low, high = (-axis.lead, axis.size + axis.trail) if include_pad else (0, axis.size)
    return np.minimum(start + axis.kernel, high) - np.maximum(start, low)


def conv_geometry(
    name: str,
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> ConvGeometry:
    """Check the arguments of a convolution called ``name`` and derive its geometry.

    Parameters
    ----------
    name
        The operation, for error messages.
    input_shape, weight_shape
        (N, C, H, W) and (K, C/G, R, S).
    stride, dilation
        A positive int or a pair (down, across).
    padding
        An int, (h, w), (top, bottom, left, right), ``"valid"``, ``"same"`` (stride 1; an odd cell goes to the bottom
        right) or ``"full"`` (dilation · (kernel − 1) on each side).
    groups
        Divides C and K.

    Raises
    ------
    ValueError, TypeError
        In one sentence, with the nearest fix.
    """
    N, C, H, W = input_shape
    K, channels, R, S = weight_shape
    if min(R, S, channels, K) < 1:
        raise ValueError(f"{name}: a weight of shape {tuple(weight_shape)} is empty; every size must be at least 1")
    groups = positive(name, "groups", groups)
    if channels * groups != C:
        raise ValueError(_channel_mistake(name, input_shape, weight_shape, groups))
    if K % groups:
        raise ValueError(
            f"{name}: groups={groups} does not divide the {K} output channels; "
            f"use a multiple of {groups} kernels or another groups"
        )
    stride, dilation = pair(name, "stride", stride), pair(name, "dilation", dilation)
    top, bottom, left, right = _conv_pads(name, padding, (R, S), stride, dilation)
    rows = (H, R, stride[0], top, bottom, dilation[0])
    geometry = _conv_geometry(rows, (W, S, stride[1], left, right, dilation[1]), N, C, K, groups)
    _require_fit(name, "kernel", geometry.rows, geometry.columns, " or a smaller kernel")
    return geometry


@lru_cache(maxsize=1024)
def _conv_geometry(rows: Numbers, columns: Numbers, N: int, C: int, K: int, groups: int) -> ConvGeometry:
    """One object for equal geometries, so that what one has worked out the next one need not."""
    return ConvGeometry(Axis(*rows), Axis(*columns), N, C, K, groups)


def pool_geometry(
    name: str,
    input_shape: tuple[int, ...],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
) -> PoolGeometry:
    """Check the arguments of a pooling called ``name`` and derive its geometry.

    ``stride`` defaults to ``kernel_size``; each side's padding must be smaller than the kernel, so that every window
    holds a real cell.

    Raises
    ------
    ValueError, TypeError
        In one sentence, with the nearest fix.
    """
    H, W = input_shape[-2:]
    R, S = pair(name, "kernel_size", kernel_size)
    stride = (R, S) if stride is None else pair(name, "stride", stride)
    top, bottom, left, right = pads(name, padding)
    if max(top, bottom) >= R or max(left, right) >= S:
        raise ValueError(
            f"{name}: padding {padding} leaves windows of {R}x{S} that hold no input at all; "
            f"use at most {R - 1 if R == S else (R - 1, S - 1)}"
        )
    rows = _pool_axis(H, R, stride[0], top, bottom, 1, bool(ceil_mode))
    columns = _pool_axis(W, S, stride[1], left, right, 1, bool(ceil_mode))
    _require_fit(
        name, "window", rows, columns, ", a smaller kernel_size, or F.global_max_pool2d for one value a channel"
    )
    return PoolGeometry(rows, columns)


_pool_axis = lru_cache(maxsize=1024)(Axis)  # one object for equal axes, as `_conv_geometry`


def positive(name: str, argument: str, value: Any) -> int:
    """Return ``value`` as an int of at least 1, or raise an error that names the argument and the value."""
    number = _integer(name, argument, value)
    if number < 1:
        raise ValueError(f"{name}: {argument} must be at least 1, got {value}")
    return number


def pair(name: str, argument: str, value: Any) -> Pair:
    """Return an int or a pair of them as a pair of positive ints, (down, across)."""
    if type(value) is int and value > 0:
        return value, value  # told at a glance, as a layer asks each time it runs
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        raise ValueError(f"{name}: {argument} must be one int or two (down, across), got {value}")
    return positive(name, argument, values[0]), positive(name, argument, values[1])


def pads(name: str, value: Any) -> Pads:
    """Return a padding as (top, bottom, left, right); an int pads every side, a pair (h, w) both sides of each axis."""
    if type(value) is int and value >= 0:
        return value, value, value, value
    sides = tuple(_integer(name, "padding", v) for v in (value if isinstance(value, (tuple, list)) else (value,)))
    if min(sides, default=-1) < 0 or len(sides) not in (1, 2, 4):
        raise ValueError(
            f"{name}: padding must be an int of at least 0, (h, w) or (top, bottom, left, right), got {value!r}; "
            "to crop, index the tensor"
        )
    top, bottom, left, right = sides if len(sides) == 4 else (sides[0], sides[0], sides[-1], sides[-1])
    return top, bottom, left, right


def _integer(name: str, argument: str, value: Any) -> int:
    if type(value) is not int and (isinstance(value, bool) or not isinstance(value, (int, np.integer))):
        raise TypeError(f"{name}: {argument} must be an int, got {value!r}")
    return int(value)


def _conv_pads(name: str, padding: Any, kernel: Pair, stride: Pair, dilation: Pair) -> Pads:
    if not isinstance(padding, str):
        return pads(name, padding)
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if padding == "valid":
        return 0, 0, 0, 0
    if padding == "full":
        return reach[0], reach[0], reach[1], reach[1]
    if padding != "same":
        raise ValueError(f'{name}: padding {padding!r} is unknown; the words are "valid", "same" and "full"')
    if stride != (1, 1):
        raise ValueError(
            f'{name}: padding="same" needs stride 1, got stride {stride}; '
            f"padding=({reach[0] // 2}, {reach[1] // 2}) is the usual choice with a stride"
        )
    return reach[0] // 2, reach[0] - reach[0] // 2, reach[1] // 2, reach[1] - reach[1] // 2


def _channel_mistake(name: str, input_shape: tuple[int, ...], weight_shape: tuple[int, ...], groups: int) -> str:
    C, channels = input_shape[1], weight_shape[1]
    told = f"{name}: the weight {tuple(weight_shape)} takes {channels * groups} input channels"
    if groups > 1:
        told += f" ({channels} in each of {groups} groups)"
    told += f", the input {tuple(input_shape)} has {C}"
    if input_shape[3] == channels * groups:
        return told + ": the channels seem to be last; x.permute(0, 3, 1, 2) puts them first"
    if groups == 1 and C % channels == 0:
        return told + f"; with groups={C // channels} it would fit"
    if groups > 1 and channels == C:
        return told + "; the weight's second size counts the channels of one group, C/groups"
    return told


def _require_fit(name: str, what: str, rows: Axis, columns: Axis, remedy: str) -> None:
    if rows.out >= 1 and columns.out >= 1:
        return
    window, size = f"{rows.kernel}x{columns.kernel}", f"{rows.size}x{columns.size}"
    if (rows.dilation, columns.dilation) != (1, 1):
        window += f" (dilated to {rows.extent}x{columns.extent})"
    if rows.size < 1 or columns.size < 1:
        raise ValueError(f"{name}: the input has no cells ({size}), so a {window} {what} never fits")
    padding = (rows.lead, rows.trail, columns.lead, columns.trail)
    given = f"padding {padding[0] if len(set(padding)) == 1 else padding}"
    # The least that is equal on both sides, on neither less than now, and with which a window fits.
    more = tuple(max(a.lead, a.trail, -(-(a.extent - a.size) // 2)) for a in (rows, columns))
    advice = more[0] if more[0] == more[1] else more
    raise ValueError(f"{name}: a {window} {what} never fits a {size} input with {given}. Use padding={advice}{remedy}.")
