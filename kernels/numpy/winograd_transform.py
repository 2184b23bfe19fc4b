"""Where the matrices of Winograd's convolution come from: the construction of Cook and Toom, in exact fractions.

A row of m outputs under a filter of r taps, y[i] = Σ_j g[j] · d[i + j], reads a = m + r − 1 inputs and costs m·r
products by definition. Winograd's F(m, r) needs a of them:

    y = Aᵀ [(G g) ⊙ (Bᵀ d)]                           in two dimensions  Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A

The matrices come out of a product of polynomials. Take g(x) with r coefficients and u(x) with m. Their product s(x)
has a coefficients, so its values at a points determine it, and each value costs one product, s(xᵢ) = g(xᵢ) · u(xᵢ):

    evaluate g        rows of G     1, xᵢ, …, xᵢ^(r−1)
    evaluate u        columns of Aᵀ 1, xᵢ, …, xᵢ^(m−1)
    interpolate s     columns of B  the coefficients of Lᵢ(x), which is 1 at xᵢ and 0 at the other points

Together s = B [(G g) ⊙ (A u)], where A stands for the transpose of Aᵀ. For a fixed g this is a matrix times u: the one
whose column i holds g from row i on. Its transpose has g in row i from column i on, and so is the filter, y from d;
transposing the three factors turns s = B diag(G g) A u into y = Aᵀ diag(G g) Bᵀ d.

One of the points may be infinity: evaluating there takes the leading coefficient, and its L(x) is Π (x − xⱼ) over all
finite points.

Each row i has a scale that is free, as long as what its three factors are multiplied by gives 1. Here Lᵢ's denominator
Π (xᵢ − xⱼ) goes into row i of G, as in Lavin and Gray: with points that are halves and integers Aᵀ and Bᵀ are then
exact in binary, and G alone is rounded, each row by one common factor. Accuracy is not the reason: the largest error
over the rms of the result, float32, F(4x4, 3x3), 64 channels, mean of 20 runs, is 1.03e-5 with the denominators in G,
0.99e-5 with them in Bᵀ and 1.02e-5 in Aᵀ. Powers of two as scales change no digit.

The points are what counts. By the same measure, mean of 8: 0, ±1, 2, −1/2, ∞ give 1.1e-5, Lavin's 0, ±1, ±2, ∞ give
2.6e-5 and 0, ±1, ±1/2, ∞ give 2.5e-5. (0, ±3/4, ±4/3, ∞ give 0.7e-5, but multiply where a point 1 only adds.)

Sources: Winograd (1980), Arithmetic Complexity of Computations; Lavin, Gray (2016), Fast Algorithms for Convolutional
Neural Networks, equations 5 to 8; for the points Barabasz, Anderson, Soodhalter, Gregg (2020), Error Analysis and
Improving the Accuracy of Winograd Convolution for Deep Neural Networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry

Point = Fraction | None
Matrix = list[list[Fraction]]

INFINITY: Final = None
FOUR_POINTS: tuple[Point, ...] = (Fraction(0), Fraction(1), Fraction(-1), INFINITY)
SIX_POINTS: tuple[Point, ...] = (Fraction(0), Fraction(1), Fraction(-1), Fraction(2), Fraction(-1, 2), INFINITY)


class Tiling(NamedTuple):
    """F(m x m, r x r): tiles of m x m outputs under a kernel of r x r cells."""

    m: int
    r: int

    @property
    def a(self) -> int:
        """Rows of input cells under one tile, and points of the transform: m + r − 1."""
        return self.m + self.r - 1

    @property
    def points(self) -> tuple[Point, ...]:
        """The points at which the polynomials are evaluated: a of them."""
        return {4: FOUR_POINTS, 6: SIX_POINTS}[self.a]


TILINGS = (Tiling(2, 3), Tiling(4, 3), Tiling(2, 5))


class Transform(NamedTuple):
    """The three matrices of a tiling, as arrays of one dtype that cannot be written to."""

    AT: Array
    """(m, a), from products to outputs."""
    G: Array
    """(a, r), from kernel cells to factors."""
    BT: Array
    """(a, a), from input cells to factors."""
    m: int
    r: int
    a: int


def refusal(geometry: ConvGeometry) -> str:
    """Why Winograd cannot run a geometry; nothing where it can."""
    g = geometry
    kernels = {(t.r, t.r) for t in TILINGS}
    if (g.R, g.S) in kernels and g.stride == (1, 1) and g.dilation == (1, 1):
        return ""
    return "it takes 3x3 and 5x5 kernels at stride 1 without dilation"


def tiling(geometry: ConvGeometry) -> Tiling:
    """The tiling that covers P x Q outputs with the fewest products; of equals the smaller, being more accurate.

    Raises
    ------
    ValueError
        Where there is none, with the `refusal`.
    """
    if reason := refusal(geometry):
        raise ValueError(f"winograd cannot run {geometry}: {reason}")

    def products(t: Tiling) -> int:
        return -(-geometry.P // t.m) * -(-geometry.Q // t.m) * t.a**2

    return min((t for t in TILINGS if t.r == geometry.R), key=products)  # of equals min takes the first


@lru_cache
def transform(m: int, r: int, dtype: Any = np.float64) -> Transform:
    """The matrices of F(m x m, r x r).

    Parameters
    ----------
    m, r
        One of ``TILINGS``.
    dtype
        Of the arrays; always in native byte order.

    Returns
    -------
    Transform
        The exact fractions, each rounded once.

    Examples
    --------
    >>> transform(2, 3).BT
    array([[-1.,  0.,  1.,  0.],
           [ 0.,  1.,  1.,  0.],
           [ 0., -1.,  1.,  0.],
           [ 0., -1.,  0.,  1.]])
    """
    t = Tiling(m, r)
    AT, G, BT = (_rounded(matrix, dtype) for matrix in cook_toom(t.points, m, r))
    return Transform(AT, G, BT, m, r, t.a)


def cook_toom(points: Sequence[Point], m: int, r: int) -> tuple[Matrix, Matrix, Matrix]:
    """Construct Aᵀ (m, a), G (a, r) and Bᵀ (a, a) from a = m + r − 1 distinct points, one of them infinity."""
    if len(set(points)) != m + r - 1 or INFINITY not in points:
        raise ValueError(f"F({m}, {r}) needs {m + r - 1} distinct points, one of them infinity, got {len(points)}")
    A, G, BT = [], [], []
    for point in points:
        others = [other for other in points if other not in (point, INFINITY)]
        denominator = Fraction(1) if point is INFINITY else _value(_with_roots(others), point)
        A.append(_powers(point, m))
        G.append([power / denominator for power in _powers(point, r)])
        numerator = _with_roots(others)
        BT.append(numerator + [Fraction(0)] * (len(points) - len(numerator)))
    AT = [list(row) for row in zip(*A, strict=True)]
    return AT, G, BT


def _powers(point: Point, count: int) -> list[Fraction]:
    """What a polynomial's coefficients, lowest first, are multiplied by to give its value at the point."""
    if point is INFINITY:
        return [Fraction(0)] * (count - 1) + [Fraction(1)]
    return [point**exponent for exponent in range(count)]


def _with_roots(roots: Sequence[Point]) -> list[Fraction]:
    """Coefficients of Π (x − root), lowest first."""
    coefficients = [Fraction(1)]
    for root in roots:
        assert root is not INFINITY
        shifted = [Fraction(0), *coefficients]  # x times the polynomial so far
        coefficients = [s - root * c for s, c in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
    return coefficients


def _value(coefficients: Sequence[Fraction], point: Fraction) -> Fraction:
    return sum((c * p for c, p in zip(coefficients, _powers(point, len(coefficients)), strict=True)), Fraction(0))


def _rounded(matrix: Matrix, dtype: Any) -> Array:
    array = np.array([[float(entry) for entry in row] for row in matrix], np.dtype(dtype).newbyteorder("="))
    array.flags.writeable = False
    return array
