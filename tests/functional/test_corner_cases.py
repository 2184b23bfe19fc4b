"""Corner cases that were wrong once."""

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F


def test_an_infinite_pixel_stays_in_its_own_bin():
    x = np.ones((1, 1, 4, 4))
    x[0, 0, 0, 0] = np.inf
    np.testing.assert_array_equal(F.adaptive_avg_pool2d(x, 2).data[0, 0], [[np.inf, 1], [1, 1]])
    upstream = np.array([[[[np.inf, 1.0], [1.0, 1.0]]]])
    t = tc.Tensor(np.ones((1, 1, 4, 4)), requires_grad=True)
    F.adaptive_avg_pool2d(t, 2).backward(upstream)
    np.testing.assert_array_equal(np.isinf(t.grad[0, 0]).sum(), 4)
    assert not np.isnan(t.grad).any()


@pytest.mark.parametrize("algorithm", ["im2col", "direct"])
@pytest.mark.parametrize(("stride", "dilation", "extra"), [(1, 2, 1), (1, 3, 1), (1, 3, 2), (2, 3, 2)])
def test_output_padding_may_reach_the_dilation(rng, algorithm, stride, dilation, extra):
    x, w, b = rng.standard_normal((2, 2, 4, 3)), rng.standard_normal((2, 3, 3, 2)), rng.standard_normal(3)
    for padding in (0, 2):
        with tc.use_algorithm(algorithm):
            report = tc.gradcheck(
                lambda x, w, b, padding=padding: F.conv_transpose2d(x, w, b, stride, padding, extra, 1, dilation),
                (x, w, b),
            )
            assert report, str(report)
            y = F.conv_transpose2d(x, w, b, stride, padding, extra, 1, dilation).data
        H, W = ((n - 1) * stride - 2 * padding + dilation * (k - 1) + 1 + extra for n, k in ((4, 3), (3, 2)))
        expected = np.tile(b.reshape(1, 3, 1, 1), (2, 1, H, W))
        for n, c, h, v, k, r, s in np.ndindex(2, 2, 4, 3, 3, 3, 2):
            row, column = h * stride + r * dilation - padding, v * stride + s * dilation - padding
            if 0 <= row < H and 0 <= column < W:
                expected[n, k, row, column] += x[n, c, h, v] * w[c, k, r, s]
        np.testing.assert_allclose(y, expected, atol=1e-12)


def test_unpooling_overlapping_windows_has_the_gradient_of_what_it_does(rng):
    y, where = F.max_pool2d(rng.standard_normal((2, 2, 5, 5)), 3, 1, return_indices=True)
    assert tc.gradcheck(lambda y: F.max_unpool2d(y, where, 3, 1), y.data)


def test_unpooling_takes_an_int_as_size_and_an_empty_batch():
    y, where = F.max_pool2d(np.ones((0, 2, 4, 4)), 2, return_indices=True)
    assert F.max_unpool2d(y, where, 2).shape == (0, 2, 4, 4)
    y, where = F.max_pool2d(np.ones((1, 1, 5, 5)), 2, return_indices=True)
    assert F.max_unpool2d(y, where, 2, output_size=5).shape == (1, 1, 5, 5)


def test_running_statistics_may_be_tensors(rng):
    x = rng.standard_normal((8, 3))
    mean, variance = tc.Tensor(np.zeros(3)), tc.Tensor(np.ones(3))
    F.batch_norm(x, mean, variance, training=True, momentum=1.0)
    np.testing.assert_allclose(mean.data, x.mean(0))
    np.testing.assert_allclose(variance.data, x.var(0, ddof=1))
    y = F.batch_norm(x.astype(np.float32), mean, variance, eps=0.0)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data, (x - x.mean(0)) / x.std(0, ddof=1), rtol=1e-4, atol=1e-5)


def test_an_index_that_changes_after_forward_does_not_move_the_gradient():
    t, index = tc.Tensor(np.zeros(4), requires_grad=True), np.array([0, 1])
    y = t[index]
    index[:] = 3
    y.sum().backward()
    np.testing.assert_array_equal(t.grad, [1, 1, 0, 0])


def test_integers_never_widen_products_and_joins():
    single, whole = tc.Tensor(np.ones((2, 2), np.float32)), tc.Tensor(np.ones((2, 2), np.int64))
    assert (single @ whole).dtype == np.float32
    assert tc.cat([whole, single]).dtype == np.float32
    assert tc.cat([whole, whole]).dtype == np.int64


def test_a_layer_without_inputs_has_gradients_without_entries():
    w, b = tc.Tensor(np.ones((2, 0)), requires_grad=True), tc.Tensor(np.ones(2), requires_grad=True)
    F.linear(np.ones((3, 0)), w, b).sum().backward()
    assert w.grad.shape == (2, 0)
    np.testing.assert_array_equal(b.grad, [3, 3])


def test_a_bias_alone_and_a_weight_alone_get_their_gradients(rng):
    x, w, b = rng.standard_normal((2, 2, 4, 4)), rng.standard_normal((3, 2, 3, 3)), rng.standard_normal(3)
    assert tc.gradcheck(lambda b: F.conv2d(x, w, b), b)
    assert tc.gradcheck(lambda w: F.conv2d(x, w, b), w)
    assert tc.gradcheck(lambda w: F.conv2d(x, w), w)
