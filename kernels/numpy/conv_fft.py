"""Convolution as a product of spectra: the Fourier transform turns sliding into multiplying.

With X, W, Y for the discrete Fourier transforms of planes of L1 x L2 cells, * for the complex conjugate and one
frequency f at a time, correlation and its two gradients are

    forward           Y[n, k]  = Σ_c X[n, c] · W*[k, c]
    backward_input    X'[n, c] = Σ_k Y[n, k] · W[k, c]              no conjugate: this one is a convolution
    backward_weight   W'[k, c] = Σ_n X[n, c] · Y*[n, k]

so that each pass is a product of small matrices at each frequency. The planes that are transformed are frames, as large
as all windows together, (P − 1)·stride + extent cells a side. In them cell h of x lies at h + pad, entry p of y at
p·stride, entry r of w at r·dilation, and zeros between. What meets nothing, such as an output over padding alone, is
left out of its frame, and comes out as the zero that it is and not as rounding noise.

A discrete transform takes its planes for periodic: what leaves at the bottom returns at the top. Planes as large as
the frame are enough to prevent that. A window that starts at an output ends inside the frame, and dy widened by the
kernel fills the frame exactly. L1 and L2 are the frame's sizes rounded up to products of 2, 3 and 5, for which the fast
transform is fastest.

What it costs: the kernel's size is almost no matter, which is for large kernels. But with a stride all the outputs of
stride 1 are computed and most dropped, the small kernel becomes as large as the image, and memory is taken by spectra.
So channels are taken a few at a time, and then images, as many as fit SPECTRUM_BYTES, at least one of each.

Accuracy: a transform is off by about eps · log2(size) of its plane's norm (Higham, 2002, Accuracy and Stability of
Numerical Algorithms, theorem 24.2), and a product of two planes' spectra, by Cauchy-Schwarz and Parseval, by that much
of the product of their norms at most. The products themselves are rounded too, which is all there is to planes of one
cell. What transforming back adds is spread over the plane, and is less. So every
entry of a plane of y is within

    2 · eps · (1 + log2(L1 · L2)) · Σ_c ‖x[n, c]‖ · ‖w[k, c]‖

of its true value, and likewise, with sums over k and over n, for dx and dw. The norms are those of whole planes: one
large cell costs digits in its whole image. One infinite or NaN cell makes the image NaN, in all channels of its group.

Source: Mathieu, Henaff, LeCun (2013), Fast Training of Convolutional Networks through FFTs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import Axis, ConvGeometry, Pair

SPECTRUM_BYTES = 16 << 20  # forward of 32 images of 192x13x13 took 338 ms, with 4 MiB 563, with 64 MiB 492


def forward(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """Y = Σ_c X · W*: (N, C, H, W) -> (N, K, P, Q)."""
    g, rows, columns = geometry, frame(geometry.rows), frame(geometry.columns)
    y = np.zeros_like(x, shape=g.output_shape, dtype=np.result_type(x, weight), order="C")
    x_in, y_in, w_in = by_group(x, g.groups), by_group(y, g.groups), by_group(weight, g.groups, axis=0)  # y_in: a view
    for k in pieces(g.K // g.groups, g.C, g):
        kernels = spectra(w_in[:, k], rows.w, columns.w, plane_sizes(g)).conj()  # (F, G, k, C/G)
        for n in pieces(g.N, g.C, g):
            images = spectra(x_in[n], rows.x, columns.x, plane_sizes(g))  # (F, n, G, C/G)
            product = kernels @ images.transpose(0, 2, 3, 1)  # (F, G, k, C/G) · (F, G, C/G, n) -> (F, G, k, n)
            put(y_in[n, :, k], product.transpose(0, 3, 1, 2), rows.y, columns.y, plane_sizes(g))
    return y if bias is None else y + bias.reshape(-1, 1, 1)


def backward_input(grad: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """X' = Σ_k Y · W: (N, K, P, Q) -> (N, C, H, W)."""
    g, rows, columns = geometry, frame(geometry.rows), frame(geometry.columns)
    dx = np.zeros_like(grad, shape=g.input_shape, dtype=np.result_type(grad, weight), order="C")
    x_in, y_in, w_in = by_group(dx, g.groups), by_group(grad, g.groups), by_group(weight, g.groups, axis=0)
    for c in pieces(g.C // g.groups, g.K, g):
        kernels = spectra(w_in[:, :, c], rows.w, columns.w, plane_sizes(g))  # (F, G, K/G, c)
        for n in pieces(g.N, g.K, g):
            outputs = spectra(y_in[n], rows.y, columns.y, plane_sizes(g))  # (F, n, G, K/G)
            product = outputs.transpose(0, 2, 1, 3) @ kernels  # (F, G, n, K/G) · (F, G, K/G, c) -> (F, G, n, c)
            put(x_in[n, :, c], product.transpose(0, 2, 1, 3), rows.x, columns.x, plane_sizes(g))
    return dx


def backward_weight(grad: Array, x: Array, geometry: ConvGeometry) -> Array:
    """W' = Σ_n X · Y*: (N, K, P, Q) -> (K, C/G, R, S)."""
    g, rows, columns = geometry, frame(geometry.rows), frame(geometry.columns)
    dw = np.zeros_like(grad, shape=g.weight_shape, dtype=np.result_type(grad, x), order="C")
    x_in, y_in, w_in = by_group(x, g.groups), by_group(grad, g.groups), by_group(dw, g.groups, axis=0)
    for k in pieces(g.K // g.groups, g.C, g):
        total = None
        for n in pieces(g.N, g.C, g):
            outputs = spectra(y_in[n, :, k], rows.y, columns.y, plane_sizes(g)).conj()  # (F, n, G, k)
            images = spectra(x_in[n], rows.x, columns.x, plane_sizes(g))  # (F, n, G, C/G)
            product = outputs.transpose(0, 2, 3, 1) @ images.transpose(0, 2, 1, 3)  # (F, G, k, C/G), summed over n
            total = product if total is None else total + product
        if total is not None:
            put(w_in[:, k], total, rows.w, columns.w, plane_sizes(g))
    return dw


class Places(NamedTuple):
    """Entries of an array along one axis, and where in the frame they lie."""

    entries: Array
    positions: Array


class Frame(NamedTuple):
    """One axis of the planes that are transformed: its size, and the places of what takes part."""

    size: int
    x: Places
    y: Places
    w: Places


@lru_cache(maxsize=1024)
def frame(axis: Axis) -> Frame:
    """Lay x, y and w into one frame, so that output p under kernel cell r meets the cell at p·stride + r·dilation."""
    cells, outputs, taps = (np.zeros(size, bool) for size in (axis.size, axis.out, axis.kernel))
    for r in range(axis.kernel):
        p, h = axis.meet(r)
        outputs[p] = cells[h] = True
        taps[r] = p.stop > p.start
    in_x, in_y, in_w = (np.flatnonzero(takes_part) for takes_part in (cells, outputs, taps))
    size = (axis.out - 1) * axis.stride + axis.extent
    return Frame(
        size,
        Places(in_x, in_x + axis.lead),
        Places(in_y, in_y * axis.stride),
        Places(in_w, in_w * axis.dilation),
    )


def plane_sizes(geometry: ConvGeometry) -> Pair:
    """L1 and L2: room for the frame, so that nothing wraps round."""
    return fast_size(frame(geometry.rows).size), fast_size(frame(geometry.columns).size)


@lru_cache(maxsize=1024)
def fast_size(least: int) -> int:
    """The smallest product of 2, 3 and 5 that is not below ``least``.

    Examples
    --------
    >>> [fast_size(n) for n in (1, 7, 13, 31, 227)]
    [1, 8, 15, 32, 240]
    """
    size = least
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 1


def spectra(planes: Array, rows: Places, columns: Places, sizes: Pair) -> Array:
    """Place planes in their frames and transform them: (..., h, w) -> (F, ...), F = L1·(L2//2 + 1)."""
    framed = np.zeros_like(planes, shape=(*planes.shape[:-2], *sizes))
    in_planes, in_frame = crossings(rows, columns, planes)
    framed[in_frame] = planes[in_planes]
    half = np.fft.rfft2(framed)  # (..., L1, L2//2 + 1): planes are real, so the other half are conjugates
    half = half.reshape(*planes.shape[:-2], sizes[0] * (sizes[1] // 2 + 1))  # -> (..., F)
    half = np.moveaxis(half, -1, 0)  # matrices in the last axes, as the products want them
    return np.ascontiguousarray(half, like=half)


def put(planes: Array, spectrum: Array, rows: Places, columns: Places, sizes: Pair) -> None:
    """Transform back and read planes off their places: (F, ...) -> (..., h, w)."""
    half = np.moveaxis(spectrum, 0, -1)  # (F, ...) -> (..., F)
    framed = np.fft.irfft2(half.reshape(*half.shape[:-1], sizes[0], sizes[1] // 2 + 1), sizes)  # (..., L1, L2)
    in_planes, in_frame = crossings(rows, columns, planes)
    planes[in_planes] = framed[in_frame]


def crossings(rows: Places, columns: Places, like: Array) -> Iterator[tuple[Any, ...]]:
    """Index the cells where rows and columns cross: in the array, then in its frame; on the device of ``like``."""
    pairs = zip(rows, columns, strict=True)  # of entries, of positions
    return ((..., np.asarray(down, like=like)[:, None], np.asarray(across, like=like)) for down, across in pairs)


def by_group(array: Array, groups: int, axis: int = 1) -> Array:
    """The axis of channels as two, group and channel within it."""
    shape = array.shape
    return array.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def pieces(count: int, planes: int, geometry: ConvGeometry) -> Iterator[slice]:
    """Slices of ``count`` channels or images, of so many planes each, whose spectra fit SPECTRUM_BYTES, or of one."""
    L1, L2 = plane_sizes(geometry)
    step = max(1, SPECTRUM_BYTES // (8 * planes * L1 * (L2 // 2 + 1)))  # 8 bytes: a complex number of two float32
    return (slice(first, min(first + step, count)) for first in range(0, count, step))
