"""Images as lanes: what holds of these beyond what holds of every convolution."""

from itertools import product

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.kernels.truth import DTYPES, Drawn
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels import abreast, along
from tinycnn.kernels.numba import conv_direct
from tinycnn.kernels.numba.correlation import POSITIONS, SUMS, backward_correlations, forward_correlation

LAYER = ConvGeometry(Axis(5, 3), Axis(6, 2), 33, 2, 7)
PASSES = (abreast.forward, abreast.backward_input, abreast.backward_weight)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("what", ["x", "grad"])
def test_an_infinite_last_image_is_no_nan_in_the_lanes_of_images_that_do_not_exist(what, dtype):
    given = {name: np.abs(array) for name, array in Drawn(LAYER).arrays(dtype).items()}
    given[what][-1] = np.inf
    assert np.isposinf(conv_direct.backward_weight(given["grad"], given["x"], LAYER)).all()


def test_each_image_is_alone_in_its_lane():
    given = Drawn(LAYER).arrays(np.float32)
    y = conv_direct.forward(given["x"], given["weight"], given["bias"], LAYER)
    dx = conv_direct.backward_input(given["grad"], given["weight"], LAYER)
    given["x"][7] = given["grad"][7] = np.nan
    others = np.arange(LAYER.N) != 7
    np.testing.assert_array_equal(
        conv_direct.forward(given["x"], given["weight"], given["bias"], LAYER)[others], y[others]
    )
    np.testing.assert_array_equal(conv_direct.backward_input(given["grad"], given["weight"], LAYER)[others], dx[others])


def test_lanes_are_for_many_images_with_short_rows_that_fit_a_cache():
    assert all(takes(LAYER) for takes in PASSES)
    fewer = ConvGeometry(LAYER.rows, LAYER.columns, abreast.IMAGES - 1, 2, 7)
    large = ConvGeometry(LAYER.rows, LAYER.columns, 64, 300, 300)
    for geometry in (fewer, large):
        assert not any(takes(geometry) for takes in PASSES)
    long = ConvGeometry(LAYER.rows, Axis(40, 2), 64, 2, 7)
    assert [takes(long) for takes in PASSES] == [False, False, True]
    strided = ConvGeometry(LAYER.rows, Axis(9, 3, 2), 64, 2, 7)
    assert [takes(strided) for takes in PASSES] == [True, False, True]


@pytest.mark.parametrize(("kernel", "stride", "dilation"), list(product((1, 3, 5), (1, 2, 3), (1, 2))))
def test_what_they_are_taken_for_does_fit_the_cache(kernel, stride, dilation):
    found = {"forward": 0, "backward_input": 0}
    for size, C, K in product((12, 45, 60), (8, 30, 60, 120), (8, 60)):
        axis = Axis(size, kernel, stride, 0, 0, dilation)
        geometry = ConvGeometry(axis, axis, 64, C, K)
        made = []
        if abreast.forward(geometry):
            made.append(("forward", forward_correlation(geometry, 2, 32).bands))
        if abreast.backward_input(geometry):
            (correlation,) = backward_correlations(geometry, 2, 32)
            made.append(("backward_input", correlation.bands))
        for what, b in made:
            assert b.channels * b.channel_cells + b.M * b.band_rows * b.Q <= abreast.CELLS, (what, geometry)
            found[what] += 1
    assert found["forward"]
    assert found["backward_input"] or stride > 1


def test_rows_that_are_lanes_are_never_cut():
    assert min(POSITIONS, SUMS // along.CHANNELS) >= along.LONG
