"""Convolution, tanh and the mean of 2x2 windows as one, images as lanes: right, and in its own memory alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numba")

from tests.cases import examples, seeds
from tests.kernels.fences import Guarded, memory_from
from tests.kernels.truth import Drawn
from tinycnn.backend import load_kernels
from tinycnn.geometry import Axis, ConvGeometry, pool_geometry
from tinycnn.kernels import abreast
from tinycnn.kernels.loops import convolution as conv_loops
from tinycnn.kernels.numba import conv_direct, lane_pooling
from tinycnn.kernels.numpy import conv_im2col

EVERY_PASS = True, True, True
FIRST_LAYER = False, True, True
LENET = {
    "LeNet-5's first": ConvGeometry(Axis(32, 5), Axis(32, 5), 64, 1, 6),
    "LeNet-5's second": ConvGeometry(Axis(14, 5), Axis(14, 5), 40, 6, 16),
}
SMALL = {
    "padding": ConvGeometry(Axis(6, 3, 1, 1, 1), Axis(7, 4, 1, 2, 2), 33, 2, 3),
    "dilation": ConvGeometry(Axis(9, 3, 1, 2, 1, 3), Axis(6, 2, 1, 1, 3, 2), 32, 2, 7),
    "groups": ConvGeometry(Axis(5, 2), Axis(4, 1), 49, 6, 4, 2),
    "many channels": ConvGeometry(Axis(4, 3, 1, 1, 1), Axis(4, 3, 1, 1, 1), 34, 17, 19),
    "cut off": ConvGeometry(Axis(6, 3, 1, -1, 1), Axis(8, 3, 1, 0, -2), 64, 2, 2),
    "one window": ConvGeometry(Axis(2, 1), Axis(2, 1), 65, 1, 1),
    "rows of padding alone": ConvGeometry(Axis(1, 2, 1, 3, 1), Axis(3, 2, 1, 1, 1), 32, 1, 2),
}


def operands(geometry, seed=3):
    """x, weight, bias, and a gradient of the means."""
    given = Drawn(geometry, seed).arrays(np.float32)
    g = geometry
    means = np.random.default_rng(seed).standard_normal((g.N, g.K, g.P // 2, g.Q // 2)).astype(np.float32)
    return given["x"], given["weight"], given["bias"], means


def one_by_one(x, weight, bias, geometry):
    """The three operations as numba's kernels do them; tanh and its means."""
    kernels = load_kernels("numba")
    y = kernels.tanh_forward(conv_direct.forward(x, weight, bias, geometry))
    return y, kernels.avg_pool2d_forward(y, pool_geometry("avg_pool2d", y.shape, 2), True)


def in_usual_order(kept, geometry):
    """(blocks of images, groups, channels, P, Q, images) -> (N, K, P, Q)."""
    images = kept[:, :, : geometry.K // geometry.groups].transpose(0, 5, 1, 2, 3, 4)
    return images.reshape(-1, geometry.K, geometry.P, geometry.Q)[: geometry.N]


def assert_right(geometry, needs=EVERY_PASS, seed=3, biased=True):
    """Forward gives the bits of one by one; gradients are as near to the truth as sums of so many terms can be."""
    x, weight, bias, grad = operands(geometry, seed)
    bias = bias if biased else None
    y, means = one_by_one(x, weight, bias, geometry)
    pooled, kept = lane_pooling.forward(x, weight, bias, geometry, True)
    assert pooled.tobytes() == means.tobytes()
    assert in_usual_order(kept, geometry).tobytes() == y.tobytes()
    assert lane_pooling.forward(x, weight, bias, geometry, False)[0].tobytes() == means.tobytes()
    made = lane_pooling.backward(grad, x, weight, kept, geometry, needs)
    dy = 0.25 * np.repeat(np.repeat(grad.astype(np.float64), 2, 2), 2, 3) * (1 - y.astype(np.float64) ** 2)
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    expected = [
        conv_loops.backward_input(dy, weight, geometry) if needs[0] else None,
        conv_loops.backward_weight(dy, x, geometry),
        dy.sum((0, 2, 3)),
    ]
    rounding = np.abs(dy) + 0.25 * np.repeat(np.repeat(np.abs(grad), 2, 2), 2, 3)  # 1 − y² is off by an eps of 1
    sizes = [
        conv_im2col.backward_input(rounding, np.abs(weight), geometry),
        conv_im2col.backward_weight(rounding, np.abs(x), geometry),
        rounding.sum((0, 2, 3)),
    ]
    g = geometry
    terms = g.K // g.groups * g.R * g.S, g.N * g.P * g.Q, g.N * g.P * g.Q
    for what, actual, wanted, size, count in zip(("dx", "dw", "db"), made, expected, sizes, terms, strict=True):
        assert (actual is None) == (wanted is None), what
        if wanted is not None:
            assert actual.shape == wanted.shape
            allowed = (4 + np.sqrt(count)) * np.finfo(np.float32).eps * size
            assert (np.abs(actual - wanted) <= allowed).all(), f"{what} is off by {np.abs(actual - wanted).max()}"


@pytest.mark.parametrize("needs", [EVERY_PASS, FIRST_LAYER], ids=["with dx", "without"])
@pytest.mark.parametrize("name", SMALL | LENET)
def test_output_is_that_of_one_by_one_and_gradients_are_true(name, needs):
    geometry = (SMALL | LENET)[name]
    assert abreast.tanh_pool(geometry)
    assert_right(geometry, needs)


@st.composite
def geometries(draw):
    """Any that these loops take."""

    def axis():
        kernel, dilation, out = draw(st.integers(1, 4)), draw(st.integers(1, 2)), 2 * draw(st.integers(1, 4))
        lead, trail = draw(st.integers(-1, 3)), draw(st.integers(-1, 3))
        return Axis(max(1, out + dilation * (kernel - 1) - lead - trail), kernel, 1, lead, trail, dilation)

    groups = draw(st.sampled_from((1, 1, 2, 3)))
    C, K = (groups * draw(st.integers(1, 5)) for _ in range(2))
    return ConvGeometry(axis(), axis(), draw(st.integers(32, 70)), C, K, groups)


@given(geometry=geometries(), needs=st.sampled_from((EVERY_PASS, FIRST_LAYER)), seed=seeds, biased=st.booleans())
@examples(60)
def test_any_convolution_that_these_loops_take(geometry, needs, seed, biased):
    if abreast.tanh_pool(geometry):
        assert_right(geometry, needs, seed, biased)


@pytest.mark.parametrize("name", SMALL)
def test_results_are_the_same_in_memory_full_of_nan_and_what_lies_beside_stays(name):
    assert_the_same_in_memory_full_of_nan(SMALL[name])


def both_ways(geometry, copy=np.copy):
    """Means and gradients."""
    x, weight, bias, grad = map(copy, operands(geometry))
    pooled, kept = lane_pooling.forward(x, weight, bias, geometry, True)
    gradients = [lane_pooling.backward(grad, x, weight, kept, geometry, needs) for needs in (EVERY_PASS, FIRST_LAYER)]
    without = lane_pooling.forward(x, weight, bias, geometry, False)[0]
    return [array for array in (pooled, without, *gradients[0], *gradients[1]) if array is not None]


def assert_the_same_in_memory_full_of_nan(geometry):
    expected = [array.tobytes() for array in both_ways(geometry)]
    guarded = Guarded()
    with memory_from(guarded.empty):
        made = both_ways(geometry)
    guarded.assert_untouched()
    assert not any(np.isnan(array).any() for array in made)
    assert [array.tobytes() for array in made] == expected


def test_each_image_is_alone_in_its_lane():
    geometry, odd = SMALL["padding"], np.arange(33) == 32
    x, weight, bias, grad = operands(geometry)
    pooled, kept = lane_pooling.forward(x, weight, bias, geometry, True)
    dx, _, _ = lane_pooling.backward(grad, x, weight, kept, geometry, EVERY_PASS)
    x[odd] = grad[odd] = np.nan
    spoilt, kept = lane_pooling.forward(x, weight, bias, geometry, True)
    assert spoilt[~odd].tobytes() == pooled[~odd].tobytes()
    assert np.isnan(spoilt[odd]).all()
    assert lane_pooling.backward(grad, x, weight, kept, geometry, EVERY_PASS)[0][~odd].tobytes() == dx[~odd].tobytes()


def test_the_last_image_is_not_counted_again_in_lanes_of_images_that_do_not_exist():
    geometry = SMALL["one window"]
    x, weight, bias, grad = operands(geometry)
    _, kept = lane_pooling.forward(x, weight, bias, geometry, True)
    grad[:-1] = 0
    _, dw, db = lane_pooling.backward(grad, x, weight, kept, geometry, EVERY_PASS)
    part = 0.25 * grad[-1] * (1 - np.tanh(weight * x[-1] + bias[0]) ** 2)
    np.testing.assert_allclose(db, [part.sum()], rtol=1e-5)
    np.testing.assert_allclose(dw.ravel(), [(part * x[-1]).sum()], rtol=1e-5)


def test_these_loops_are_for_many_small_images_with_whole_windows():
    takes = abreast.tanh_pool
    rows, columns = Axis(6, 3), Axis(8, 3)
    assert takes(ConvGeometry(rows, columns, 32, 2, 7))
    assert not takes(ConvGeometry(rows, columns, 31, 2, 7))
    assert not takes(ConvGeometry(Axis(7, 3), columns, 32, 2, 7))
    assert not takes(ConvGeometry(rows, Axis(9, 3), 32, 2, 7))
    assert not takes(ConvGeometry(rows, Axis(9, 3, 2), 32, 2, 7))
    assert not takes(ConvGeometry(Axis(66, 3), Axis(66, 3), 32, 2, 7))
