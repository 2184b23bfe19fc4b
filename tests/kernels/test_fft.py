"""FFT: linear, not circular, adjoint gradients, and an error within the bound that its module tells."""

import numpy as np
import pytest
from hypothesis import given

from tests.cases import ConvCase, conv_cases, examples, normal
from tests.numeric import assert_close, inner
from tinycnn.geometry import Axis, ConvGeometry, conv_geometry
from tinycnn.kernels.loops import convolution as conv_loops
from tinycnn.kernels.numpy import conv_fft, conv_im2col


def all_passes(module, x, weight, grad, geometry):
    """Y, dx and dw."""
    return (
        module.forward(x, weight, None, geometry),
        module.backward_input(grad, weight, geometry),
        module.backward_weight(grad, x, geometry),
    )


def test_sizes_are_the_next_products_of_2_3_and_5():
    products = {2**a * 3**b * 5**c for a in range(12) for b in range(8) for c in range(6)}
    for least in range(1, 1500):
        assert conv_fft.fast_size(least) == min(size for size in products if size >= least)


@given(case=conv_cases())
@examples(150)
def test_all_passes_equal_im2col(case):
    x, weight, _ = case.arrays()
    arrays = x, weight, case.upstream(), case.geometry
    passes = zip(["y", "dx", "dw"], *(all_passes(m, *arrays) for m in (conv_fft, conv_im2col)), strict=True)
    for what, actual, expected in passes:
        assert_close(actual, expected, 1e-12, what)


@pytest.mark.parametrize("kernel", [3, 4, 9, 17])
@pytest.mark.parametrize("size", [17, 20, 24, 25, 27])
def test_results_are_linear_where_the_planes_leave_no_cell_to_spare(size, kernel):
    # 20, 24, 25 and 27 are products of 2, 3 and 5 themselves, odd and even: whatever wrapped round would be seen.
    x, weight = normal(1, 1, 2, size, size - 1), normal(2, 2, 2, kernel, kernel - 1)
    g = conv_geometry("conv2d", x.shape, weight.shape)
    assert conv_fft.plane_sizes(g)[0] == {17: 18}.get(size, size)
    grad = normal(3, *g.output_shape)
    for actual, expected in zip(
        all_passes(conv_fft, x, weight, grad, g), all_passes(conv_im2col, x, weight, grad, g), strict=True
    ):
        assert_close(actual, expected, 1e-13)


@given(case=conv_cases())
@examples(100)
def test_backward_passes_are_the_adjoints_of_forward(case):
    # <conv(x, w), g> == <x, backward_input(g)> == <w, backward_weight(g, x)> for any x, w and g
    x, weight, _ = case.arrays()
    grad, g = case.upstream(), case.geometry
    y, dx, dw = all_passes(conv_fft, x, weight, grad, g)
    size = np.linalg.norm(x) * np.linalg.norm(weight) * np.linalg.norm(grad)
    assert abs(inner(y, grad) - inner(x, dx)) <= 1e-13 * size
    assert abs(inner(y, grad) - inner(weight, dw)) <= 1e-13 * size


@pytest.mark.parametrize("room", [1, 6000, 10**9], ids=["one", "some", "all"])
@pytest.mark.parametrize("N", [0, 1, 7])
def test_the_number_of_images_and_channels_taken_at_a_time_changes_nothing(monkeypatch, N, room):
    x, weight, bias = normal(1, N, 4, 7, 9), normal(2, 6, 2, 3, 2), normal(3, 6)
    g = conv_geometry("conv2d", x.shape, weight.shape, stride=(2, 1), padding=1, groups=2)
    grad = normal(4, *g.output_shape)
    monkeypatch.setattr(conv_fft, "SPECTRUM_BYTES", room)
    taken = list(conv_fft.pieces(7, g.C, g))
    assert [i for piece in taken for i in range(7)[piece]] == list(range(7))
    assert len(taken) == {1: 7, 6000: 4, 10**9: 1}[room]
    for actual, expected in zip(
        all_passes(conv_fft, x, weight, grad, g), all_passes(conv_im2col, x, weight, grad, g), strict=True
    ):
        assert_close(actual, expected, 1e-13)
    assert_close(conv_fft.forward(x, weight, bias, g), conv_im2col.forward(x, weight, bias, g), 1e-13)


def test_cells_that_no_window_covers_are_not_read():
    # A trailing pad below 0, as transposed convolutions make it, and the rest of a stride.
    g = ConvGeometry(Axis(11, 3, 2, 1, -3), Axis(12, 2, 3, 0, 0), 2, 3, 4)
    x, weight, grad = normal(1, *g.input_shape), normal(2, *g.weight_shape), normal(3, *g.output_shape)
    expected = all_passes(conv_loops, x, weight, grad, g)
    x[:, :, 8:], x[:, :, :, 11:] = np.nan, np.nan
    for actual, wanted in zip(all_passes(conv_fft, x, weight, grad, g), expected, strict=True):
        assert_close(actual, wanted, 1e-12)
    missed = ConvGeometry(Axis(3, 3, 1, 4, -3), Axis(9, 3), 2, 3, 4)  # every window lies in the padding
    x, grad = normal(4, *missed.input_shape), normal(5, *missed.output_shape)
    for made in all_passes(conv_fft, x, weight[..., [0, 1, 1]], grad, missed):
        np.testing.assert_array_equal(made, np.zeros_like(made))


@given(case=conv_cases())
@examples(100)
def test_what_meets_nothing_comes_out_as_exactly_nothing(case):
    g = case.geometry
    arrays = np.ones(g.input_shape), np.ones(g.weight_shape), np.ones(g.output_shape)
    passes = zip(*(all_passes(module, *arrays, g) for module in (conv_fft, conv_im2col)), strict=True)
    for actual, expected in passes:  # of ones, so that an expected 0 is a sum of no products
        np.testing.assert_array_equal(actual == 0, expected == 0)


# Accuracy


def plane_norms(array):
    return np.sqrt((array.astype(np.float64) ** 2).sum((2, 3)))


def bounds(x, weight, grad, g):
    """What the module's docstring promises for each plane of y, dx and dw."""
    size = 1 + np.log2(np.prod(conv_fft.plane_sizes(g)))
    in_x, in_y = plane_norms(x).reshape(g.N, g.groups, -1), plane_norms(grad).reshape(g.N, g.groups, -1)
    in_w = plane_norms(weight).reshape(g.groups, g.K // g.groups, -1)
    products = (
        np.einsum("ngc,gkc->ngk", in_x, in_w).reshape(g.N, g.K),
        np.einsum("ngk,gkc->ngc", in_y, in_w).reshape(g.N, g.C),
        np.einsum("ngk,ngc->gkc", in_y, in_x).reshape(g.K, -1),
    )
    return [2 * np.finfo(np.float32).eps * size * product for product in products]


def assert_within_the_bound(x, weight, grad, g):
    x, weight, grad = (array.astype(np.float32) for array in (x, weight, grad))
    single = all_passes(conv_fft, x, weight, grad, g)
    true = all_passes(conv_im2col, *(array.astype(np.float64) for array in (x, weight, grad)), g)
    for what, actual, expected, bound in zip(["y", "dx", "dw"], single, true, bounds(x, weight, grad, g), strict=True):
        assert actual.dtype == np.float32
        error = np.abs(actual - expected).max((2, 3))
        assert (error <= bound).all(), f"{what}: {(error / bound).max():.2f} of the bound"


@given(case=conv_cases())
@examples(100)
def test_the_float32_error_stays_within_the_bound(case: ConvCase):
    x, weight, _ = case.arrays()
    assert_within_the_bound(x, weight, case.upstream(), case.geometry)


def constant(seed, *shape):
    """All products of one sign, so that nothing averages out."""
    return np.abs(normal(seed, *shape)) * 0.1 + 1


def one_large_cell(seed, *shape):
    """A cell of 10⁶ in one corner of each plane: all others lose digits to it."""
    array = normal(seed, *shape)
    array[:, :, 0, 0] = 1e6
    return array


@pytest.mark.parametrize("data", [normal, constant, one_large_cell])
@pytest.mark.parametrize(
    ("C", "K", "H", "kernel", "stride"), [(1, 1, 40, 3, 1), (3, 8, 64, 11, 4), (256, 8, 13, 3, 1), (8, 256, 13, 5, 1)]
)
def test_the_bound_holds_for_data_that_strains_it(C, K, H, kernel, stride, data):
    x, weight = data(1, 2, C, H, H + 1), data(2, K, C, kernel, kernel)
    g = conv_geometry("conv2d", x.shape, weight.shape, stride=stride, padding=kernel // 2)
    assert_within_the_bound(x, weight, data(3, *g.output_shape), g)


def test_a_large_cell_costs_digits_in_its_own_image_alone():
    # The caveat in the docstring, so that nobody meets it unawares: the error far from the cell is of its size.
    x, weight = normal(1, 2, 1, 32, 32, dtype=np.float32), normal(2, 1, 1, 3, 3, dtype=np.float32)
    g = conv_geometry("conv2d", x.shape, weight.shape)
    x[0, 0, 0, 0] = 1e6
    true = conv_im2col.forward(x.astype(np.float64), weight.astype(np.float64), None, g)
    error = np.abs(conv_fft.forward(x, weight, None, g) - true)[:, 0, 5:, 5:].max((1, 2))
    assert error[0] > 1e-3
    assert error[1] < 1e-5


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_cell_that_is_not_finite_spreads_over_its_image_and_no_other(value):
    x, weight = normal(1, 3, 4, 6, 7), normal(2, 4, 2, 3, 3)
    x[1, 0, 2, 2] = value
    g = conv_geometry("conv2d", x.shape, weight.shape, groups=2)
    with np.errstate(invalid="ignore"):
        y = conv_fft.forward(x, weight, None, g)
    assert np.isnan(y[1, :2]).all()
    assert np.isfinite(y[1, 2:]).all()  # the other group does not see it
    assert np.isfinite(y[[0, 2]]).all()
