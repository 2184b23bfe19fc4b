"""Where Numba's direct convolution sums dw along rows of outputs, as lanes of vectors (`numba.row_lanes`).

By geometry alone, so that the table of rules can ask as well. The alternatives take channels or images side by side.
"""

from __future__ import annotations

from tinycnn.geometry import ConvGeometry

LANES = 16  # numbers of any vector divide these
# Outputs of a row, and channels of y: with more, a band would be a part of a row, which row_lanes takes for whole. So
# LONG is at most POSITIONS and SUMS // CHANNELS of `numba.correlation`.
LONG, CHANNELS = 1024, 128
# 16 layers of 1 to 32 channels, 1x1 to 7x7, two threads, against channels as lanes (AMD EPYC, Zen 4): faster by 1.0 to
# 3.4 with up to 4,000 weights, as fast within 8 % with 4,700 to 18,000.
WEIGHTS = 1 << 12


def backward_weight(g: ConvGeometry) -> bool:
    """Whether dw is summed along rows, which are whole vectors, of neighbours in x, for few weights."""
    whole = g.Q % LANES == 0 and 0 < g.Q <= LONG and g.K // g.groups <= CHANNELS
    return whole and g.columns.stride == 1 and weights(g) <= WEIGHTS


def weights(g: ConvGeometry) -> int:
    """K·C·R·S: of one group."""
    return g.K // g.groups * (g.C // g.groups) * g.R * g.S
