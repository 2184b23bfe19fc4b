"""The Numba kernels beside convolution by themselves: threads and chunks, vectors and what is left over, Philox's bits.

The set of every backend, in tests/functional, has small arrays, which run in one thread. Here the same kernels are cut
into chunks at odd places, and held against the NumPy kernels.
"""

from itertools import product

import numpy as np
import pytest

pytest.importorskip("numba")


from tests.cases import LAYOUTS, laid_out, normal
from tests.numeric import assert_close
from tinycnn.geometry import pool_geometry
from tinycnn.kernels import numba as NUMBA
from tinycnn.kernels import numpy as NUMPY
from tinycnn.kernels.numba import activation, chunks, dropout, loss, normalization, optimizer, pooling

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
WINDOWS = {  # kernel, stride, padding (top, bottom, left, right)
    "2x2": (2, 2, 0),
    "3x3 two apart": (3, 2, 0),
    "3x3 two apart, padded": (3, 2, (1, 0, 1, 1)),
    "2x2, padded on the left": (2, 2, (0, 1, 1, 0)),
    "3x3 one apart": (3, 1, 1),
    "3x2, three across": ((3, 2), (1, 3), (2, 0, 0, 1)),
}


def relu(k, dtype):
    x, grad = normal(1, 3, 5, 7, 11, dtype=dtype), normal(2, 3, 5, 7, 11, dtype=dtype)
    y = k.relu_forward(x)
    return y, k.relu_backward(grad, y)


def tanh(k, dtype):
    x, grad = 3 * normal(1, 3, 5, 7, 11, dtype=dtype), normal(2, 3, 5, 7, 11, dtype=dtype)
    y = k.tanh_forward(x)
    return y, k.tanh_backward(grad, y)


def max_pool(k, dtype):
    results = []
    for kernel, stride, padding in WINDOWS.values():
        x = np.random.default_rng(1).integers(-3, 3, (2, 5, 13, 71)).astype(dtype)  # most windows hold ties
        g = pool_geometry("pool", x.shape, kernel, stride, padding)
        y, winner = k.max_pool2d_forward(x, g)
        results += [y, winner, k.max_pool2d_backward(normal(2, *y.shape, dtype=dtype), winner, g)]
    return results


def avg_pool(k, dtype):
    results = []
    for kernel, stride, padding in WINDOWS.values():
        x = normal(1, 2, 5, 13, 71, dtype=dtype)
        g = pool_geometry("pool", x.shape, kernel, stride, padding)
        y = k.avg_pool2d_forward(x, g, False)
        results += [y, k.avg_pool2d_backward(normal(2, *y.shape, dtype=dtype), g, True)]
    return results


def lrn(k, dtype):
    results = []
    some, many = (2, 9, 13, 23), (2, 7, 33, 65)  # of 2145 positions two blocks and a rest
    for size, beta, shape in ((5, 0.75, some), (4, 0.5, some), (30, 0.75, some), (4, 0.75, many)):
        x, grad = normal(1, *shape, dtype=dtype), normal(2, *shape, dtype=dtype)
        y, d = k.lrn_forward(x, size, 1.0, beta, 0.5)
        results += [y, d, k.lrn_backward(grad, x, d, size, 1.0, beta)]
    return results


def batch_norm(k, dtype):
    results = []
    for shape in ((5, 7, 3, 5), (5, 7), (2, 3, 1, 2)):
        x, grad = 3 + normal(1, *shape, dtype=dtype), normal(2, *shape, dtype=dtype)
        mean, variance = k.batch_statistics(x)
        y, inverse_std = k.batch_norm_forward(x, mean, variance, 1e-5)
        results += [mean, variance, y, inverse_std, k.batch_norm_backward(grad, y, inverse_std)]
    return results


def drop(k, dtype):
    x = normal(1, 3, 5, 7, 11, dtype=dtype)
    mask = k.dropout_mask(x.shape, 0.3, (5, 6))
    return mask, k.dropout_forward(x, mask, 0.3), k.dropout_backward(x, mask, 0.3)


def cross_entropy(k, dtype):
    results = []
    for shape in ((7, 11), (3, 5, 2, 3), (1, 1000)):
        logits, q = 4 * normal(1, *shape, dtype=dtype), np.maximum(normal(2, *shape, dtype=dtype), 0)
        losses, log_p = k.cross_entropy_forward(logits, q)
        grad = normal(3, *losses.shape, dtype=dtype)
        results += [losses, log_p, k.cross_entropy_backward(grad, log_p, q)]
    return results


def target(k, dtype):
    results = []
    for shape, C in (((7,), 5), ((3, 2, 3), 4), ((1,), 1000)):
        labels = np.random.default_rng(1).integers(0, C, shape)
        counted = np.random.default_rng(2).random(shape) < 0.7
        weights, labels = np.abs(normal(3, C, dtype=dtype)), np.where(counted, labels, -100)
        for smoothing in (0.0, 0.1, 1.0):
            results += k.cross_entropy_target(labels, counted, weights, smoothing)
    return results


def sgd(k, dtype):
    results = []
    for momentum, nesterov, weight_decay in ((None, False, 0.0), (0.9, False, 0.1), (0.9, True, 0.0)):
        p, g = normal(1, 37, 29, dtype=dtype), normal(2, 37, 29, dtype=dtype)
        v = None if momentum is None else normal(3, 37, 29, dtype=dtype)
        for _ in range(3):
            k.sgd_step(p, g, v, 0.1, momentum or 0.0, nesterov, weight_decay)
        results += [p] if v is None else [p, v]
    return results


def adam(k, dtype):
    results = []
    for weight_decay, decoupled in ((0.0, False), (0.1, False), (0.1, True)):
        p, m, s = normal(1, 37, 29, dtype=dtype), np.zeros((37, 29), dtype), np.zeros((37, 29), dtype)
        for step in range(1, 4):
            g = normal(step, 37, 29, dtype=dtype)
            k.adam_step(p, g, m, s, 0.1, (0.9, 0.99), 1e-8, weight_decay, decoupled, step)
        results += [p, m, s]
    return results


# Family, and by how many units of float32's or float64's last place (of the largest entry) it may differ from the twin
# and, in float32, from the twin's float64.
FAMILIES = {relu: 1, tanh: 4, max_pool: 4, avg_pool: 6, lrn: 16, batch_norm: 16}
FAMILIES |= {drop: 1, target: 1, cross_entropy: 8, sgd: 8, adam: 16}
families = pytest.mark.parametrize(("family", "units"), FAMILIES.items(), ids=[f.__name__ for f in FAMILIES])


def poison(monkeypatch):
    """Fill fresh memory, which else may hold the right numbers of an earlier test, with what no result is."""

    def poisoned(shape, dtype):
        return np.full(shape, True if dtype == np.bool_ else 119, dtype)

    for module in (activation, dropout, loss, normalization, pooling):
        monkeypatch.setattr(module, "empty", poisoned)


def in_chunks(monkeypatch, count):
    """Cut even the smallest arrays, into as many chunks."""
    poison(monkeypatch)
    monkeypatch.setattr(chunks, "SERIAL", 1)
    monkeypatch.setattr(chunks, "limit", lambda: count)


@DTYPES
@families
def test_values_are_those_of_the_numpy_kernel(monkeypatch, family, units, dtype):
    poison(monkeypatch)
    for actual, expected in zip(family(NUMBA, dtype), family(NUMPY, dtype), strict=True):
        if expected.dtype.kind == "f":
            assert_close(actual, expected, units * np.finfo(dtype).eps)
        else:
            assert actual.dtype == expected.dtype
            np.testing.assert_array_equal(actual, expected)


@families
def test_float32_is_float64_but_for_rounding(family, units):
    class Rounded:
        """The NumPy kernels in float64, on the numbers that float32 kernels see."""

        def __getattr__(self, name):
            return lambda *a: getattr(NUMPY, name)(*(np.asarray(x, float) if is_single(x) else x for x in a))

    def is_single(x):
        return isinstance(x, np.ndarray) and x.dtype == np.float32

    if family in (sgd, adam):  # in place, so a copy in float64 would be the one that moves
        pytest.skip("held against the formula elsewhere")
    for actual, expected in zip(family(NUMBA, np.float32), family(Rounded(), np.float32), strict=True):
        if expected.dtype.kind == "f":
            assert_close(actual, expected.astype(np.float32), 2 * units * np.finfo(np.float32).eps)


@DTYPES
@pytest.mark.parametrize("count", [2, 3, 7])
@families
def test_the_number_of_chunks_changes_no_bit(monkeypatch, family, units, count, dtype):
    whole = family(NUMBA, dtype)
    in_chunks(monkeypatch, count)
    for actual, expected in zip(family(NUMBA, dtype), whole, strict=True):
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)


@families
def test_one_chunk_and_two_give_the_same_bits(monkeypatch, family, units):
    monkeypatch.setattr(chunks, "SERIAL", 1)
    results = []
    for threads in (1, 2):
        monkeypatch.setattr(chunks, "limit", lambda threads=threads: threads)
        results.append([array.tobytes() for array in family(NUMBA, np.float32)])
    assert results[0] == results[1]


@pytest.mark.parametrize("threads", [1, 4])
def test_work_is_cut_where_threads_pay_and_never_into_more_chunks_than_items(monkeypatch, threads):
    monkeypatch.setattr(chunks, "limit", lambda: threads)
    assert chunks.chunks(chunks.SERIAL - 1, 100) == 1
    assert chunks.chunks(chunks.SERIAL, 100) == threads
    assert chunks.chunks(chunks.SERIAL // 2, 100, weight=2) == threads
    assert chunks.chunks(chunks.SERIAL, 3) == min(threads, 3)
    assert chunks.chunks(chunks.SERIAL, 0) == 1


@DTYPES
def test_arrays_large_enough_for_threads_are_right_in_every_entry(monkeypatch, dtype):
    monkeypatch.setattr(chunks, "limit", lambda: 2)
    x = normal(1, 2, 16, 65, 67, dtype=dtype)
    assert chunks.chunks(x.size, x.size) == 2
    np.testing.assert_array_equal(activation.relu_forward(x), NUMPY.relu_forward(x))
    g = pool_geometry("pool", x.shape, 3, 2)
    for actual, expected in zip(pooling.max_pool2d_forward(x, g), NUMPY.max_pool2d_forward(x, g), strict=True):
        np.testing.assert_array_equal(actual, expected)
    np.testing.assert_array_equal(dropout.dropout_mask(x.shape, 0.4, (1, 2)), NUMPY.dropout_mask(x.shape, 0.4, (1, 2)))


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@DTYPES
def test_missing_and_infinite_pixels_win_as_in_numpy(window, dtype):
    # Every kind of pixel meets every other, in blocks of vectors, in what is left over and at the edges.
    values = np.array([np.nan, -np.inf, np.inf, -1, 0, -0.0, 1], dtype)
    x = values[np.random.default_rng(1).integers(0, 7, (3, 2, 12, 77))]
    x[1] = -np.inf
    x[2, :, :, 20:] = np.nan
    kernel, stride, padding = window
    g = pool_geometry("pool", x.shape, kernel, stride, padding)
    y, winner = pooling.max_pool2d_forward(x, g)
    expected, expected_winner = NUMPY.max_pool2d_forward(x, g)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(winner, expected_winner)


@pytest.mark.parametrize("Q", [1, 5, 15, 16, 17, 31, 32, 33, 48])
@pytest.mark.parametrize("size", [2, 3])
def test_rows_of_every_length_are_pooled_to_their_last_output(monkeypatch, Q, size):
    poison(monkeypatch)
    x = normal(1, 3, 1, 7, 2 * (Q - 1) + size, dtype=np.float32)
    g = pool_geometry("pool", x.shape, size, 2)
    for actual, expected in zip(pooling.max_pool2d_forward(x, g), NUMPY.max_pool2d_forward(x, g), strict=True):
        np.testing.assert_array_equal(actual, expected)


PADDINGS = pytest.mark.parametrize("padding", [0, 1, (1, 0, 0, 0), (0, 0, 1, 0), (1, 0, 1, 0), (0, 1, 0, 1)], ids=str)


@PADDINGS
@DTYPES
def test_means_of_two_by_two_are_numpys_wherever_the_first_window_begins_and_the_last_one_ends(
    monkeypatch, dtype, padding
):
    poison(monkeypatch)
    for size, ceil_mode in product(((12, 34), (13, 34), (12, 35), (3, 3)), (False, True)):
        x = normal(1, 2, 3, *size, dtype=dtype)
        g = pool_geometry("pool", x.shape, 2, 2, padding, ceil_mode)
        y, expected = (k.avg_pool2d_forward(x, g, True) for k in (NUMBA, NUMPY))
        assert_close(y, expected, 4 * np.finfo(dtype).eps)
        dx, expected = (k.avg_pool2d_backward(y, g, True) for k in (NUMBA, NUMPY))
        assert_close(dx, expected, 4 * np.finfo(dtype).eps)


@PADDINGS
@DTYPES
def test_winners_of_two_by_two_get_their_gradient_wherever_the_first_window_begins_and_the_last_one_ends(
    monkeypatch, dtype, padding
):
    poison(monkeypatch)
    for size, ceil_mode in product(((12, 34), (13, 34), (12, 35), (3, 3)), (False, True)):
        x = normal(1, 2, 3, *size, dtype=dtype)
        g = pool_geometry("pool", x.shape, 2, 2, padding, ceil_mode)
        y, winner = NUMPY.max_pool2d_forward(x, g)
        dx, expected = (k.max_pool2d_backward(y, winner, g) for k in (NUMBA, NUMPY))
        np.testing.assert_array_equal(dx, expected)


def test_a_winner_is_kept_in_the_smallest_type_that_holds_it():
    x = normal(1, 1, 1, 20, 20)
    x[0, 0, -1, -1] = 10
    for kernel, dtype in ((16, np.uint8), (17, np.uint16)):
        g = pool_geometry("pool", x.shape, kernel, 20 - kernel)
        winner = pooling.max_pool2d_forward(x, g)[1]
        assert winner.dtype == dtype
        assert winner[0, 0, -1, -1] == kernel**2 - 1


def test_tanh_of_one_number_is_near_and_has_its_sign_and_nan_stays():
    for x in np.float32([0, -0.0, 1e-30, -1e-3, 0.34, -0.7, 1.5, -4, 9, 30, -np.inf, np.nan]):
        made, exact = np.float32(activation.tanh_of(x)), np.tanh(np.float64(x))
        np.testing.assert_allclose(made, exact, 2 * np.finfo(np.float32).eps, 0)
        assert np.signbit(made) == np.signbit(x)


def test_tanh_in_float32_is_within_two_units_of_its_last_place_everywhere():
    x = np.concatenate([np.linspace(-12, 12, 200_001), np.geomspace(1e-44, 20, 100_001)]).astype(np.float32)
    y, expected = activation.tanh_forward(x), np.tanh(x.astype(float))
    assert (np.abs(y - expected) <= 2.5 * np.spacing(np.abs(expected).astype(np.float32))).all()
    assert np.abs(y).max() == 1


def test_tanh_and_relu_of_what_is_no_everyday_number():
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 3e38], np.float32)
    for name in ("tanh_forward", "relu_forward"):
        actual, expected = getattr(activation, name)(x), getattr(NUMPY, name)(x)
        np.testing.assert_array_equal(actual, expected)
        np.testing.assert_array_equal(np.signbit(actual[[3, 5, 6]]), np.signbit(expected[[3, 5, 6]]))


@DTYPES
def test_lrn_of_infinite_missing_and_vanishing_numbers_is_numpys(dtype):
    x, grad = normal(1, 1, 7, 3, 5, dtype=dtype), normal(2, 1, 7, 3, 5, dtype=dtype)
    x[0, 2, 0, 0], x[0, 3, 1, 1], x[0, :, 2, 2] = np.inf, np.nan, 0
    with np.errstate(all="ignore"):
        y, d = NUMPY.lrn_forward(x, 3, 1.0, 0.75, 0.0)
        dx = NUMPY.lrn_backward(grad, x, d, 3, 1.0, 0.75)
    units = 32 * np.finfo(dtype).eps
    assert_close(normalization.lrn_forward(x, 3, 1.0, 0.75, 0.0)[0], y, units)
    assert_close(normalization.lrn_backward(grad, x, d, 3, 1.0, 0.75), dx, units)


def test_batch_statistics_in_float32_keep_their_digits_over_many_terms():
    x = (1000 + normal(1, 64, 2, 40, 40)).astype(np.float32)
    mean, variance = normalization.batch_statistics(x)
    exact = x.astype(float)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-7)
    np.testing.assert_allclose(variance, exact.var((0, 2, 3)), rtol=1e-6)


@DTYPES
def test_cross_entropy_of_ruled_out_and_missing_scores_is_numpys(dtype):
    logits, q = normal(1, 5, 4, dtype=dtype), np.eye(5, 4, dtype=dtype)
    logits[0, 1], logits[1, 1], logits[2, 3], logits[3, 0], logits[4] = -np.inf, -np.inf, np.nan, np.inf, -np.inf
    with np.errstate(all="ignore"):
        losses, log_p = NUMPY.cross_entropy_forward(logits, q)
        dx = NUMPY.cross_entropy_backward(np.ones(5, dtype), log_p, q)
        actual, actual_log_p = loss.cross_entropy_forward(logits, q)
        actual_dx = loss.cross_entropy_backward(np.ones(5, dtype), log_p, q)
    units = 4 * np.finfo(dtype).eps
    assert np.isposinf(losses[1])
    assert np.isnan(losses[2:4]).all()
    for one, other in ((actual, losses), (actual_log_p, log_p), (actual_dx, dx)):
        assert_close(one, other, units)


@DTYPES
def test_large_scores_do_not_overflow(dtype):
    logits, q = np.array([[0, 1, 2000], [-3000, 0, -1000]], dtype), np.eye(2, 3, 1, dtype=dtype)
    losses, log_p = loss.cross_entropy_forward(logits, q)
    assert losses.tolist() == [1999, 1000]
    assert log_p.tolist() == [[-2000, -1999, 0], [-3000, 0, -1000]]


# Dropout

KEYS = [(0, 0), (1, 2), (2**64 - 1, 2**64 - 1), (2**63, 1), (0x0123456789ABCDEF, 2**40 + 3)]


@pytest.mark.parametrize("key", KEYS)
def test_a_block_of_philox_is_four_words_of_numpys_stream(key):
    words = np.random.Philox(key=np.array(key, np.uint64)).random_raw(4 * 50).reshape(50, 4)
    for block in range(50):
        made = dropout.philox(np.uint64(block), np.uint64(key[0]), np.uint64(key[1]))
        assert [int(word) for word in made] == words[block].tolist()


def test_a_block_far_along_is_where_numpy_jumps_to():
    philox = np.random.Philox(key=np.array((7, 8), np.uint64)).advance(2**33 + 5)
    made = dropout.philox(np.uint64(2**33 + 5), np.uint64(7), np.uint64(8))
    assert [int(word) for word in made] == philox.random_raw(4).tolist()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 1023, 1025])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_masks_of_every_size_and_number_of_chunks_are_numpys_bits(monkeypatch, size, count):
    in_chunks(monkeypatch, count)
    for key, p in zip(KEYS, (0.0, 0.1, 0.5, 0.999, 1.0), strict=True):
        mask = dropout.dropout_mask((size,), p, key)
        assert mask.dtype == np.bool_
        np.testing.assert_array_equal(mask, NUMPY.dropout_mask((size,), p, key))


# Memory


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "byte_swapped"])
def test_every_layout_gives_the_same_and_compiles_nothing_anew(layout):
    x, grad = normal(1, 2, 3, 8, 9, dtype=np.float32), normal(2, 2, 3, 8, 9, dtype=np.float32)
    loops = activation._rectify, activation._let_through, pooling._max, normalization._lrn, normalization._statistics
    g = pool_geometry("pool", x.shape, 2)

    def results(x, grad):
        y = activation.relu_forward(x)
        return (
            y,
            activation.relu_backward(grad, y),
            *pooling.max_pool2d_forward(x, g),
            *normalization.lrn_forward(x, 3, 1.0, 0.75, 1.0),
            *normalization.batch_statistics(x),
        )

    expected, compiled = results(x, grad), [len(loop.signatures) for loop in loops]
    for actual, wanted in zip(results(laid_out(x, layout), laid_out(grad, layout)), expected, strict=True):
        np.testing.assert_array_equal(actual, wanted)
    assert [len(loop.signatures) for loop in loops] == compiled


def test_an_empty_batch_has_empty_results():
    x, grad = np.zeros((0, 3, 6, 6)), np.zeros((0, 3, 3, 3))
    g = pool_geometry("pool", x.shape, 2)
    y, winner = pooling.max_pool2d_forward(x, g)
    assert y.shape == winner.shape == grad.shape
    assert pooling.max_pool2d_backward(grad, winner, g).shape == x.shape
    assert pooling.avg_pool2d_backward(pooling.avg_pool2d_forward(x, g, True), g, True).shape == x.shape
    assert activation.relu_backward(x, activation.tanh_forward(activation.relu_forward(x))).shape == x.shape
    y, d = normalization.lrn_forward(x, 3, 1.0, 0.75, 1.0)
    assert normalization.lrn_backward(y, x, d, 3, 1.0, 0.75).shape == x.shape
    assert loss.cross_entropy_backward(*loss.cross_entropy_forward(x, x), x).shape == x.shape
    assert dropout.dropout_forward(x, dropout.dropout_mask(x.shape, 0.5, (1, 1)), 0.5).shape == x.shape


@pytest.mark.parametrize("layout", ["fortran", "strided", "reversed"])
def test_a_step_on_an_array_that_is_no_row_moves_the_array_itself(layout):
    p, g, v = (laid_out(normal(seed, 6, 5), layout) for seed in (1, 2, 3))
    expected, velocity = np.array(p), np.array(v)
    NUMPY.sgd_step(expected, np.array(g), velocity, 0.1, 0.9, True, 0.1)
    optimizer.sgd_step(p, g, v, 0.1, 0.9, True, 0.1)
    assert_close(p, expected, 1e-15)
    assert_close(v, velocity, 1e-15)
    optimizer.adam_step(p, g, v, np.abs(v), 0.1, (0.9, 0.99), 1e-8, 0.0, False, 1)
    assert (p != expected).all()


def test_without_weight_decay_an_infinite_parameter_stays_so():
    p, g = np.array([np.inf, 1.0]), np.ones(2)
    optimizer.sgd_step(p, g, None, 0.5, 0.0, False, 0.0)
    assert p.tolist() == [np.inf, 0.5]
