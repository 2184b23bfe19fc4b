"""Winograd: its matrices by the published ones and by what they must do, exact adjoints, and a bound on the error."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn as tc
import tinycnn.functional as F
from tests.cases import ConvCase, examples, layouts, normal, seeds
from tests.numeric import assert_close, inner
from tinycnn.geometry import Axis, ConvGeometry, conv_geometry
from tinycnn.kernels.loops import convolution as conv_loops
from tinycnn.kernels.numpy import choose_convolution, conv_im2col, conv_winograd, winograd_transform
from tinycnn.kernels.numpy.winograd_transform import TILINGS, Tiling, refusal, tiling, transform

EVERY_TILING = pytest.mark.parametrize("t", TILINGS, ids=[f"F({t.m}, {t.r})" for t in TILINGS])


@st.composite
def winograd_cases(draw: st.DrawFn, most_channels: int = 3) -> ConvCase:
    """Any convolution that Winograd runs: outputs from less than a tile to several with a rest, pads wider than r."""
    r = draw(st.sampled_from((3, 5)))
    top, bottom, left, right = (draw(st.integers(0, r + 1)) for _ in range(4))
    H = draw(st.integers(max(1, r - top - bottom), 12))
    W = draw(st.integers(max(1, r - left - right), 12))
    groups = draw(st.sampled_from((1, 1, 2, 3)))
    C, K = (groups * draw(st.integers(1, most_channels)) for _ in range(2))
    N, pads = draw(st.integers(1, 3)), (top, bottom, left, right)
    return ConvCase(N, C, K, groups, H, W, r, r, (1, 1), pads, (1, 1), draw(layouts), draw(seeds))


def all_passes(module, x, weight, grad, geometry):
    """Y, dx and dw."""
    return (
        module.forward(x, weight, None, geometry),
        module.backward_input(grad, weight, geometry),
        module.backward_weight(grad, x, geometry),
    )


# The matrices


def test_f_2_3_has_the_matrices_of_lavin_and_gray_up_to_the_scale_of_each_point():
    # Lavin, Gray (2016), equations 6 and 7. A row's scale is free where the three scales of its point multiply to 1.
    half = 0.5
    BT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    G = np.array([[1, 0, 0], [half, half, half], [half, -half, half], [0, 0, 1]])
    AT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
    ours = transform(2, 3)
    scales = []
    for mine, published in ((ours.BT, BT), (ours.G, G), (ours.AT.T, AT.T)):
        scale = [next(a / b for a, b in zip(*rows, strict=True) if b) for rows in zip(mine, published, strict=True)]
        np.testing.assert_array_equal(mine, np.array(scale)[:, None] * published)
        scales.append(scale)
    np.testing.assert_array_equal(np.prod(scales, 0), 1)


@EVERY_TILING
def test_filtering_a_row_is_correlation_without_any_rounding(t):
    # Bilinear on both sides, so equal for all rows and filters if equal for the unit vectors.
    AT, G, BT = winograd_transform.cook_toom(t.points, t.m, t.r)
    for i, j, k in np.ndindex(t.m, t.r, t.a):
        made = sum((AT[i][point] * G[point][j] * BT[point][k] for point in range(t.a)), Fraction(0))
        assert made == (k == i + j), f"output {i} takes tap {j} times input {k} {made} times"


@EVERY_TILING
def test_arrays_are_the_fractions_rounded_once_and_cannot_be_written_to(t):
    for dtype in (np.float32, np.float64):
        made = transform(t.m, t.r, dtype)
        assert (made.m, made.r, made.a) == (t.m, t.r, t.a)
        assert made.AT.shape == (t.m, t.a)
        assert made.G.shape == (t.a, t.r)
        assert made.BT.shape == (t.a, t.a)
        for array, exact in zip(made[:3], winograd_transform.cook_toom(t.points, t.m, t.r), strict=True):
            assert array.dtype == dtype
            assert not array.flags.writeable
            assert array.tolist() == np.array([[float(v) for v in row] for row in exact], dtype).tolist()
        for array in (made.AT, made.BT):  # all of them exact in binary
            np.testing.assert_array_equal(array * 8, np.round(array * 8))
    swapped = np.dtype(np.float32).newbyteorder()
    assert transform(t.m, t.r, swapped).BT.dtype == np.float32


def test_points_must_be_distinct_as_many_as_the_tile_and_one_of_them_infinite():
    zero, one, two = Fraction(0), Fraction(1), Fraction(2)
    for points in ((zero, one, None), (zero, one, one, None), (zero, one, two, -one)):
        with pytest.raises(ValueError, match=r"F\(2, 3\) needs 4 distinct points, one of them infinity"):
            winograd_transform.cook_toom(points, 2, 3)


# Which geometries, which tiling


@pytest.mark.parametrize(
    ("r", "P", "Q", "m"),
    [(3, 1, 2, 2), (3, 3, 3, 4), (3, 4, 4, 4), (3, 6, 6, 2), (3, 7, 7, 4), (3, 14, 14, 4), (3, 1, 9, 2), (5, 9, 9, 2)],
)
def test_the_tiling_is_the_one_of_fewest_products(r, P, Q, m):
    assert winograd_transform.tiling(conv_geometry("conv2d", (1, 1, P + r - 1, Q + r - 1), (1, 1, r, r))) == Tiling(
        m, r
    )


@pytest.mark.parametrize(
    ("kernel", "options"),
    [((7, 7), {}), ((3, 5), {}), ((1, 1), {}), ((3, 3), {"stride": (1, 2)}), ((5, 5), {"dilation": (2, 1)})],
)
def test_other_geometries_are_refused_with_the_reason_and_what_can(kernel, options):
    x, weight = normal(1, 2, 3, 9, 11), normal(2, 4, 3, *kernel)
    g = conv_geometry("conv2d", x.shape, weight.shape, **options)
    assert "3x3 and 5x5 kernels at stride 1 without dilation" in refusal(g)
    with pytest.raises(ValueError, match="winograd cannot run"):
        tiling(g)
    size = f"{kernel[0]}x{kernel[1]} over 9x11 -> {g.P}x{g.Q}"
    told = rf"winograd cannot run {size} \(stride .*\): it takes 3x3 and 5x5 kernels .*; direct, im2col and fft can$"
    with tc.use_backend("numpy"):
        with pytest.raises(ValueError, match=told):
            F.conv2d(x, weight, algorithm="winograd", **options)
        with tc.use_algorithm("winograd"), pytest.raises(ValueError, match="winograd cannot run"):
            F.conv_transpose2d(normal(3, *g.output_shape), weight, **options)
        F.conv2d(x, weight, **options)  # auto finds one that can


@pytest.mark.parametrize(
    ("N", "C", "K", "size", "r", "stride", "chosen"),
    [
        (4, 128, 256, 56, 3, 1, "winograd"),
        (4, 512, 512, 28, 3, 1, "winograd"),
        (4, 512, 512, 14, 3, 1, "im2col"),
        (4, 64, 64, 56, 3, 1, "im2col"),
        (4, 128, 128, 56, 5, 1, "im2col"),
        (16, 128, 128, 56, 3, 2, "im2col"),
    ],
)
def test_auto_takes_winograd_where_it_was_measured_to_be_faster(N, C, K, size, r, stride, chosen):
    g = conv_geometry("conv2d", (N, C, size, size), (K, C, r, r), stride, r // 2)
    assert choose_convolution("forward", g) == choose_convolution("backward_input", g) == chosen
    assert choose_convolution("backward_weight", g) == "im2col"
    by_channel = conv_geometry("conv2d", (N, C, size, size), (C, 1, r, r), stride, r // 2, groups=C)
    assert choose_convolution("forward", by_channel) == "im2col"


# The passes


@given(case=winograd_cases())
@examples(150)
def test_all_passes_equal_im2col(case):
    # The seven loops are the reference of tests/functional; they are too slow for outputs of several tiles.
    x, weight, _ = case.arrays()
    arrays = x, weight, case.upstream(), case.geometry
    passes = zip(["y", "dx", "dw"], *(all_passes(m, *arrays) for m in (conv_winograd, conv_im2col)), strict=True)
    for what, actual, expected in passes:
        assert_close(actual, expected, 1e-12, what)


@given(case=winograd_cases())
@examples(100)
def test_backward_passes_are_the_adjoints_of_forward(case):
    # <conv(x, w), g> == <x, backward_input(g)> == <w, backward_weight(g, x)> for any x, w and g
    x, weight, _ = case.arrays()
    grad, g = case.upstream(), case.geometry
    y, dx, dw = all_passes(conv_winograd, x, weight, grad, g)
    size = np.linalg.norm(x) * np.linalg.norm(weight) * np.linalg.norm(grad)
    assert abs(inner(y, grad) - inner(x, dx)) <= 1e-13 * size
    assert abs(inner(y, grad) - inner(weight, dw)) <= 1e-13 * size


@pytest.mark.parametrize("room", [1, 5 * 10**4, 10**9], ids=["one image", "some images", "all"])
@pytest.mark.parametrize("N", [0, 1, 7])
def test_the_number_of_images_taken_at_a_time_changes_nothing(monkeypatch, N, room):
    x, weight, bias = normal(1, N, 4, 7, 9), normal(2, 6, 2, 3, 3), normal(3, 6)
    g = conv_geometry("conv2d", x.shape, weight.shape, padding=1, groups=2)
    grad = normal(4, *g.output_shape)
    monkeypatch.setattr(conv_winograd, "TILE_BYTES", room)
    pieces = list(conv_winograd.Plan.of(g).batches(8))
    assert [n for piece in pieces for n in range(N)[piece]] == list(range(N))
    assert len(pieces) == min(N, {1: N, 5 * 10**4: 4, 10**9: 1}[room])
    for actual, expected in zip(
        all_passes(conv_winograd, x, weight, grad, g), all_passes(conv_im2col, x, weight, grad, g), strict=True
    ):
        assert_close(actual, expected, 1e-13)
    assert_close(conv_winograd.forward(x, weight, bias, g), conv_im2col.forward(x, weight, bias, g), 1e-13)


# Accuracy


def assert_within_the_bound(x, weight, grad, g):
    """2e-5 · rms · max(1, sqrt(L / 64)), L the channels summed over, or a sixteenth of the tiles.

    The rms of y is the root of the mean of (Σ products)²; here of Σ (products²), which random signs give on average,
    since a plane of one entry may be near 0 by chance.
    """
    tiles = g.N * np.prod([-(-size // tiling(g).m) for size in (g.P, g.Q)])
    single = all_passes(conv_winograd, *(a.astype(np.float32) for a in (x, weight, grad)), g)
    true = all_passes(conv_im2col, *(a.astype(np.float32).astype(np.float64) for a in (x, weight, grad)), g)
    squares = all_passes(conv_im2col, x**2, weight**2, grad**2, g)
    lengths = g.C // g.groups, g.K // g.groups, tiles / 16
    for what, actual, expected, square, length in zip(["y", "dx", "dw"], single, true, squares, lengths, strict=True):
        assert actual.dtype == np.float32
        rms = np.sqrt(square.mean())
        if square.size > 1000:  # then chance is no matter, and the bound is the one told
            rms = np.sqrt((expected**2).mean())
        error = np.abs(actual - expected).max()
        assert error <= 2e-5 * rms * max(1, np.sqrt(length / 64)), f"{what}: {error / rms:.1e} of rms"


@given(case=winograd_cases(most_channels=20))
@examples(100)
def test_the_float32_error_stays_within_the_bound(case):
    x, weight, _ = case.arrays()
    assert_within_the_bound(x, weight, case.upstream(), case.geometry)


@pytest.mark.parametrize("r", [3, 5])
@pytest.mark.parametrize(("C", "K"), [(1, 64), (4, 64), (64, 64), (256, 32), (512, 32), (32, 256), (32, 512)])
def test_the_float32_error_stays_within_the_bound_at_large_channel_counts(C, K, r):
    x, weight = normal(1, 2, C, 11, 13), normal(2, K, C, r, r)
    g = conv_geometry("conv2d", x.shape, weight.shape, padding=r // 2)
    assert_within_the_bound(x, weight, normal(3, *g.output_shape), g)


@pytest.mark.parametrize("r", [3, 5])
@pytest.mark.parametrize(("N", "size"), [(4, 14), (8, 20), (1, 56)])
def test_the_float32_error_of_the_weight_gradient_grows_with_the_tiles_as_told(N, size, r):
    x, weight = normal(1, N, 16, size, size), normal(2, 48, 16, r, r)
    g = conv_geometry("conv2d", x.shape, weight.shape, padding=r // 2)
    assert_within_the_bound(x, weight, normal(3, *g.output_shape), g)


# Exact zeros: with -1/2 among the points and a third in G nothing cancels exactly by luck.


def assert_zero(array):
    np.testing.assert_array_equal(array, np.zeros_like(array))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("r", [3, 5])
def test_nothing_in_gives_exactly_nothing_out(r, dtype):
    x, weight = normal(1, 2, 3, 9, 10, dtype=dtype), normal(2, 4, 3, r, r, dtype=dtype)
    g = conv_geometry("conv2d", x.shape, weight.shape, padding=1)
    grad = normal(3, *g.output_shape, dtype=dtype)
    for zero in (0, 1, 2):
        given_arrays = [array * (i != zero) for i, array in enumerate((x, weight, grad))]
        for i, made in enumerate(all_passes(conv_winograd, *given_arrays, g)):
            if zero != (2, 0, 1)[i]:  # y is without grad, dx without x, dw without weight
                assert_zero(made)


@pytest.mark.parametrize("r", [3, 5])
def test_cells_that_no_output_reads_leave_no_trace(r):
    # A trailing pad below 0, as transposed convolutions make it, leaves rows at the end out.
    g = ConvGeometry(Axis(11, r, 1, 1, -3), Axis(12, r, 1, 0, -2), 2, 3, 4)
    x, weight, grad = normal(1, *g.input_shape), normal(2, *g.weight_shape), normal(3, *g.output_shape)
    for actual, expected in zip(
        all_passes(conv_winograd, x, weight, grad, g), all_passes(conv_loops, x, weight, grad, g), strict=True
    ):
        assert_close(actual, expected, 1e-12)
    x[:, :, :8, :10] = 0
    assert_zero(conv_winograd.forward(x, weight, None, g))
    assert_zero(conv_winograd.backward_weight(grad, x, g))
    x[:, :, 8:], x[:, :, :, 10:] = np.inf, np.inf
    assert_zero(conv_winograd.forward(x, weight, None, g))
    dx = conv_winograd.backward_input(grad, weight, g)
    assert_zero(dx[:, :, 8:])
    assert_zero(dx[:, :, :, 10:])
    assert (dx[:, :, :8, :10] != 0).all()


@pytest.mark.parametrize("r", [3, 5])
def test_outputs_and_kernel_cells_that_meet_padding_alone_are_exactly_zero(r):
    # Two more rows of padding than the kernel has above and one below; 1x2 cells, which most kernel cells never meet.
    x, weight, bias = normal(1, 2, 3, 1, 2), normal(2, 4, 3, r, r), normal(3, 4)
    g = conv_geometry("conv2d", x.shape, weight.shape, padding=(r + 2, r + 1, r, 0))
    grad = normal(4, *g.output_shape)
    y, dx, dw = all_passes(conv_winograd, x, weight, grad, g)
    for made, expected in zip((y, dx, dw), all_passes(conv_loops, x, weight, grad, g), strict=True):
        assert_close(made, expected, 1e-12)
        assert ((made == 0) >= (expected == 0)).all()
    assert (y == 0).any()
    np.testing.assert_array_equal(conv_winograd.forward(x, weight, bias, g), y + bias.reshape(-1, 1, 1))
    grad[y != 0] = 0
    assert_zero(conv_winograd.backward_input(grad, weight, g))
    assert_zero(conv_winograd.backward_weight(grad, x, g))
    narrow = conv_geometry("conv2d", (2, 3, 1, 2), (4, 3, r, r), padding=r // 2)
    dw = conv_winograd.backward_weight(normal(5, *narrow.output_shape), x, narrow)
    assert_zero(dw[:, :, : r // 2])
    assert_zero(dw[:, :, r // 2 + 1 :])


@pytest.mark.parametrize("r", [3, 5])
def test_a_geometry_whose_windows_all_miss_the_input_gives_zeros(r):
    g = ConvGeometry(Axis(3, r, 1, r + 1, -3), Axis(9, r, 1, 0, 0), 2, 3, 4)
    x, weight, bias = normal(1, *g.input_shape), normal(2, *g.weight_shape), normal(3, 4)
    grad = normal(4, *g.output_shape)
    for made, shape in zip(
        all_passes(conv_winograd, x, weight, grad, g), (g.output_shape, g.input_shape, g.weight_shape), strict=True
    ):
        assert made.shape == shape
        assert_zero(made)
    y = conv_winograd.forward(x, weight, bias, g)
    np.testing.assert_array_equal(y, np.broadcast_to(bias.reshape(-1, 1, 1), y.shape))


def test_the_points_chosen_are_more_accurate_than_those_of_lavin_and_gray(monkeypatch):
    x, weight = normal(1, 4, 64, 12, 12, dtype=np.float32), normal(2, 64, 64, 3, 3, dtype=np.float32)
    g = conv_geometry("conv2d", x.shape, weight.shape)
    true = conv_im2col.forward(x.astype(np.float64), weight.astype(np.float64), None, g)

    def error():
        transform.cache_clear()
        return np.abs(conv_winograd.forward(x, weight, None, g) - true).max()

    ours = error()
    theirs = (*winograd_transform.SIX_POINTS[:4], Fraction(-2), None)
    monkeypatch.setattr(winograd_transform, "SIX_POINTS", theirs)
    try:
        assert error() > 1.5 * ours
    finally:
        transform.cache_clear()
