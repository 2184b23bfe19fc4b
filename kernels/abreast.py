"""Where Numba's direct convolution takes images side by side, as lanes of vectors (`numba.image_lane_loops`).

By geometry alone, so that the table of rules can ask as well. The alternative is bands of one image, whose vectors lie
along rows, and waste the less of themselves the longer these are.
"""

from __future__ import annotations

from tinycnn.geometry import Axis, ConvGeometry

IMAGES = 32  # fewer do not fill a tile; of 16, bands of one image are as fast within 10 % on LeNet-5's layers
CELLS = 6144  # of a patch and its sums, at most, where a cell is two vectors of images: 768 KiB of the nearer megabyte

# Two threads, LeNet-5's layers and others of 3x3 and 5x5, 1 to 64 channels and 7 to 32 outputs a row, 64 and 128
# images, against bands of one image. Forward and backward_input: 7, 10 and 14 outputs a row are faster by 1.25 to 1.5,
# 16 by 1.05, and 28 and 32 slower by 0.85 to 1.1. backward_weight: 7 to 14 faster by 1.3 to 2.5, and with few channels,
# whose tiles bands do not fill, at any length by 1.5 to 9.
LONG = 24  # outputs of a row
FEW = 32  # channels


def forward(g: ConvGeometry) -> bool:
    """Whether y is made of images side by side."""
    return g.Q < LONG and fits(g)


def backward_input(g: ConvGeometry) -> bool:
    """Whether dx is made of images side by side: not of several lattices, each of which would turn dy again."""
    return g.W < LONG and g.stride == (1, 1) and fits(g)


def backward_weight(g: ConvGeometry) -> bool:
    """Whether dw is summed over images side by side."""
    return (g.Q < LONG or min(g.C, g.K) < FEW * g.groups) and fits(g)


def tanh_pool(g: ConvGeometry) -> bool:
    """Whether tanh and the mean of 2x2 windows can follow in the same go: whole windows, of images that fit a cache."""
    cells = g.C * (g.H + _pads(g.rows)) * (g.W + _pads(g.columns)) + g.K * g.P * g.Q
    return g.N >= IMAGES and g.stride == (1, 1) and g.P % 2 == g.Q % 2 == 0 and cells <= CELLS * g.groups


def fits(g: ConvGeometry) -> bool:
    """Whether there are images for a tile, and what one row of outputs, or of dx, is made of stays in cache."""
    down, across = g.stride
    y = g.C * _lines(g.rows, down) * across * (g.Q + _spread(g.columns, across)) + g.K * g.Q
    dx = g.K * _lines(g.rows, 1) * (g.W + _spread(g.columns, 1)) + g.C * g.W
    return g.N >= IMAGES and max(y, dx) <= CELLS * g.groups


def _lines(axis: Axis, stride: int) -> int:
    """Rows that a patch holds for one row of outputs so far apart: whole lattices, read by a tap or not."""
    return stride * (1 + _spread(axis, stride))


def _spread(axis: Axis, stride: int) -> int:
    """How many more cells of a lattice the outputs of a row read than there are outputs."""
    return (axis.kernel - 1) * axis.dilation // stride


def _pads(axis: Axis) -> int:
    return max(0, axis.lead) + max(0, axis.trail)
