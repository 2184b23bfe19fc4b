"""Dropout: its rate, its mask by the published counter-based generator, and its gradient through the same mask."""

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import assert_gradients_hold, run, to_backend, to_numpy
from tests.cases import LAYOUTS, laid_out, normal
from tests.numeric import assert_close
from tinycnn.backend import kernels_for


def dropped(seed: int, x: np.ndarray, p: float) -> np.ndarray:
    tc.manual_seed(seed)
    return run(lambda x: F.dropout(x, p), x).y


def by_philox(seed: int, call: int, shape: tuple[int, ...], p: float) -> np.ndarray:
    """Kept where word i of the stream with key (seed, call), as a part of 2**64, is at least p."""
    words = np.random.Philox(key=np.array([seed, call], np.uint64)).random_raw(int(np.prod(shape)))
    return (words >= np.uint64(p * 2**64)).reshape(shape)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_as_many_entries_are_dropped_as_asked_and_the_mean_is_kept(p):
    n = 200_000
    y = dropped(1, np.ones(n), p)
    spread = 4 * (p * (1 - p) / n) ** 0.5  # four standard deviations of a binomial share: 1 in 16,000
    assert abs((y == 0).mean() - p) < spread
    assert set(np.unique(y)) == {0, 1 / (1 - p)}
    assert abs(y.mean() - 1) < spread / (1 - p)


@pytest.mark.parametrize("shape", [(3, 4, 5), (7,), (), (0, 3)])
def test_the_mask_is_the_philox_stream_of_seed_and_call(shape):
    tc.manual_seed(42)
    x = 1 + normal(1, *shape) ** 2
    for call in range(3):
        y = run(lambda x: F.dropout(x, 0.3), x).y
        assert_close(y, np.where(by_philox(42, call, shape, 0.3), x / 0.7, 0), 1e-15)


def test_the_same_seed_and_call_give_the_same_mask_and_others_another():
    x = np.ones((20, 30))
    first = dropped(7, x, 0.5)
    second = run(F.dropout, x).y
    np.testing.assert_array_equal(dropped(7, x, 0.5), first)
    np.testing.assert_array_equal(run(F.dropout, x).y, second)
    for other in (second, dropped(8, x, 0.5)):
        agreeing = (other == first).mean()
        assert 0.4 < agreeing < 0.6


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mask_depends_on_the_index_not_on_memory_or_dtype(layout, dtype):
    x = 1 + normal(2, 3, 4, 5, 6).astype(dtype) ** 2
    np.testing.assert_array_equal(dropped(3, laid_out(x, layout), 0.4) == 0, dropped(3, x, 0.4) == 0)
    assert dropped(3, x, 0.4).dtype == dtype


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_gradient_goes_through_the_same_mask_and_scale(layout):
    tc.manual_seed(5)
    x = laid_out(1 + normal(3, 6, 7, 8) ** 2, layout)
    y, grad, (dx,) = run(lambda x: F.dropout(x, 0.25), x, layout=layout)
    assert_close(dx, np.where(y == 0, 0, grad / 0.75), 1e-15)
    assert 0 < (dx == 0).mean() < 1


def test_gradients_equal_central_differences_of_one_mask():
    def same_mask(x):
        tc.manual_seed(9)
        return F.dropout(x, 0.4)

    assert_gradients_hold(same_mask, normal(4, 3, 4, 5))


def test_at_zero_and_in_evaluation_the_input_itself_comes_back_and_no_stream_is_used():
    tc.manual_seed(11)
    x = tc.Tensor(to_backend(normal(5, 3, 4)), requires_grad=True)
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 0.9, training=False) is x
    tc.manual_seed(11)
    expected = run(F.dropout, np.ones(64)).y
    tc.manual_seed(11)
    F.dropout(x, 0.0)
    F.dropout(x, 0.9, training=False)
    np.testing.assert_array_equal(run(F.dropout, np.ones(64)).y, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_at_one_everything_is_dropped_forward_and_back(dtype):
    y, _, (dx,) = run(lambda x: F.dropout(x, 1), normal(6, 3, 4, dtype=dtype))
    assert (y.dtype, dx.dtype) == (dtype, dtype)
    assert not y.any()
    assert not dx.any()


def test_just_below_one_the_threshold_still_fits_a_word():
    assert not dropped(1, np.ones(1000), np.nextafter(1, 0)).any()


def test_an_infinite_or_missing_value_that_is_dropped_is_gone():
    tc.manual_seed(2)
    kept = by_philox(2, 0, (50,), 0.5)
    y = run(F.dropout, np.where(kept, 1.0, np.nan)).y
    np.testing.assert_array_equal(y, np.where(kept, 2.0, 0.0))


def test_the_kernels_make_the_same_mask_as_the_function():
    kernels = kernels_for((to_backend(np.ones(1)),))
    mask = to_numpy(kernels.dropout_mask((4, 5), 0.3, (2**64 - 1, 2**40)))
    np.testing.assert_array_equal(mask, by_philox(2**64 - 1, 2**40, (4, 5), 0.3))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(ValueError, match=f"p is the probability of dropping, from 0 to 1, got {p}"):
        F.dropout(normal(1, 3), p)
