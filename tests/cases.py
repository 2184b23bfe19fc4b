"""What to test on: Hypothesis strategies for geometries, memory layouts and the data that a seed stands for."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from tinycnn.geometry import ConvGeometry, PoolGeometry, conv_geometry, pool_geometry

Array = np.ndarray
LONG = os.environ.get("TINYCNN_TEST_PROFILE") == "full"  # the long campaign: see .ci/run

LAYOUTS = ("contiguous", "fortran", "channels_last", "strided", "reversed", "read_only", "byte_swapped")

seeds = st.integers(0, 2**32 - 1)
layouts = st.sampled_from(LAYOUTS)


def examples(count: int) -> Callable[[Any], Any]:
    """Draw ``count`` cases, and as many times more under a profile as its own number is above 100."""
    # One failure at a time: an exception group would hide the AssertionError that tests of the tests look for.
    return settings(max_examples=max(1, count * settings.default.max_examples // 100), report_multiple_bugs=False)


def normal(seed: int, *shape: int, dtype: Any = np.float64) -> Array:
    """Standard normal data of one seed."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def away_from_zero(array: Array, distance: float = 0.1) -> Array:
    """The same signs, every entry at least ``distance`` from 0: for functions with a kink or a pole there."""
    return array + np.copysign(distance, array)


def all_apart(seed: int, *shape: int) -> Array:
    """Shuffled numbers no two of which are closer than 0.01, so that a small step changes no maximum."""
    size = int(np.prod(shape))
    return np.random.default_rng(seed).permutation((np.arange(size) - size // 2) * 0.01).reshape(shape)


def laid_out(array: Array, layout: str) -> Array:
    """The same values, another arrangement in memory; the gaps of a strided array hold NaN, to be seen where read."""
    array = np.asarray(array)
    if layout == "fortran" and array.ndim:
        return np.asfortranarray(array)
    if layout == "channels_last" and array.ndim > 2:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
    if layout == "strided" and array.ndim:
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1] + 1), np.nan, array.dtype)
        wide[..., 1::2] = array
        return wide[..., 1::2]
    if layout == "reversed" and array.ndim:
        backwards = (..., *[slice(None, None, -1)] * min(array.ndim, 2))
        return np.ascontiguousarray(array[backwards])[backwards]
    if layout == "byte_swapped":
        return array.astype(array.dtype.newbyteorder())
    array = array.copy()
    array.flags.writeable = layout != "read_only"
    return array


@dataclass(frozen=True)
class ConvCase:
    """A convolution, the layout of its arrays, and the seed of its data."""

    N: int
    C: int
    K: int
    groups: int
    H: int
    W: int
    R: int
    S: int
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    layout: str
    seed: int

    @property
    def options(self) -> dict[str, Any]:
        """What conv2d is called with."""
        return {name: getattr(self, name) for name in ("stride", "padding", "dilation", "groups")}

    @property
    def geometry(self) -> ConvGeometry:
        """The geometry that kernels take."""
        weight_shape = self.K, self.C // self.groups, self.R, self.S
        return conv_geometry("conv2d", (self.N, self.C, self.H, self.W), weight_shape, **self.options)

    def arrays(self, dtype: Any = np.float64, layout: str | None = None) -> tuple[Array, Array, Array]:
        """Input, weight and bias."""
        rng, g = np.random.default_rng(self.seed), self.geometry
        drawn = [rng.standard_normal(shape).astype(dtype) for shape in (g.input_shape, g.weight_shape, (g.K,))]
        x, weight, bias = (laid_out(array, layout or self.layout) for array in drawn)
        return x, weight, bias

    def upstream(self, dtype: Any = np.float64) -> Array:
        """A gradient of the output."""
        return np.random.default_rng([self.seed, 1]).standard_normal(self.geometry.output_shape).astype(dtype)


@st.composite
def _conv_axis(draw: st.DrawFn, kernels: st.SearchStrategy[int], steps: st.SearchStrategy[int]) -> tuple[int, ...]:
    """Size, kernel, stride, leading and trailing pad, dilation of one axis, in which the kernel fits."""
    kernel, stride, dilation = draw(kernels), draw(steps), draw(steps)
    lead, trail = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    smallest = max(1, dilation * (kernel - 1) + 1 - lead - trail)  # the kernel as large as the padded input
    return draw(st.integers(smallest, smallest + 5)), kernel, stride, lead, trail, dilation


@st.composite
def conv_cases(draw: st.DrawFn, most_terms: int | None = None, rows: bool = True) -> ConvCase:
    """Any convolution, with a share of the everyday 3x3 at stride 1 that special algorithms are made for.

    ``most_terms`` bounds the multiply-adds, for references in slow loops; without ``rows`` it is one-dimensional.
    """
    everyday = draw(st.sampled_from((False, False, True)))
    steps = st.just(1) if everyday else st.integers(1, 3)
    kernels = st.just(3) if everyday else st.integers(1, 5)
    H, R, down, top, bottom, down_apart = draw(_conv_axis(kernels, steps)) if rows else (1, 1, 1, 0, 0, 1)
    W, S, across, left, right, across_apart = draw(_conv_axis(kernels, steps))
    W += H == W and rows and draw(st.sampled_from((True, True, False)))  # a square hides swapped axes
    groups = 1 if everyday else draw(st.sampled_from((1, 1, 2, 3)))
    C, K = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    case = ConvCase(
        draw(st.integers(1, 3)),
        C,
        K,
        groups,
        H,
        W,
        R,
        S,
        (down, across),
        (top, bottom, left, right),
        (down_apart, across_apart),
        draw(layouts),
        draw(seeds),
    )
    if most_terms and case.geometry.multiply_adds > most_terms:
        return ConvCase(**{**vars(case), "N": 1, "C": groups, "K": groups})
    return case


@dataclass(frozen=True)
class PoolCase:
    """A pooling window, the layout of its input, and the seed of its data."""

    N: int
    C: int
    H: int
    W: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    ceil_mode: bool
    layout: str
    seed: int

    @property
    def options(self) -> dict[str, Any]:
        """What the pooling functions are called with."""
        return {
            "kernel_size": self.kernel,
            "stride": self.stride,
            "padding": self.padding,
            "ceil_mode": self.ceil_mode,
        }

    @property
    def geometry(self) -> PoolGeometry:
        """The geometry that kernels take."""
        return pool_geometry("pool", (self.N, self.C, self.H, self.W), **self.options)

    def image(self, dtype: Any = np.float64) -> Array:
        """An input without ties."""
        return laid_out(all_apart(self.seed, self.N, self.C, self.H, self.W).astype(dtype), self.layout)

    def coarse_image(self, dtype: Any = np.float64) -> Array:
        """An input of few values, so that most windows hold their maximum more than once."""
        values = np.random.default_rng(self.seed).integers(-3, 0, (self.N, self.C, self.H, self.W))
        return laid_out(values.astype(dtype), self.layout)


@st.composite
def _pool_axis(draw: st.DrawFn, ceil_mode: bool, symmetric: bool) -> tuple[int, ...]:
    """Size, kernel, stride, leading and trailing pad of one axis; symmetric pads are at most half the kernel."""
    kernel, stride = draw(st.sampled_from((2, 3, 3, 4, 1))), draw(st.integers(1, 3))
    lead = draw(st.integers(0, kernel // 2 if symmetric else kernel - 1))
    trail = lead if symmetric else draw(st.integers(0, kernel - 1))
    slack = stride - 1 if ceil_mode else 0  # with ceil_mode even a window larger than the padded input may count
    smallest = max(1, kernel - lead - trail - slack)
    return draw(st.integers(smallest, smallest + 5)), kernel, stride, lead, trail


@st.composite
def pool_cases(
    draw: st.DrawFn, symmetric: bool = False, padded: bool = True, ceil_modes: tuple[bool, ...] = (False, True)
) -> PoolCase:
    """Any pooling; ``symmetric`` for padding as PyTorch allows it, equal on both sides and at most half the kernel."""
    ceil_mode = draw(st.sampled_from(ceil_modes))
    H, R, down, top, bottom = draw(_pool_axis(ceil_mode, symmetric))
    W, S, across, left, right = draw(_pool_axis(ceil_mode, symmetric))
    W += H == W and draw(st.sampled_from((True, True, False)))
    if not padded:
        H, W, top, bottom, left, right = H + top + bottom, W + left + right, 0, 0, 0, 0
    return PoolCase(
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        H,
        W,
        (R, S),
        (down, across),
        (top, bottom, left, right),
        ceil_mode,
        draw(layouts),
        draw(seeds),
    )


@st.composite
def shapes(draw: st.DrawFn, smallest_ndim: int = 1, largest_ndim: int = 4, largest: int = 4) -> tuple[int, ...]:
    """A shape with sizes from 1."""
    ndim = draw(st.integers(smallest_ndim, largest_ndim))
    return tuple(draw(st.integers(1, largest)) for _ in range(ndim))
