"""Why an algorithm wins a row, in a sentence made of the geometry's own figures.

What each algorithm saves and what it pays is known from how it works, as the files in kernels/ tell; which of them
weighs more was measured. So a sentence names the winner's saving and the runner-up's price, and where memory sets the
limit, that. The figures: products that Winograd's tiles need, and those that lie outside of the image; bytes of the
column matrix, and for how many operations each of its numbers is used; products that direct convolution computes
between two rows of outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinycnn.geometry import ConvGeometry
from tinycnn.kernels.numpy.winograd_transform import tiling
from tinycnn.wording import counted, percent, readable_bytes


def why(
    phase: str, geometry: ConvGeometry, backend: str, names: Sequence[str], tied: Sequence[str], balance: float
) -> str:
    """One sentence.

    Parameters
    ----------
    phase, geometry, backend
        Of the row.
    names
        Algorithms that were measured, the fastest first.
    tied
        Those that cannot be told apart; nothing where the first wins.
    balance
        Operations that the machine does in the time in which it reads or writes one byte.
    """
    first, *others = names
    if not others:
        return "it alone was measured"
    if len(tied) > 1 and _is_one_product(geometry) and backend == "numba":
        return "the kernel covers the whole image: nothing slides, and they are one product of matrices"
    parts = [f"{first} {_price(first, phase, geometry, backend)}" if tied else _saving(first, phase, geometry, backend)]
    second = tied[1] if tied else others[0]
    parts.append(f"{second} {_price(second, phase, geometry, backend)}")
    intensity = geometry.flops / geometry.least_bytes()
    if intensity < balance:
        parts.append(f"memory sets the limit: {intensity:.1f} operations a byte, the machine does {balance:.1f}")
    return "; ".join(parts)


def _saving(name: str, phase: str, g: ConvGeometry, backend: str) -> str:
    if name == "winograd":
        tile, few = tiling(g), min(g.C, g.K) // g.groups
        return (
            f"{_need(g)} in tiles of {tile.m}x{tile.m}{_outside(g)}, each transformed once for {few} channels or more"
        )
    if name == "fft":
        return f"the spectra's product does not grow with the kernel, and a {g.R}x{g.S} one is large"
    if name == "direct":
        if backend == "numpy":
            return "einsum reads the windows in place, where a matrix would have to be written first"
        if phase == "backward_weight":
            return "the image is turned once, and its windows are read in place"
        return f"the windows are read in place, with {_between(g)} of the products between rows of outputs lost"
    if backend == "numpy":
        return f"one product of matrices by BLAS, {_matrices(phase, g)}"
    if phase == "backward_weight":
        return f"panels of the turned column matrix fill whole vectors even of {counted(g.C // g.groups, 'channel')}"
    return "panels of the column matrix hold outputs alone, and every product counts"


def _price(name: str, phase: str, g: ConvGeometry, backend: str) -> str:
    if name == "winograd":
        tile, few = tiling(g), min(g.C, g.K) // g.groups
        pays = f"pays with transforms of {tile.a}x{tile.a} numbers for {few} channels or more"
        return f"needs {_need(g)}{_outside(g)}, and {pays}"
    if name == "fft":
        return "pays with transforms of whole images and of every kernel, padded to their size"
    if name == "direct":
        if backend == "numpy":
            return "sums in the loops of einsum, without BLAS"
        if phase == "backward_weight":
            return f"holds the {counted(g.C // g.groups, 'channel')} of a tap in vectors, which few do not fill"
        return f"loses {_between(g)} of the products between rows of outputs"
    size = f"{readable_bytes(g.column_bytes())} of column matrix, {g.column_bytes() / (4 * g.N * g.C * g.H * g.W):.1f}"
    use = f"{size} times the image, each number used for {2 * g.K // g.groups} operations"
    return f"writes {use}" if backend == "numpy" else f"copies {use}"


def _is_one_product(g: ConvGeometry) -> bool:
    return (g.P, g.Q) == (1, 1) and g.padding == (0, 0, 0, 0)


def _need(g: ConvGeometry) -> str:
    """How many products Winograd needs for the outputs that there are."""
    tile = tiling(g)
    needed = -(-g.P // tile.m) * -(-g.Q // tile.m) * tile.a**2
    fewer = g.P * g.Q * g.R * g.S / needed
    return f"{fewer:.1f} times fewer products" if fewer >= 1 else f"{1 / fewer:.1f} times the products"


def _outside(g: ConvGeometry) -> str:
    """What of the tiles holds no output."""
    tile = tiling(g)
    share = 1 - g.P * g.Q / (-(-g.P // tile.m) * -(-g.Q // tile.m) * tile.m**2)
    return f" ({percent(share, 0)} of the tiles outside of the image)" if share else ""


def _between(g: ConvGeometry) -> str:
    """What of direct convolution's products in Numba are no outputs, as rows of the image are read through."""
    reach = (g.S - 1) * g.dilation[1]
    return percent(reach / (g.Q + reach), 0)


def _matrices(phase: str, g: ConvGeometry) -> str:
    """Sizes of im2col's two factors."""
    rows, columns, inner = g.K // g.groups, g.N * g.P * g.Q, g.C // g.groups * g.R * g.S
    sizes = {"forward": (rows, inner, columns), "backward_input": (inner, rows, columns)}
    m, k, n = sizes.get(phase, (rows, columns, inner))
    return f"{m}x{k} by {k}x{n}" + (f" in each of {g.groups} groups" if g.groups > 1 else "")
