"""Where Numba's direct convolution takes output channels as lanes of vectors (`numba.channel_lane_loops`).

By geometry alone, so that the table of rules can ask as well. Forward's alternative is vectors along rows of outputs.
backward_weight's is im2col: direct convolution has no other way but for images or rows as lanes, so it sums dw this way
where those do not apply, and the rule says only where that is also the fastest.
"""

from __future__ import annotations

from tinycnn.geometry import ConvGeometry

# 19 layers of 3 to 512 channels, 1x1 to 11x11, stride 1, 2 and 4 (AMD EPYC, Zen 4). Forward: faster by 1.0 to 1.6 where
# channels fill a tile and a sum is of at least 64 products; 0.8 to 1.0 with 27 products, as turning y costs more then,
# and 0.9 with 16 or 24 channels. backward_weight, against im2col: faster by 1.0 to 1.35 while the sums stay in the
# nearer megabyte; 0.6 to 0.95 beyond, on layers of 256 to 512 channels.
CHANNELS, FEW_CHANNELS = 32, 16
PRODUCTS = 64
SUMS = 3 << 16


def forward(g: ConvGeometry) -> bool:
    """Whether y is summed with channels side by side."""
    return CHANNELS * g.groups <= g.K and products(g) >= PRODUCTS


def backward_weight(g: ConvGeometry) -> bool:
    """Whether dw is best summed with channels side by side."""
    return FEW_CHANNELS * g.groups <= g.K and products(g) * g.K <= SUMS * g.groups


def products(g: ConvGeometry) -> int:
    """C·R·S: of one output, in one group."""
    return g.C // g.groups * g.R * g.S
