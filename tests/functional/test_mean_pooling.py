"""Average, Lp, global and adaptive pooling against windows written out cell by cell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn.functional as F
from tests.backends import assert_gradients_hold, run
from tests.cases import LAYOUTS, away_from_zero, examples, laid_out, layouts, normal, pool_cases, seeds
from tests.functional.windows import pooled
from tests.numeric import assert_close


@pytest.mark.parametrize("include_pad", [True, False], ids=["pad counts", "pad left out"])
@given(case=pool_cases())
@examples(150)
def test_average_is_the_sum_of_each_window_over_the_cells_that_count(include_pad, case):
    def average(values, padded_count):
        return np.sum(values, axis=0) / (padded_count if include_pad else len(values))

    x = laid_out(normal(case.seed, case.N, case.C, case.H, case.W), case.layout)
    y = run(lambda x: F.avg_pool2d(x, **case.options, count_include_pad=include_pad), x).y
    assert_close(y, pooled(x, case, average), 1e-14, scale=abs(x).max())


@pytest.mark.parametrize("include_pad", [True, False], ids=["pad counts", "pad left out"])
@given(case=pool_cases())
@examples(40)
def test_average_gradients_equal_central_differences(include_pad, case):
    def average(x):
        return F.avg_pool2d(x, **case.options, count_include_pad=include_pad)

    assert_gradients_hold(average, case.image(), seed=case.seed, layout=case.layout)


def test_a_padded_corner_divides_by_the_kernel_or_by_its_real_cells():
    x = np.full((1, 1, 4, 4), 6.0)
    counted = run(lambda x: F.avg_pool2d(x, 3, stride=2, padding=1), x).y[0, 0]
    left_out = run(lambda x: F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False), x).y[0, 0]
    assert counted.tolist() == [[6 * 4 / 9, 6 * 6 / 9], [6 * 6 / 9, 6]]
    assert left_out.tolist() == [[6, 6], [6, 6]]


def test_what_ceil_mode_reaches_beyond_the_padded_input_never_counts():
    x = np.full((1, 1, 5, 5), 6.0)
    y = run(lambda x: F.avg_pool2d(x, 2, ceil_mode=True), x).y
    assert_close(y, np.full((1, 1, 3, 3), 6.0), 1e-15)


def test_overlapping_average_windows_add_their_gradients():
    _, grad, (dx,) = run(lambda x: F.avg_pool2d(x, 3, stride=2), normal(1, 1, 1, 5, 5))
    assert_close(dx[0, 0, 2, 2], grad.sum() / 9, 1e-14)
    assert_close(dx[0, 0, 0, 2], grad[0, 0, 0].sum() / 9, 1e-14)


@given(case=pool_cases(padded=False), p=st.sampled_from((1, 1.5, 2, 3, 7)))
@examples(150)
def test_lp_is_the_pth_root_of_the_sum_of_pth_powers(case, p):
    def norm(values, _):
        return np.sum(np.abs(values) ** p, axis=0) ** (1 / p)

    options = {"kernel_size": case.kernel, "stride": case.stride, "ceil_mode": case.ceil_mode}
    x = laid_out(away_from_zero(normal(case.seed, case.N, case.C, case.H, case.W)), case.layout)
    assert_close(run(lambda x: F.lp_pool2d(x, p, **options), x).y, pooled(x, case, norm), 1e-13)


@given(case=pool_cases(padded=False), p=st.sampled_from((1, 1.5, 2, 3)))
@examples(40)
def test_lp_gradients_equal_central_differences(case, p):
    options = {"kernel_size": case.kernel, "stride": case.stride, "ceil_mode": case.ceil_mode}
    x = away_from_zero(normal(case.seed, case.N, case.C, case.H, case.W))
    assert_gradients_hold(lambda x: F.lp_pool2d(x, p, **options), x, seed=case.seed, layout=case.layout)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_the_lp_gradient_of_a_window_of_zeros_is_zero(p):
    x = np.zeros((1, 1, 2, 4))
    x[0, 0, :, 2:] = [[3.0, -4.0], [0.0, 0.0]]
    _, _, (dx,) = run(lambda x: F.lp_pool2d(x, p, 2), x)
    np.testing.assert_array_equal(dx[0, 0, :, :2], 0)
    np.testing.assert_array_equal(dx[0, 0, 0, 2:] != 0, True)
    assert np.isfinite(dx).all()


def test_global_average_is_the_mean_of_each_channel():
    x = normal(2, 2, 3, 4, 5)
    y, grad, (dx,) = run(F.global_avg_pool2d, x)
    assert_close(y, np.array([[[[x[n, c].sum() / 20]] for c in range(3)] for n in range(2)]), 1e-14)
    assert_close(dx, np.ones_like(x) * grad / 20, 1e-14)


def bins(cells: int, parts: int) -> list[range]:
    """Cells of each of so many parts: from floor(i · cells / parts) to ceil((i + 1) · cells / parts) − 1."""
    return [range(i * cells // parts, -(-(i + 1) * cells // parts)) for i in range(parts)]


@given(data=st.data(), seed=seeds, layout=layouts)
@examples(100)
def test_adaptive_average_is_the_mean_of_bins_that_cover_the_image(data, seed, layout):
    N, C, H, W, P, Q = (data.draw(st.integers(1, most)) for most in (3, 3, 8, 9, 9, 8))
    x = laid_out(normal(seed, N, C, H, W), layout)
    expected = np.empty((N, C, P, Q))
    for p, rows in enumerate(bins(H, P)):
        for q, columns in enumerate(bins(W, Q)):
            expected[:, :, p, q] = sum(x[:, :, h, w] for h in rows for w in columns) / (len(rows) * len(columns))
    assert_close(run(lambda x: F.adaptive_avg_pool2d(x, (P, Q)), x).y, expected, 1e-13, scale=abs(x).max())


@pytest.mark.parametrize("size", [1, (2, 3), (5, 7), (7, 4)])
def test_adaptive_gradients_equal_central_differences(size):
    assert_gradients_hold(lambda x: F.adaptive_avg_pool2d(x, size), normal(3, 2, 2, 5, 7))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        lambda x: F.lp_pool2d(x, 2, 3, 2),
        lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
        F.global_avg_pool2d,
    ],
    ids=["average", "lp", "adaptive", "global"],
)
def test_any_layout_gives_the_same_numbers_and_dtype_is_kept(pool, layout, dtype):
    x = normal(4, 2, 3, 7, 6, dtype=dtype)
    plain, other = run(pool, x), run(pool, laid_out(x, layout), layout=layout)
    tolerance = {np.float32: 1e-6, np.float64: 1e-14}[dtype]
    assert other.y.dtype == dtype
    assert_close(other.y, plain.y, tolerance)
    assert_close(other.gradients[0], plain.gradients[0], tolerance)


def test_messages_guess_the_mistake():
    x = normal(1, 1, 1, 4, 4)
    with pytest.raises(ValueError, match=r"norm_type must be a finite number of at least 1, got 0\.5"):
        F.lp_pool2d(x, 0.5, 2)
    with pytest.raises(ValueError, match="adaptive_avg_pool2d: size must be at least 1, got"):
        F.adaptive_avg_pool2d(x, (0, 2))
    for pool in (F.global_avg_pool2d, F.global_max_pool2d, lambda x: F.adaptive_avg_pool2d(x, 1)):
        with pytest.raises(ValueError, match="an image of 0x4 has no cells to pool"):
            pool(np.zeros((1, 1, 0, 4)))
