"""Why an algorithm wins a row, in a sentence made of the geometry's own figures.

What each algorithm saves and what it pays is known from how it works, as the files in kernels/ tell; which of them
weighs more was measured. So a sentence names the winner's saving and the runner-up's price, and where memory sets the
limit, that. The figures: products that Winograd's tiles need, and those that lie outside of the image; bytes of the
column matrix, and for how many operations each of its numbers is used; products that direct convolution computes
between two rows of outputs, where its vectors run along them.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinycnn.geometry import ConvGeometry
from tinycnn.kernels import abreast, along, spread
from tinycnn.kernels.numpy.winograd_transform import tiling
from tinycnn.wording import counted, percent, readable_bytes


def why(
    phase: str,
    geometry: ConvGeometry,
    backend: str,
    names: Sequence[str],
    tied: Sequence[str],
    balance: float,
    cache: int,
) -> str:
    """One sentence.

    Parameters
    ----------
    phase, geometry, backend
        Of the row.
    names
        Algorithms that were measured, the fastest first.
    tied
        Those that cannot be told apart, the fastest first; nothing where it wins.
    balance
        Operations that the machine does in the time in which it reads or writes one byte of main memory.
    cache
        Bytes of its largest cache: what fits into it is not read from main memory each time.
    """
    first, *others = tied or names
    if not others:
        return "it alone was measured"
    if is_one_product(backend, geometry):
        return "the kernel covers the whole image: nothing slides, and all are one product of matrices"
    told = _price if tied else _saving
    parts = [f"{first} " * bool(tied) + told(first, phase, geometry, backend)]
    parts.append(f"{others[0]} {_price(others[0], phase, geometry, backend)}")
    intensity = geometry.flops / geometry.least_bytes()
    if intensity < balance and geometry.least_bytes() > cache:
        parts.append(f"main memory sets the limit: {intensity:.1f} operations a byte, the machine does {balance:.1f}")
    return "; ".join(parts)


def is_one_product(backend: str, g: ConvGeometry) -> bool:
    """Whether an image has one window, itself, which all of Numba's kernels leave to one product by BLAS."""
    alike = (g.H, g.W, g.groups, g.padding, g.dilation) == (g.R, g.S, 1, (0, 0, 0, 0), (1, 1))
    return backend == "numba" and alike


def _saving(name: str, phase: str, g: ConvGeometry, backend: str) -> str:
    C, K = g.C // g.groups, g.K // g.groups
    if name == "winograd":
        m = tiling(g).m
        return f"{_need(g)} in tiles of {m}x{m}{_outside(g)}, each transformed for {min(C, K)} channels or more"
    if name == "fft":
        return f"the products of spectra do not grow with the {g.R}x{g.S} kernel"
    if name == "direct":
        if backend == "numpy":
            return "einsum reads the windows in place, where a matrix would have to be written first"
        return {
            "images": "vectors run across images, and the windows are read in place",
            "rows": "the image and the gradient are read in place, along rows",
            "channels": f"the windows are read in place, with vectors along the {counted(K, 'channel')} of y",
            "bands": f"the windows are read in place, with {_between(phase, g)} of the products between rows lost",
        }[_lanes(phase, g)]
    if backend == "numpy":
        return f"products of matrices by BLAS, {_matrices(phase, g)} for an image"
    if phase == "backward_weight":
        return f"vectors run along the {C * g.R * g.S} rows of the column matrix"
    if phase == "backward_input":
        return "the gradient's rows are multiplied in place, and added to the image while they are in cache"
    return "panels of the column matrix hold outputs alone, and every product counts"


def _price(name: str, phase: str, g: ConvGeometry, backend: str) -> str:
    C, K = g.C // g.groups, g.K // g.groups
    if name == "winograd":
        a = tiling(g).a
        return f"needs {_need(g)}{_outside(g)}, and transforms {a}x{a} numbers for {min(C, K)} channels or more"
    if name == "fft":
        return "transforms all it reads, padded to the size of the image"
    if name == "direct":
        if backend == "numpy":
            return "sums in the loops of einsum, without BLAS"
        return {
            "images": "turns all it reads, so that vectors run across images",
            "rows": f"sums up a vector for each of {C * K * g.R * g.S} weights",
            "channels": f"turns {'y' if phase == 'forward' else 'dy'}, so that vectors run along its "
            f"{counted(K, 'channel')}",
            "bands": f"loses {_between(phase, g)} of the products between rows",
        }[_lanes(phase, g)]
    size = f"{readable_bytes(g.column_bytes())} of column matrix, {g.column_bytes() / (4 * g.N * g.C * g.H * g.W):.1f}"
    does = "adds up" if phase == "backward_input" else "writes" if backend == "numpy" else "copies"
    return f"{does} {size} times the image, a number for {2 * K} operations"


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


def _lanes(phase: str, g: ConvGeometry) -> str:
    """What lies side by side in the vectors of Numba's direct convolution; "bands" are whole rows of outputs."""
    if phase == "forward":
        return "images" if abreast.forward(g) else "channels" if spread.forward(g) else "bands"
    if phase == "backward_input":
        return "images" if abreast.backward_input(g) else "bands"
    return "images" if abreast.backward_weight(g) else "rows" if along.backward_weight(g) else "channels"


def _between(phase: str, g: ConvGeometry) -> str:
    """What of direct convolution's products in Numba is no output: those between two rows of a patch."""
    rows, columns = (g.P, g.Q) if phase == "forward" else (-(-g.H // g.stride[0]), -(-g.W // g.stride[1]))
    spread = (g.S - 1) * g.dilation[1] // g.stride[1]
    return percent(spread / (columns + spread) if rows > 1 else 0.0, 0)


def _matrices(phase: str, g: ConvGeometry) -> str:
    """Sizes of im2col's two factors."""
    rows, columns, inner = g.K // g.groups, g.P * g.Q, g.C // g.groups * g.R * g.S
    sizes = {"forward": (rows, inner, columns), "backward_input": (inner, rows, columns)}
    m, k, n = sizes.get(phase, (rows, columns, inner))
    return f"{m}x{k} by {k}x{n}" + (f" in each of {g.groups} groups" if g.groups > 1 else "")
