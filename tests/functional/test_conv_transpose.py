"""conv_transpose2d: the exact adjoint of conv2d, with gradients of its own."""

import numpy as np
import pytest
from hypothesis import given

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import assert_gradients_hold, every_algorithm, run
from tests.cases import ConvCase, conv_cases, examples, laid_out, normal
from tests.functional.test_convolution import unless_refused
from tests.numeric import assert_close, inner


def transposed_arguments(case: ConvCase) -> tuple[tuple[np.ndarray, ...], dict]:
    """What conv_transpose2d takes to undo the shapes of the case: (N, K, P, Q) -> (N, C, H, W)."""
    g = case.geometry
    top, bottom, left, right = case.padding
    extra = (
        g.H + top + bottom - g.rows.extent - (g.P - 1) * g.rows.stride,
        g.W + left + right - g.columns.extent - (g.Q - 1) * g.columns.stride,
    )
    rng = np.random.default_rng([case.seed, 2])
    x, weight, bias = (rng.standard_normal(shape) for shape in (g.output_shape, g.weight_shape, (g.C,)))
    arrays = tuple(laid_out(array, case.layout) for array in (x, weight, bias))
    return arrays, {**case.options, "output_padding": extra}


def stamped(x, weight, bias, stride, padding, output_padding, dilation, groups) -> np.ndarray:
    """Every input cell stamps the kernel, times its value, onto a canvas; padding then cuts the canvas."""
    (N, K, P, Q), (_, channels, R, S) = x.shape, weight.shape
    top, bottom, left, right = padding
    canvas = np.zeros(
        (
            N,
            channels * groups,
            (P - 1) * stride[0] + dilation[0] * (R - 1) + 1 + output_padding[0],
            (Q - 1) * stride[1] + dilation[1] * (S - 1) + 1 + output_padding[1],
        )
    )
    for k in range(K):
        first = k // (K // groups) * channels
        for p, q in np.ndindex(P, Q):
            for r, s in np.ndindex(R, S):
                h, w = p * stride[0] + r * dilation[0], q * stride[1] + s * dilation[1]
                canvas[:, first : first + channels, h, w] += x[:, k, p, q, None] * weight[k, :, r, s]
    canvas += bias.reshape(-1, 1, 1)
    return canvas[:, :, top : canvas.shape[2] - bottom, left : canvas.shape[3] - right]


@every_algorithm
@given(case=conv_cases(most_terms=4000))
@examples(100)
def test_each_input_cell_stamps_the_kernel_on_the_output(algorithm, case):
    arrays, options = transposed_arguments(case)
    with unless_refused(algorithm), tc.use_algorithm(algorithm):
        y = run(lambda *t: F.conv_transpose2d(*t, **options), *arrays, layout=case.layout).y
        assert_close(y, stamped(*arrays, **options), 1e-12)


@every_algorithm
@given(case=conv_cases())
@examples(100)
def test_it_is_the_adjoint_of_the_convolution(algorithm, case):
    # <conv(x), y> == <x, convT(y)> for any x and y says that one is the other's transposed matrix.
    (y, weight, _), options = transposed_arguments(case)
    x = case.arrays()[0]
    with unless_refused(algorithm), tc.use_algorithm(algorithm):
        there = run(lambda x, w: F.conv2d(x, w, **case.options), x, weight).y
        back = run(lambda y, w: F.conv_transpose2d(y, w, **options), y, weight).y
        size_of_terms = np.linalg.norm(there) * np.linalg.norm(y)
        assert abs(inner(there, y) - inner(x, back)) <= 1e-13 * size_of_terms


@every_algorithm
@given(case=conv_cases(most_terms=600))
@examples(40)
def test_gradients_equal_central_differences(algorithm, case):
    arrays, options = transposed_arguments(case)
    with unless_refused(algorithm), tc.use_algorithm(algorithm):
        assert_gradients_hold(lambda *t: F.conv_transpose2d(*t, **options), *arrays, layout=case.layout)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept_and_the_bias_is_one_number_a_channel(dtype):
    x, weight, bias = normal(1, 2, 4, 3, 5), normal(2, 4, 3, 3, 2), normal(3, 3)
    options = {"stride": (2, 3), "padding": (1, 0, 0, 1), "output_padding": (1, 2), "dilation": (1, 2), "groups": 1}
    arrays = [array.astype(dtype) for array in (x, weight, bias)]
    result = run(lambda *t: F.conv_transpose2d(*t, **options), *arrays)
    expected = stamped(x, weight, bias, **options).astype(dtype)
    assert_close(result.y, expected, {np.float32: 1e-5, np.float64: 1e-13}[dtype])
    assert_close(
        result.gradients[2], result.upstream.sum((0, 2, 3)), {np.float32: 1e-5, np.float64: 1e-13}[dtype], "db"
    )


def test_a_batch_of_none_gives_an_empty_output_and_zero_weight_gradients():
    y, _, (dx, dw) = run(lambda *t: F.conv_transpose2d(*t, stride=2), np.zeros((0, 4, 3, 5)), normal(1, 4, 3, 3, 2))
    assert (y.shape, dx.shape) == ((0, 3, 7, 10), (0, 4, 3, 5))
    np.testing.assert_array_equal(dw, np.zeros((4, 3, 3, 2)))


@pytest.mark.parametrize("output_padding", [2, (0, 3), (1, 0, 0, 0), (2, 0)])
def test_an_output_padding_that_no_stride_explains_is_refused(output_padding):
    with pytest.raises(ValueError, match=r"output_padding .* must be an int or a pair, smaller than the stride"):
        F.conv_transpose2d(normal(1, 1, 2, 3, 3), normal(2, 2, 2, 3, 3), stride=2, output_padding=output_padding)


def test_messages_guess_the_mistake():
    x, weight = normal(1, 1, 2, 3, 3), normal(2, 2, 2, 3, 3)
    with pytest.raises(ValueError, match="padding 3 cuts off all of the output; it would be -1x-1"):
        F.conv_transpose2d(x, weight, padding=3)
    with pytest.raises(ValueError, match=r"takes 2 input channels, x has 3"):
        F.conv_transpose2d(normal(1, 1, 3, 3, 3), weight)
    with pytest.raises(ValueError, match=r"expected weight \(C, K/groups, R, S\), got \(3, 3\)"):
        F.conv_transpose2d(x, normal(1, 3, 3))
    with pytest.raises(ValueError, match=r"groups=3 does not divide"):
        F.conv_transpose2d(x, weight, groups=3)
