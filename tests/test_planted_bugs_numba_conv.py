"""Planted bugs in the compiled convolutions: in the plans, and in the loops, which Python runs here as they stand."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.kernels import test_every_convolution as every
from tests.kernels import test_numba_lanes as lanes
from tests.kernels import test_numba_memory as memory
from tests.kernels import test_workspace as workspace
from tests.kernels.interpreted import forget_plans, interpreted
from tests.kernels.truth import DTYPES, Drawn, Truth, assert_true
from tests.planted_bugs import Bug, assert_caught, rows
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels.numba import conv_direct, conv_im2col, conv_winograd
from tinycnn.kernels.numpy import conv_im2col as plain

EVERYDAY = ConvGeometry(Axis(9, 3, 1, 1, 1), Axis(7, 3, 1, 1, 1), 2, 4, 9)
LATTICES = ConvGeometry(Axis(13, 4, 2, 3, 1, 3), Axis(17, 3, 3, 2, 0, 2), 2, 4, 6, 2)
GAPS = every.SPECIAL["gaps"]
LONG_ROW = every.SPECIAL["one long row"]
ALONG = every.SPECIAL["along rows"]
ALONG_GROUPS = every.SPECIAL["along rows, in groups"]
SPREAD = ConvGeometry(Axis(13, 4, 2, 3, 1, 2), Axis(8, 3, 3, 2, 0), 2, 12, 68, 2)
PANELS = every.SPECIAL["panels of kernels"]
NARROW = ConvGeometry(Axis(1, 5, 1, 2, 2), Axis(2, 5, 1, 2, 2), 2, 3, 4)
ABREAST = ConvGeometry(Axis(4, 3, 1, 1, 1), Axis(4, 2, 1, 1, 0), 33, 2, 3)
ABREAST_LATTICES = ConvGeometry(Axis(5, 3, 2, 1, 1), Axis(6, 2, 3, 1, 0, 2), 34, 2, 4, 2)
MISSED = ConvGeometry(Axis(5, 3, 1, 4, 4), Axis(6, 3, 1, 0, 3), 2, 3, 4)
LATE_RUNS = ConvGeometry(Axis(16, 3, 1, 1, 1), Axis(28, 3, 1, 1, 1), 1, 2, 33)  # of tiles, up to the last lane
FEW_TILES = ConvGeometry(Axis(5, 3, 1, 1, 1), Axis(7, 3, 1, 1, 1), 2, 36, 34, 2)


def check(algorithm: str, geometry: ConvGeometry, dtype=np.float32) -> None:
    """One algorithm of numba's over one geometry."""
    forget_plans()
    try:
        assert_true(Truth(Drawn(geometry, seed=8), dtype, plain), "numba", algorithm)
    finally:
        forget_plans()


def in_memory_full_of_nan(module, geometry) -> None:
    """One algorithm over one geometry, with guards."""
    forget_plans()
    memory.assert_the_same_in_memory_full_of_nan(module, geometry, np.float32)


# fmt: off
PLANS = [
    Bug("forward reads as if there were no padding",
        "kernels.numba.correlation:_forward_side", " - axis.lead", "", check, ("im2col", EVERYDAY)),
    Bug("dilation taken for 1",
        "kernels.numba.correlation:_forward_side", "r * axis.dilation", "r", check, ("direct", LATTICES)),
    Bug("kernel not turned in dx",
        "kernels.numba.correlation:_backward_side", "axis.lead - r * axis.dilation",
        "axis.lead - (axis.kernel - 1 - r) * axis.dilation", check, ("direct", EVERYDAY)),
    Bug("all kernel cells in each lattice of dx",
        "kernels.numba.correlation:_backward_side", "if shift % axis.stride == 0", "", check, ("direct", LATTICES)),
    Bug("lattices of dx without their origin",
        "kernels.numba.correlation:_backward_side", "origin + axis.lead", "axis.lead", check, ("direct", LATTICES)),
    Bug("rows and columns of the lattices exchanged",
        "kernels.numba.correlation:_correlation", "below % rows.reach * columns.reach",
        "below % rows.reach * rows.reach", check, ("im2col", LATTICES), (AssertionError, IndexError)),
    Bug("cells that no output read are left as they were",
        "kernels.numba.correlation:covers", "g.H * g.W", "sum(c.bands.P * c.bands.Q for c in correlations)",
        in_memory_full_of_nan, (conv_direct, GAPS)),
    Bug("weight of the channel for that of the kernel in dx",
        "kernels.numba.correlation:backward_correlations", "g.R * g.S, channels * g.R * g.S)",
        "channels * g.R * g.S, g.R * g.S)", check, ("direct", ConvGeometry(Axis(6, 3), Axis(7, 3), 1, 3, 3))),
    Bug("weight of the first group for all",
        "kernels.numba.correlation:forward_correlation", "strides = (K * channels * g.R * g.S,", "strides = (0,",
        check, ("direct", LATTICES)),
    Bug("the rest of a row left out",
        "kernels.numba.correlation:_correlation", "grid = -(-rows.out // down), -(-columns.out // across)",
        "grid = rows.out // down, columns.out // across", in_memory_full_of_nan,
        (conv_im2col, every.SPECIAL["rows of bands"])),
    Bug("taps of a dilated kernel side by side, with channels as lanes",
        "kernels.numba.channel_lanes:correlation_in_lanes", "g.rows.dilation * patch_width", "patch_width",
        check, ("direct", SPREAD)),
    Bug("a patch of channels as lanes as high as one without a stride",
        "kernels.numba.channel_lanes:correlation_in_lanes", "(outputs - 1) * axis.stride", "(outputs - 1)",
        check, ("direct", SPREAD), (AssertionError, IndexError, ValueError)),
    Bug("winograd's tiles laid from the pad's start",
        "kernels.numba.conv_winograd:layout_of", "rows.lead, columns.lead", "columns.lead, rows.lead",
        check, ("winograd", MISSED)),
    Bug("outputs over padding alone without the bias",
        "kernels.numba.conv_winograd:_correlate", "np.maximum(start, 0) if relu else start", "0",
        check, ("winograd", MISSED)),
    Bug("dx of winograd with the padding of y",
        "kernels.numba.conv_winograd:turned_about", "axis.kernel - 1 - axis.lead", "axis.lead",
        check, ("winograd", MISSED), (AssertionError, IndexError, ValueError)),
    Bug("tiles of one image alone",
        "kernels.numba.conv_winograd:Layout.tiles", "self.N * ", "", check, ("winograd", EVERYDAY)),
]

MEMORY = [
    Bug("memory that a view holds used again",
        "kernels.numba.workspace:Workspace._free", "== 2", "<= 3",
        workspace.test_memory_is_used_again_only_when_nobody_holds_any_part_of_it, ("a slice",)),
    Bug("memory never given back",
        "kernels.numba.workspace:Workspace._give_back", "< PATIENCE", "< 10**9",
        workspace.test_memory_that_nobody_asked_for_in_a_long_time_is_given_back),
    Bug("memory that begins anywhere",
        "kernels.numba.workspace:Workspace.empty", "buffer.start", "8",
        workspace.test_an_array_has_its_shape_and_dtype_and_begins_with_a_cache_line, ((129, 257), np.float32)),
]

LOOPS = [
    Bug("padding on the right as it was",
        "kernels.numba.correlation:copy_patch", "clear(patch, goal + end, goal + b.width)", "pass",
        in_memory_full_of_nan, (conv_im2col, EVERYDAY)),
    Bug("padding on the left as it was",
        "kernels.numba.correlation:copy_patch", "clear(patch, goal, goal + begin)", "pass",
        in_memory_full_of_nan, (conv_direct, EVERYDAY)),
    Bug("a patch of the first image for all",
        "kernels.numba.correlation:copy_patch", "(n * channels + ", "(", check, ("direct", EVERYDAY)),
    Bug("channels of the first group for all",
        "kernels.numba.correlation:copy_patch", "group * b.channels + c", "c", check, ("im2col", LATTICES)),
    Bug("kernels of the panel's first rows alone",
        "kernels.numba.correlation:pack_panels", "row = panel * b.panel_rows", "row = 0",
        check, ("direct", PANELS)),
    Bug("steps of a lattice exchanged",
        "kernels.numba.correlation:write_band", "(i + y) * b.step_down", "(i + y) * b.step_across",
        check, ("direct", LATTICES), (AssertionError, IndexError)),
    Bug("dw of the last thread alone",
        "kernels.numba.launch:add_up_panel", "total += ", "total = ",
        check, ("im2col", EVERYDAY)),
    Bug("sums begin where the last band's ended",
        "kernels.numba.correlation:start_with", "] = value", "] += value",
        check, ("direct", EVERYDAY)),
    Bug("bias of the first group for all",
        "kernels.numba.correlation:start_with", "bias[group * b.M + m]", "bias[m]",
        check, ("im2col", LATTICES)),
    Bug("dw of the last piece of work alone",
        "kernels.numba.conv_im2col:_accumulate_share", "copy_patch(", "sums[:] = 0; copy_patch(",
        check, ("im2col", EVERYDAY)),
    Bug("column gradient of the first group's weight for all",
        "kernels.numba.correlation:column_gradient", "(K * M, 1, M)", "(0, 1, M)", check, ("im2col", LATTICES)),
    Bug("kernels and columns exchanged in the turned weight",
        "kernels.numba.correlation:column_gradient", "(K * M, 1, M)", "(K * M, K, 1)", check, ("im2col", EVERYDAY)),
    Bug("= for += where windows overlap",
        "kernels.numba.conv_im2col:fold_row", "] += flat", "] = flat", check, ("im2col", LATTICES)),
    Bug("columns of the last panel on top of this one's",
        "kernels.numba.conv_im2col:_fold_share", "clear(flat, 0, len(flat))", "pass", check, ("im2col", PANELS)),
    Bug("rows of dx that another thread adds to as well",
        "kernels.numba.conv_im2col:fold_row", "top <= h < bottom", "0 <= h < H",
        check, ("im2col", ConvGeometry(Axis(9, 3, 1, 1, 1), Axis(7, 3, 1, 1, 1), 1, 4, 9))),
    Bug("outputs that meet a thread's first rows left out",
        "kernels.numba.conv_im2col:_fold_share", "dilation * (R - 1) - lead - top", "- lead - top",
        check, ("im2col", ConvGeometry(Axis(9, 3, 1, 1, 1), Axis(7, 3, 1, 1, 1), 1, 4, 9))),
    Bug("the rest of a tile's row copied from the row's start",
        "kernels.numba.conv_im2col:list_pieces", "x + piece", "0", check, ("im2col", LONG_ROW),
        (AssertionError, IndexError, ValueError)),
    Bug("positions of dw's columns one row on",
        "kernels.numba.conv_im2col:unfold_turned", "(top + y) * b.width", "(top + y + 1) * b.width",
        check, ("im2col", EVERYDAY)),
    Bug("channels of dy packed from the first panel for all",
        "kernels.numba.correlation:pack_gradient", "first = panel * b.panel_rows", "first = 0",
        check, ("im2col", PANELS)),
    Bug("outputs side by side in a strided image",
        "kernels.numba.channel_lane_loops:list_positions", "x * stride[1]", "x", check, ("direct", SPREAD)),
    Bug("bias of the first channels for all panels",
        "kernels.numba.channel_lane_loops:_correlate_share", "group * b.M + p * width,", "group * b.M,",
        check, ("direct", SPREAD)),
    Bug("dy of the first channels for all panels",
        "kernels.numba.channel_lane_loops:turn_outputs", "planes, first, channels", "planes, 0, channels",
        check, ("direct", SPREAD)),
    Bug("dw of the last thread alone, with channels as lanes",
        "kernels.numba.channel_lane_loops:_add_channel", "total += ", "total = ", check, ("direct", SPREAD)),
    Bug("the last outputs of a strip where those before belong",
        "kernels.numba.channel_lane_loops:turn_strip", "goal + place", "goal + output",
        check, ("direct", SPREAD), (AssertionError, ValueError)),
    Bug("vectors of a band's first row for all rows",
        "kernels.numba.row_lanes:list_vectors", "y * b.width + x", "x", check, ("direct", ALONG)),
    Bug("dy of the first group for all, along rows",
        "kernels.numba.row_lanes:_accumulate_share", "(n * b.groups + group) * b.M", "n * b.groups * b.M",
        check, ("direct", ALONG_GROUPS)),
    Bug("dy read beyond the last channel",
        "kernels.numba.row_lanes:_accumulate_share", "(p + 1) * rows <= b.M", "rows > 0",
        check, ("direct", ALONG), (AssertionError, IndexError, ValueError)),
    Bug("images of the first block for all",
        "kernels.numba.image_lane_loops:list_images", "block * width + lane,", "lane,", check, ("direct", ABREAST)),
    Bug("a row of images side by side from the row above",
        "kernels.numba.image_lane_loops:fill_patch", "(h - top) * W", "(h - 1 - top) * W",
        check, ("direct", ABREAST), (AssertionError, ValueError)),
    Bug("every cell of a row for every second",
        "kernels.numba.image_lane_loops:place_row", "x * b.reach_across", "x", check, ("direct", ABREAST_LATTICES)),
    Bug("padding around images side by side as it was",
        "kernels.numba.image_lane_loops:place_row", "clear(patch, goal * width, (goal + begin) * width)", "pass",
        in_memory_full_of_nan, (conv_direct, ABREAST)),
    Bug("dy of the last image in lanes of images that do not exist",
        "kernels.numba.image_lane_loops:turn_gradient", "if images < width", "if False",
        lanes.test_an_infinite_last_image_is_no_nan_in_the_lanes_of_images_that_do_not_exist, ("grad", np.float32)),
    Bug("the last image in lanes of images that do not exist",
        "kernels.numba.image_lane_loops:_accumulate_share", "if images < width", "if False",
        lanes.test_an_infinite_last_image_is_no_nan_in_the_lanes_of_images_that_do_not_exist, ("x", np.float32)),
    Bug("channels of dy of the first group for all, side by side",
        "kernels.numba.image_lane_loops:turn_gradient", "group * b.M + min(", "min(",
        check, ("direct", ABREAST_LATTICES)),
    Bug("the rows of a strip on top of those before",
        "kernels.numba.image_lane_loops:turn_back", "plane + i * W + first", "plane + first",
        in_memory_full_of_nan, (conv_direct, ConvGeometry(Axis(40, 1), Axis(1, 1), 32, 1, 2))),
    Bug("a tile's last row or column left out",
        "kernels.numba.winograd_loops:write_tiles", "p.end_q - left", "p.end_q - left - 1",
        check, ("winograd", EVERYDAY)),
    Bug("kernels not turned about in dx of winograd",
        "kernels.numba.winograd_panels:transform_kernels", "(reach - 1) * width, -width",
        "(reach - size) * width, width", check, ("winograd", EVERYDAY), (AssertionError, ValueError)),
    Bug("kernels and channels of the turned weight not exchanged",
        "kernels.numba.winograd_panels:transform_kernels", "size, p.K * size", "p.C * size, size",
        check, ("winograd", EVERYDAY), (AssertionError, IndexError, ValueError)),
    Bug("cells over the right edge read from the next row",
        "kernels.numba.winograd_loops:transform_input", "p.columns - w", "p.columns - w + 1",
        check, ("winograd", EVERYDAY), (AssertionError, IndexError)),
    Bug("cells over the left edge read from the row before",
        "kernels.numba.winograd_loops:transform_input", "-w, p.columns", "-w - 1, p.columns",
        check, ("winograd", EVERYDAY)),
    Bug("cells over the upper edge read from the channel before",
        "kernels.numba.winograd_loops:transform_input", "W, -h,", "W, -h - 1,", check, ("winograd", EVERYDAY)),
    Bug("outputs that do not exist read from the next row",
        "kernels.numba.winograd_loops:transform_gradient", "p.end_q - p.first_q - j,", "p.end_q - p.first_q - j + 1,",
        check, ("winograd", EVERYDAY), (AssertionError, IndexError)),
    Bug("a run goes on in the next row of tiles",
        "kernels.numba.winograd_loops:list_runs", "p.U - across, ", "", check, ("winograd", EVERYDAY)),
    Bug("factors of the first channel for all",
        "kernels.numba.winograd_loops:list_begins", "min(i, channels - 1)", "0", check, ("winograd", EVERYDAY)),
    Bug("a kernel transposed",
        "kernels.numba.winograd_panels:transform_kernels", "p.r * width, width, between", "width, p.r * width, between",
        check, ("winograd", EVERYDAY)),
    Bug("noise in kernel cells that meet nothing",
        "kernels.numba.winograd_loops:write_kernels", "p.first_r <= y < p.end_r", "y < p.r",
        check, ("winograd", NARROW)),
    Bug("kernels read beyond the weight's last",
        "kernels.numba.winograd_panels:transform_kernels", "+ reach <= len(flat)", "<= len(flat)",
        check, ("winograd", EVERYDAY), (IndexError, ValueError)),
    Bug("a few tiles' products with the first panel of kernels alone",
        "kernels.numba.winograd_panels:multiply_panels", "start + i * factors.shape[2]", "start",
        check, ("winograd", FEW_TILES)),
    Bug("a few tiles' factors of the first group for all",
        "kernels.numba.winograd_panels:multiply_panels", "point * p.groups + group", "point * p.groups",
        check, ("winograd", FEW_TILES)),
    Bug("a few tiles' outputs in another panel's channels",
        "kernels.numba.winograd_panels:correlate_panels", "group * p.K + panel * rows + i", "group * p.K + i",
        check, ("winograd", FEW_TILES)),
    Bug("sums over a few tiles with another panel's gradient",
        "kernels.numba.winograd_panels:multiply_pairs", "p.k_panels + panel + i", "p.k_panels + panel",
        check, ("winograd", FEW_TILES)),
    Bug("sums of a part without tiles not cleared",
        "kernels.numba.winograd_loops:sum_share", "max(end, begun + 1)", "end",
        in_memory_full_of_nan, (conv_winograd, EVERYDAY)),
    Bug("sums of the last part of the tiles left out",
        "kernels.numba.winograd_loops:finish_panel", "range(1, len(sums))", "range(1, len(sums) - 1)",
        check, ("winograd", EVERYDAY)),
]
# fmt: on


@rows(PLANS + LOOPS)
def test_a_planted_bug_is_caught(bug: Bug):
    # Compiled loops would follow a wrong plan anywhere in memory; Python's stop at the end of an array. The bug must be
    # gone before the loops are compiled ones again, or what it replaced, a Python function, would be put back in them.
    with interpreted(), pytest.MonkeyPatch.context() as patch:
        assert_caught(bug, patch)


@rows(MEMORY)
def test_a_bug_planted_in_the_workspace_is_caught(bug: Bug, monkeypatch: pytest.MonkeyPatch):
    assert_caught(bug, monkeypatch)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("algorithm", ["direct", "im2col", "winograd"])
def test_the_loops_are_right_as_python_too(algorithm, dtype):
    # Python checks each index, those of multiply_tile's plain twin among them.
    geometries = {
        "direct": [LATTICES, GAPS, ABREAST, ABREAST_LATTICES, ALONG_GROUPS, SPREAD],
        "im2col": [LATTICES, GAPS],
        "winograd": [FEW_TILES, LATE_RUNS],
    }
    for geometry in [EVERYDAY, MISSED, *geometries[algorithm]]:
        with interpreted():
            check(algorithm, geometry, dtype)
