"""What a convolution's passes must give, and how far each algorithm may be from it; geometries to hold them to.

The truth is computed in float64 from the very numbers that an algorithm is given, so that all that is measured is the
algorithm's own rounding.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinycnn as tc
from tests.backends import running, to_backend, to_numpy
from tests.cases import laid_out, seeds
from tests.kernels.test_fft import bounds as fft_bounds
from tinycnn.backend import convolution, load_kernels
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels.loops import convolution as conv_loops
from tinycnn.kernels.numpy import conv_im2col
from tinycnn.kernels.numpy.winograd_transform import refusal, tiling

Array = np.ndarray

PASSES = {"forward": "y", "backward_input": "dx", "backward_weight": "dw"}
DTYPES = np.float32, np.float64
LAYOUTS = "contiguous", "fortran", "channels_last", "strided", "reversed", "read_only"


@dataclass(frozen=True)
class Drawn:
    """A convolution by its axes, since no padding= says a negative pad, with the seed of its data."""

    geometry: ConvGeometry
    seed: int = 0
    layout: str = "contiguous"
    nothing: str = ""  # which of x, weight and grad is all zeros
    biased: bool = True

    def arrays(self, dtype: Any) -> dict[str, Array]:
        """x, weight, grad and bias of this dtype."""
        rng, g = np.random.default_rng(self.seed), self.geometry
        shapes = {"x": g.input_shape, "weight": g.weight_shape, "grad": g.output_shape, "bias": (g.K,)}
        drawn = {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}
        if self.nothing:
            drawn[self.nothing][...] = 0
        return drawn


def all_passes(
    module: ModuleType, arrays: dict[str, Array], geometry: ConvGeometry, biased: bool = True
) -> list[Array]:
    """Y, dx and dw of one algorithm."""
    x, weight, grad, bias = (arrays[name] for name in ("x", "weight", "grad", "bias"))
    return [
        module.forward(x, weight, bias if biased else None, geometry),
        module.backward_input(grad, weight, geometry),
        module.backward_weight(grad, x, geometry),
    ]


class Truth:
    """The three results, and for each entry the sum of the products' magnitudes, on which its rounding depends."""

    def __init__(self, drawn: Drawn, dtype: Any, reference: ModuleType = conv_loops):
        self.drawn, self.dtype, self.geometry = drawn, np.dtype(dtype), drawn.geometry
        self.given = drawn.arrays(dtype)
        exact = {name: array.astype(np.float64) for name, array in self.given.items()}
        self.results = all_passes(reference, exact, self.geometry, drawn.biased)
        sizes = {name: np.abs(array) for name, array in exact.items()}
        self.sizes = all_passes(conv_im2col, sizes, self.geometry, drawn.biased)

    @cached_property
    def squares(self) -> list[Array]:
        """Σ (products²) for each entry: what its square is on average over random signs."""
        squares = {name: array.astype(np.float64) ** 2 for name, array in self.given.items()}
        return all_passes(conv_im2col, squares, self.geometry, biased=False)

    @property
    def lengths(self) -> tuple[int, int, int]:
        """Products in one entry of each result."""
        g = self.geometry
        return g.C // g.groups * g.R * g.S, g.K // g.groups * g.R * g.S, g.N * g.P * g.Q

    def allowed(self, algorithm: str) -> list[Any]:
        """How far each result may be from the truth."""
        eps = np.finfo(self.dtype).eps
        if algorithm == "fft":
            return self._fft_bounds(eps)
        if algorithm == "winograd":
            return self._winograd_bounds(eps)
        # A sum of n terms, in any order, is off by n · eps/2 · Σ |terms| at worst, and by √n of it as a rule.
        lengths = zip(self.lengths, self.sizes, strict=True)
        return [(2 + np.sqrt(length)) * eps * size for length, size in lengths]

    def _fft_bounds(self, eps: float) -> list[Any]:
        """What the module's docstring promises, and the rounding of adding the bias."""
        x, weight, grad = (self.given[name] for name in ("x", "weight", "grad"))
        if not self.geometry.N:
            return [0.0] * 3
        planes = fft_bounds(x, weight, grad, self.geometry)
        scaled = [plane[..., None, None] * (eps / np.finfo(np.float32).eps) for plane in planes]
        return [scaled[0] + eps * self.sizes[0], *scaled[1:]]

    def _winograd_bounds(self, eps: float) -> list[Array]:
        """2e-5 · rms · max(1, √(L / 64)) in float32, in float64 as much less as its numbers are finer.

        L counts the channels summed over, or a sixteenth of the tiles. The rms is that of the result; where that has
        so few entries that all may be near 0 by chance, it is the one that random signs give on average.
        """
        g = self.geometry
        tiles = g.N * np.prod([-(-size // tiling(g).m) for size in (g.P, g.Q)])
        lengths = g.C // g.groups, g.K // g.groups, tiles / 16
        made = []
        for length, result, square in zip(lengths, self.results, self.squares, strict=True):
            rms = np.sqrt((square if square.size <= 1000 else result**2).mean()) if square.size else 0.0
            made.append(2e-5 * eps / np.finfo(np.float32).eps * rms * max(1, np.sqrt(length / 64)))
        made[0] = made[0] + eps * self.sizes[0]  # the bias
        return made


def algorithms(geometry: ConvGeometry) -> Iterator[tuple[str, str]]:
    """Every backend with each of its algorithms that can run a geometry."""
    for backend in tc.available_backends():
        for algorithm in load_kernels(backend).algorithms:
            if algorithm != "winograd" or not refusal(geometry):
                yield backend, algorithm


def assert_true(truth: Truth, backend: str, algorithm: str) -> None:
    """All passes of one algorithm are within its bound of the truth, and exactly 0 where no product is not 0."""
    drawn, kernels = truth.drawn, load_kernels(backend)
    with running(backend):
        given = {name: to_backend(laid_out(array, drawn.layout)) for name, array in truth.given.items()}
    passes = type("Passes", (), {name: convolution(kernels, algorithm, name, truth.geometry) for name in PASSES})
    for function in PASSES:
        setattr(passes, function, staticmethod(getattr(passes, function)))
    with np.errstate(invalid="ignore"):  # a BLAS may compute with what memory held before, and not use it
        made = [to_numpy(array) for array in all_passes(passes, given, truth.geometry, drawn.biased)]
    results = zip(PASSES.values(), made, truth.results, truth.sizes, truth.allowed(algorithm), strict=True)
    for what, actual, expected, size, allowed in results:
        told = f"{what} of {backend}'s {algorithm} in {truth.dtype}"
        assert actual.shape == expected.shape, told
        assert actual.dtype == truth.dtype, told
        error = np.abs(actual - expected)
        if not (error <= allowed).all():  # written so that NaN fails too
            ratio = np.nan_to_num(error / np.where(allowed == 0, 1e-300, allowed), nan=np.inf)
            place = np.unravel_index(ratio.argmax(), error.shape)
            raise AssertionError(
                f"{told} at {tuple(map(int, place))} is {actual[place]!r}, expected {expected[place]!r}, "
                f"off by {ratio[place]:.3g} times what is allowed"
            )
        assert not actual[size == 0].any(), f"{told} is not exactly 0 where there is nothing"
    for name, array in given.items():
        assert np.array_equal(to_numpy(array), truth.given[name]), f"{told} changed {name}"


# Geometries


@st.composite
def _axes(draw: st.DrawFn, everyday: int) -> Axis:
    """One axis in which a window fits: kernels as large as the padded input, remainders, pads down to −3 at the end."""
    if everyday:
        kernel, stride, dilation = everyday, 1, 1
        lead = draw(st.integers(0, everyday + 1))
    else:
        kernel, stride, dilation = (draw(st.integers(1, most)) for most in (5, 3, 3))
        lead = draw(st.integers(0, 3))
    trail = draw(st.sampled_from((0, 1, 2, 3, lead, lead, -1, -2, -3)))
    smallest = max(1, dilation * (kernel - 1) + 1 - lead - trail)
    return Axis(draw(st.integers(smallest, smallest + 7)), kernel, stride, lead, trail, dilation)


@st.composite
def drawn_convolutions(draw: st.DrawFn, most_terms: int) -> Drawn:
    """Any convolution of so many products at most; a third are such as Winograd takes."""
    everyday = draw(st.sampled_from((0, 0, 0, 0, 3, 5)))
    rows, columns = draw(_axes(everyday)), draw(_axes(everyday))
    room = max(1, most_terms // (rows.out * columns.out * rows.kernel * columns.kernel))
    sizes = []
    for choices in ((1, 1, 2, 3, 33), (1, 1, 2, 3), (1, 2, 3, 7, 17, 33), (1, 2, 3, 7, 17, 33)):
        fitting = [size for size in choices if size <= room]
        sizes.append(draw(st.sampled_from(fitting)))
        room //= sizes[-1]
    N, groups, C, K = sizes if draw(st.booleans()) else (*sizes[:2], *sizes[:1:-1])
    return Drawn(
        ConvGeometry(rows, columns, N, groups * C, groups * K, groups),
        draw(seeds),
        draw(st.sampled_from(LAYOUTS)),
        draw(st.sampled_from(("", "", "", "", "", "x", "weight", "grad"))),
        draw(st.booleans()),
    )
