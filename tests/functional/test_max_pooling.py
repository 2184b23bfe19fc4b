"""Maximum and minimum pooling, and unpooling, against windows written out cell by cell."""

import numpy as np
import pytest
from hypothesis import given

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import assert_gradients_hold, run, to_backend, to_numpy
from tests.cases import LAYOUTS, all_apart, examples, laid_out, normal, pool_cases
from tests.functional.windows import pooled, sent_back, winners
from tests.numeric import assert_close, inner


def largest(values, _):
    return np.max(values, axis=0)


def with_indices(x: np.ndarray, **options) -> tuple[np.ndarray, np.ndarray]:
    y, indices = F.max_pool2d(tc.Tensor(to_backend(x)), **options, return_indices=True)
    return to_numpy(y.data), to_numpy(indices)


@given(case=pool_cases())
@examples(200)
def test_max_is_the_largest_real_cell_of_each_window(case):
    x = case.image()
    y, grad, (dx,) = run(lambda x: F.max_pool2d(x, **case.options), x, seed=case.seed, layout=case.layout)
    assert_close(y, pooled(x, case, largest), 0)
    assert_close(dx, sent_back(grad, winners(x, case), case), 1e-14, scale=1)


@given(case=pool_cases())
@examples(200)
def test_of_equal_maxima_the_first_wins_and_gets_the_whole_gradient(case):
    x = case.coarse_image()
    y, grad, (dx,) = run(lambda x: F.max_pool2d(x, **case.options), x, seed=case.seed)
    assert_close(y, pooled(x, case, largest), 0)
    assert_close(dx, sent_back(grad, winners(x, case), case), 1e-14, scale=1)
    np.testing.assert_array_equal(with_indices(x, **case.options)[1], winners(x, case))


@given(case=pool_cases())
@examples(40)
def test_gradients_equal_central_differences(case):
    assert_gradients_hold(lambda x: F.max_pool2d(x, **case.options), case.image(), seed=case.seed, layout=case.layout)
    assert_gradients_hold(lambda x: F.min_pool2d(x, **case.options), case.image(), seed=case.seed)


@given(case=pool_cases())
@examples(100)
def test_min_is_the_smallest_real_cell_of_each_window(case):
    x = case.coarse_image() + 4  # all positive: a padding of zeros would win
    y, grad, (dx,) = run(lambda x: F.min_pool2d(x, **case.options), x, seed=case.seed)
    assert_close(y, pooled(x, case, lambda values, _: np.min(values, axis=0)), 0)
    assert_close(dx, sent_back(grad, winners(-x, case), case), 1e-14, scale=1)


@pytest.mark.parametrize("padding", [1, (1, 0), (0, 1, 1, 0)])
def test_padding_never_wins_over_a_negative_image(padding):
    x = np.array([[[[-5.0, -3.0, -9.0], [-4.0, -8.0, -7.0], [-2.0, -6.0, -1.0]]]])
    y = run(lambda x: F.max_pool2d(x, 2, stride=2, padding=padding), x).y
    assert y.max() < 0
    assert set(y.ravel()) <= set(x.ravel())
    if padding == 1:
        assert y[0, 0].tolist() == [[-5, -3], [-2, -1]]


def test_overlapping_windows_add_their_gradients():
    # 3x3 windows two apart share a row and a column; `=` for `+=` would lose it, and a 2x2/2 pool would not notice.
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 2, 2] = 1.0  # in all four windows
    _, grad, (dx,) = run(lambda x: F.max_pool2d(x, 3, stride=2), x)
    expected = np.zeros_like(x)
    expected[0, 0, 2, 2] = grad.sum()
    assert_close(dx, expected, 1e-15)


def test_a_window_of_equal_values_sends_its_gradient_to_the_first():
    _, grad, (dx,) = run(lambda x: F.max_pool2d(x, 2), np.full((1, 2, 4, 2), -3.0))
    expected = np.zeros((1, 2, 4, 2))
    expected[:, :, ::2, 0] = grad[..., 0]
    assert_close(dx, expected, 0)


def test_nan_wins_over_every_number_and_gets_the_gradient():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    x[0, 0, 0, 0] = x[0, 0, 2, 3] = np.nan
    y, grad, (dx,) = run(lambda x: F.max_pool2d(x, 2), x)
    np.testing.assert_array_equal(y[0, 0], [[np.nan, 7], [13, np.nan]])
    np.testing.assert_array_equal(np.argwhere(dx[0, 0]), [[0, 0], [1, 3], [2, 3], [3, 1]])
    assert_close(dx[0, 0, [0, 1, 3, 2], [0, 3, 1, 3]], grad.ravel(), 0)
    np.testing.assert_array_equal(run(lambda x: F.min_pool2d(x, 2), x).y[0, 0], [[np.nan, 2], [8, np.nan]])


def test_a_window_of_minus_infinities_gives_it_and_points_at_its_first_real_cell():
    x = np.full((1, 1, 3, 3), -np.inf)
    y, indices = with_indices(x, kernel_size=2, stride=2, padding=1)
    np.testing.assert_array_equal(y, np.full((1, 1, 2, 2), -np.inf))
    np.testing.assert_array_equal(indices[0, 0], [[0, 1], [3, 4]])
    _, grad, (dx,) = run(lambda x: F.max_pool2d(x, 2, stride=2, padding=1), x)
    assert_close(dx.ravel()[[0, 1, 3, 4]], grad.ravel(), 0)


def test_ceil_mode_adds_the_window_that_hangs_over_and_drops_the_one_that_starts_outside():
    x = all_apart(1, 1, 1, 5, 4)
    floor, ceil = (run(lambda x, c=c: F.max_pool2d(x, 2, ceil_mode=c), x).y for c in (False, True))
    assert (floor.shape, ceil.shape) == ((1, 1, 2, 2), (1, 1, 3, 2))
    np.testing.assert_array_equal(ceil[0, 0, 2], x[0, 0, 4].reshape(2, 2).max(1))
    # 2x2 at stride 3 over 4 + 1 + 1: rounding up would add a third window, starting beyond the last column
    assert run(lambda x: F.max_pool2d(x, 2, stride=3, padding=1, ceil_mode=True), x[:, :, :4]).y.shape == (1, 1, 2, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_and_dtype_gives_the_same_maxima(layout, dtype):
    x = all_apart(2, 2, 3, 7, 6).astype(dtype)
    plain = run(lambda x: F.max_pool2d(x, 3, 2, 1), x)
    other = run(lambda x: F.max_pool2d(x, 3, 2, 1), laid_out(x, layout), layout=layout)
    assert other.y.tobytes() == plain.y.tobytes()
    assert other.gradients[0].tobytes() == plain.gradients[0].tobytes()


def test_a_kernel_of_more_than_256_cells_tells_its_winners_apart():
    # The winner is kept in the smallest integer that holds it: one byte ends at 255.
    x = np.zeros((1, 1, 17, 17))
    x[0, 0, 16, 14] = 1
    _, indices = with_indices(x, kernel_size=17)
    assert indices.ravel().tolist() == [16 * 17 + 14]
    assert run(lambda x: F.max_pool2d(x, 17), x).gradients[0][0, 0, 16, 14] != 0


def test_a_batch_of_none_pools_to_none():
    y, _, (dx,) = run(lambda x: F.max_pool2d(x, 2), np.zeros((0, 3, 4, 6)))
    assert (y.shape, dx.shape) == ((0, 3, 2, 3), (0, 3, 4, 6))


def test_global_max_is_the_largest_of_each_channel():
    x = all_apart(3, 2, 3, 4, 5) - 1
    y, grad, (dx,) = run(F.global_max_pool2d, x)
    assert_close(y[:, :, 0, 0], x.reshape(2, 3, -1).max(2), 0)
    assert_close(dx, np.where(x == y, grad, 0), 0)


# Unpooling


@given(case=pool_cases())
@examples(100)
def test_unpooling_puts_each_maximum_back_where_it_was(case):
    x = case.image()
    maxima, indices = with_indices(x, **case.options)
    options = {"kernel_size": case.kernel, "output_size": (case.H, case.W)}
    expected = np.zeros((case.N, case.C, case.H * case.W))
    for n, c, p, q in np.ndindex(*maxima.shape):
        expected[n, c, indices[n, c, p, q]] = maxima[n, c, p, q]
    y, grad, (dx,) = run(lambda v: F.max_unpool2d(v, to_backend(indices), **options), maxima, layout=case.layout)
    assert_close(y, expected.reshape(x.shape), 0)
    written_by = {(n, c, indices[n, c, p, q]): (n, c, p, q) for n, c, p, q in np.ndindex(*maxima.shape)}  # the last one
    expected = np.zeros(maxima.shape)
    for (n, c, cell), window in written_by.items():
        expected[window] = grad[n, c].reshape(-1)[cell]
    assert_close(dx, expected, 0)


@pytest.mark.parametrize("padding", [0, 1])
def test_pooling_undoes_unpooling_where_windows_do_not_overlap(padding):
    x = all_apart(4, 2, 3, 6 - 2 * padding, 8 - 2 * padding) + 10  # positive, so that the zeros between never win
    maxima, indices = with_indices(x, kernel_size=2, padding=padding)
    unpooled = run(lambda v: F.max_unpool2d(v, to_backend(indices), 2, padding=padding), maxima).y
    assert unpooled.shape == x.shape
    assert_close(with_indices(unpooled, kernel_size=2, padding=padding)[0], maxima, 0)
    np.testing.assert_array_equal(with_indices(unpooled, kernel_size=2, padding=padding)[1], indices)


def test_unpooling_gradients_equal_central_differences_and_are_the_adjoint():
    x = all_apart(5, 2, 3, 6, 8)
    maxima, indices = with_indices(x, kernel_size=2)
    assert_gradients_hold(lambda v: F.max_unpool2d(v, to_backend(indices), 2), maxima)
    y, grad, (dx,) = run(lambda v: F.max_unpool2d(v, to_backend(indices), 2), maxima)
    assert abs(inner(y, grad) - inner(maxima, dx)) <= 1e-13 * np.linalg.norm(y) * np.linalg.norm(grad)


def test_indices_that_do_not_fit_are_refused():
    x = normal(1, 1, 1, 2, 2)
    with pytest.raises(ValueError, match=r"integers of the input's shape \(1, 1, 2, 2\), got float64"):
        F.max_unpool2d(x, x, 2)
    with pytest.raises(ValueError, match=r"indices from 0 to 16 do not all lie in a 4x4 output; pass the pooled"):
        F.max_unpool2d(x, np.array([[[[0, 2], [8, 16]]]]), 2)


def test_messages_guess_the_mistake():
    x = normal(1, 1, 1, 4, 4)
    with pytest.raises(
        ValueError, match=r"a 5x5 window never fits a 4x4 input with padding 0\. Use padding=1.*global_max"
    ):
        F.max_pool2d(x, 5)
    with pytest.raises(ValueError, match=r"padding 2 leaves windows of 2x2 that hold no input at all; use at most 1"):
        F.max_pool2d(x, 2, padding=2)
    with pytest.raises(ValueError, match=r"got \(28, 28\): one grey image is x.reshape\(1, 1, 28, 28\)"):
        F.max_pool2d(np.zeros((28, 28)), 2)
