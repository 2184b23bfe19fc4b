"""Planted bugs in the loops that convolve, take tanh and pool with images as lanes, and in what chooses them."""

import pytest

pytest.importorskip("numba")

from tests.kernels import test_numba_lane_pooling as pooling
from tests.kernels.interpreted import forget_plans, interpreted
from tests.planted_bugs import Bug, assert_caught, rows
from tinycnn.geometry import Axis, ConvGeometry

PADDED = ConvGeometry(Axis(4, 3, 1, 1, 1), Axis(4, 4, 1, 2, 1), 33, 2, 3)
GROUPS = ConvGeometry(Axis(3, 2), Axis(4, 1), 33, 4, 4, 2)
DILATED = ConvGeometry(Axis(4, 2, 1, 1, 1, 2), Axis(4, 3, 1, 1, 1, 2), 32, 1, 2)


def check(geometry: ConvGeometry, needs: tuple[bool, ...] = pooling.EVERY_PASS) -> None:
    """Output and gradients over one geometry."""
    forget_plans()
    try:
        pooling.assert_right(geometry, needs)
    finally:
        forget_plans()


NO_SUCH_IMAGE = pooling.test_the_last_image_is_not_counted_again_in_lanes_of_images_that_do_not_exist

# fmt: off
LOOPS = [
    Bug("the lower row of windows for both",
        "kernels.numba.lane_pooling_loops:average_windows", "numbers[np.uint64(upper + left",
        "numbers[np.uint64(lower + left", check, (PADDED,)),
    Bug("a cell added to its neighbour first",
        "kernels.numba.lane_pooling_loops:average_windows", "numbers[np.uint64(lower + left + lane)]",
        "numbers[np.uint64(upper + right + lane)]", check, (PADDED,)),
    Bug("tanh of a row left out",
        "kernels.numba.lane_pooling_loops:_pool_share", "WINDOW * b.Q * width)", "b.Q * width)", check, (PADDED,)),
    Bug("the means of the row above",
        "kernels.numba.lane_pooling_loops:_pool_share", "m * count + top // WINDOW * across", "m * count",
        check, (PADDED,)),
    Bug("tanh of the first group's channels for all",
        "kernels.numba.lane_pooling_loops:_pool_share", "* b.groups + group) * channels", "* b.groups) * channels",
        check, (GROUPS,)),
    Bug("tanh of the first block for all",
        "kernels.numba.lane_pooling_loops:damp_rows", "(item * planes + m)", "m", check, (PADDED,)),
    Bug("1 - y in place of 1 - y²",
        "kernels.numba.activation:damp", "one - y[i] * y[i]", "one - y[i]", check, (PADDED,)),
    Bug("half of a gradient for each cell",
        "kernels.numba.lane_pooling_loops:spread_means", "type(0.25)", "type(0.5)", check, (PADDED,)),
    Bug("the gradient of the first row of windows for all",
        "kernels.numba.lane_pooling_loops:damp_rows", "(m * b.P + top)", "(m * b.P)", check, (PADDED,)),
    Bug("bias' gradient of the first group for all",
        "kernels.numba.lane_pooling_loops:damp_rows", "(group * b.M + m) * line", "m * line", check, (GROUPS,)),
    Bug("gradients of the first group for all",
        "kernels.numba.lane_pooling_loops:turn_means", "(group * b.M + m)", "m", check, (GROUPS,)),
    Bug("the last image's gradient in lanes of images that do not exist",
        "kernels.numba.lane_pooling_loops:turn_means", "if images < width", "if False", NO_SUCH_IMAGE),
    Bug("the next rows of dy on top of those that dx needs",
        "kernels.numba.lane_pooling_loops:_differentiate_share", "held = pitch // line", "held = WINDOW",
        check, (PADDED,), (AssertionError, ValueError, IndexError)),
    Bug("taps of dx a row too far",
        "kernels.numba.lane_pooling_loops:correlate_back", "h - b.top - r * down", "h - b.top - 1 - r * down",
        check, (PADDED,), (AssertionError, ValueError, IndexError)),
    Bug("dilation of dx's rows taken for 1",
        "kernels.numba.lane_pooling_loops:correlate_back", "r * down", "r",
        check, (DILATED,), (AssertionError, ValueError, IndexError)),
    Bug("dilation of dx's columns taken for 1",
        "kernels.numba.lane_pooling:tap_offsets", "g.columns.dilation * s", "s", check, (DILATED,)),
    Bug("a tap too few at the left",
        "kernels.numba.lane_pooling_loops:correlate_back", "// across + 1)\n                begin",
        "// across)\n                begin", check, (PADDED,)),
    Bug("a tap too many at the right",
        "kernels.numba.lane_pooling_loops:correlate_back", "(w - b.left - b.Q) // across + 1)",
        "(w - b.left - b.Q) // across)", check, (PADDED,), (AssertionError, ValueError, IndexError)),
    Bug("dx of the block before added to this one's",
        "kernels.numba.lane_pooling_loops:correlate_back", "sums[:] = 0", "pass", check, (PADDED,)),
    Bug("the first group's weight for all in dx",
        "kernels.numba.lane_pooling_loops:turn_weight", "weight[group * K + k", "weight[k",
        check, (GROUPS,)),
    Bug("vectors of dw from the first on for all steps",
        "kernels.numba.image_lane_loops:add_products", "place[first:]", "place",
        check, (ConvGeometry(Axis(2, 1), Axis(34, 1), 32, 1, 1),)),
    Bug("windows that hang over the edge taken",
        "kernels.abreast:tanh_pool", "g.P % 2 == g.Q % 2 == 0", "True",
        pooling.test_these_loops_are_for_many_small_images_with_whole_windows),
    Bug("strides taken",
        "kernels.abreast:tanh_pool", "g.stride == (1, 1) and ", "",
        pooling.test_these_loops_are_for_many_small_images_with_whole_windows),
    Bug("images taken that fit no cache",
        "kernels.abreast:tanh_pool", "cells <= CELLS * g.groups", "True",
        pooling.test_these_loops_are_for_many_small_images_with_whole_windows),
]
# fmt: on


@rows(LOOPS)
def test_a_planted_bug_is_caught(bug: Bug):
    with interpreted(), pytest.MonkeyPatch.context() as patch:  # in this order, as with the convolutions' bugs
        assert_caught(bug, patch)


@pytest.mark.parametrize("geometry", [PADDED, GROUPS, DILATED], ids=["padded", "groups", "dilated"])
def test_the_loops_are_right_as_python_too(geometry):
    with interpreted():
        check(geometry)
        check(geometry, pooling.FIRST_LAYER)
