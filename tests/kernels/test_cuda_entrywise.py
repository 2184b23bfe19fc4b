"""The CUDA kernels beside convolution and pooling by themselves: rows and blocks that do not come out even, sums, bits.

The set of every backend, in tests/functional, has small arrays: a warp, and often one block. Here rows are longer than
a warp and more than a block, channels are summed by many warps, and threads take several entries each. Planted bugs are
in the sources that the compiler is given.
"""

import os

import numpy as np
import pytest

import tinycnn as tc

if "cupy" not in tc.available_backends():
    pytest.skip(f"{tc.gpu.problem()}; or TINYCNN_TEST_CUDA=emulated", allow_module_level=True)

import cupy

import tinycnn.functional as F
from tests.backends import to_numpy
from tests.cases import normal
from tests.numeric import assert_close
from tests.planted_bugs import Bug, plant, rows
from tests.planted_cuda import assert_source_bug_caught
from tinycnn.arrays import is_cupy
from tinycnn.kernels import numpy as NUMPY
from tinycnn.kernels.cuda import launch, launchers
from tinycnn.kernels.cuda.emulate import LaunchError

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


class OnGpu:
    """The CUDA kernels as functions of NumPy arrays, which are changed where the kernel changes its arguments."""

    def __getattr__(self, name):
        kernel = getattr(launchers, name)

        def call(*arguments):
            moved = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments]
            made = kernel(*moved)
            for argument, there in zip(arguments, moved, strict=True):
                if is_cupy(there):
                    argument[...] = there.get()
            return tuple(map(to_numpy, made)) if isinstance(made, tuple) else to_numpy(made)

        return call


CUDA = OnGpu()


def softmax(k, dtype):
    results = []
    for shape, axis in (((5, 77), 1), ((300, 3), 1), ((1, 1000), -1), ((17, 33), 0), ((3, 5, 7, 11), 1), ((70,), 0)):
        x, grad = normal(1, *shape, dtype=dtype), normal(2, *shape, dtype=dtype)
        for name in ("softmax", "log_softmax"):
            y = getattr(k, f"{name}_forward")(x, axis)
            results += [y, getattr(k, f"{name}_backward")(grad, y, axis)]
    return results


def cross_entropy(k, dtype):
    results = []
    for shape in ((300, 11), (3, 5, 2, 3), (1, 1000), (2, 33, 5, 7)):
        logits, q = 4 * normal(1, *shape, dtype=dtype), np.maximum(normal(2, *shape, dtype=dtype), 0)
        losses, log_p = k.cross_entropy_forward(logits, q)
        grad = normal(3, *losses.shape, dtype=dtype)
        results += [losses, log_p, k.cross_entropy_backward(grad, log_p, q)]
    return results


def drop(k, dtype):
    x = normal(1, 3, 5, 7, 11, dtype=dtype)
    mask = k.dropout_mask(x.shape, 0.3, (5, 6))
    return mask, k.dropout_forward(x, mask, 0.3), k.dropout_backward(x, mask, 0.3)


def lrn(k, dtype):
    results = []
    for shape, size, beta in (((2, 9, 13, 23), 5, 0.75), ((3, 7), 4, 0.5), ((2, 5, 3), 30, 0.75), ((300, 2), 1, 1.0)):
        x, grad = normal(1, *shape, dtype=dtype), normal(2, *shape, dtype=dtype)
        y, d = k.lrn_forward(x, size, 1.0, beta, 0.5)
        results += [y, d, k.lrn_backward(grad, x, d, size, 1.0, beta)]
    return results


def batch_norm(k, dtype):
    results = []
    for shape in ((5, 7, 3, 5), (700, 3), (2, 3, 1, 2), (70, 2, 7, 7), (1, 2, 100, 90)):
        x, grad = 3 + normal(1, *shape, dtype=dtype), normal(2, *shape, dtype=dtype)
        mean, variance = k.batch_statistics(x)
        y, inverse_std = k.batch_norm_forward(x, mean, variance, 1e-2)
        results += [mean, variance, y, inverse_std, k.batch_norm_backward(grad, y, inverse_std)]
    return results


def sgd(k, dtype):
    results = []
    for momentum, nesterov, weight_decay in ((None, False, 0.1), (0.9, False, 0.1), (0.9, True, 0.0)):
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
            k.adam_step(p, g, m, s, 0.1, (0.9, 0.99), 1e-2, weight_decay, decoupled, step)
        results += [p, m, s]
    return results


# Family, and by how many units of the last place (of the largest entry) it may differ from the twin.
FAMILIES = {softmax: 8, cross_entropy: 8, drop: 1, lrn: 16, batch_norm: 16, sgd: 8, adam: 16}
families = pytest.mark.parametrize(("family", "units"), FAMILIES.items(), ids=[f.__name__ for f in FAMILIES])


@DTYPES
@families
def test_values_are_those_of_the_numpy_kernel(family, units, dtype):
    for actual, expected in zip(family(CUDA, dtype), family(NUMPY, dtype), strict=True):
        if expected.dtype.kind == "f":
            assert_close(actual, expected, units * np.finfo(dtype).eps)
        else:
            assert actual.dtype == expected.dtype
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("family", [drop, lrn, sgd, adam])
def test_a_thread_that_takes_several_entries_takes_each_once(monkeypatch, family):
    whole = family(CUDA, np.float32)
    monkeypatch.setattr(launch, "MOST_BLOCKS", 1)
    for actual, expected in zip(family(CUDA, np.float32), whole, strict=True):
        np.testing.assert_array_equal(actual, expected)


@DTYPES
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 5, 2), (2, 3, 0)])
def test_nothing_comes_of_nothing(shape, dtype):
    x, zeros, ones = np.zeros(shape, dtype), np.zeros(3, dtype), np.ones(3, dtype)
    mask, (losses, log_p) = CUDA.dropout_mask(shape, 0.5, (1, 2)), CUDA.cross_entropy_forward(x, x)
    y, inverse_std = CUDA.batch_norm_forward(x, zeros, 4 * ones, 0.0)
    assert losses.shape == (shape[0], *shape[2:])
    assert inverse_std.tolist() == [0.5] * 3
    for array in (
        *(getattr(CUDA, name)(x, 1) for name in ("softmax_forward", "log_softmax_forward")),
        *(getattr(CUDA, name)(x, x, 1) for name in ("softmax_backward", "log_softmax_backward")),
        *(log_p, CUDA.cross_entropy_backward(losses, log_p, x)),
        *(CUDA.dropout_forward(x, mask, 0.5), y, CUDA.batch_norm_backward(x, y, inverse_std)),
        *(*CUDA.lrn_forward(x, 3, 1.0, 0.75, 1.0), CUDA.lrn_backward(x, x, x, 3, 1.0, 0.75)),
    ):
        assert (array.shape, array.dtype) == (shape, dtype)
    CUDA.sgd_step(x, x, None, 0.1, 0.0, False, 0.0)
    CUDA.adam_step(x, x, x, x, 0.1, (0.9, 0.99), 1e-8, 0.0, False, 1)


# Rows


@pytest.mark.parametrize(("shape", "axis"), [((9, 77), 1), ((9, 77), 0)], ids=["in one piece", "side by side"])
def test_what_is_not_finite_stays_in_its_row(shape, axis):
    x = normal(1, *shape)
    spoiled = [np.moveaxis(x, axis, 1)[row] for row in (2, 3, 4, 5)]
    spoiled[0][40 % x.shape[axis]] = np.nan
    spoiled[1][5] = np.inf
    spoiled[2][:] = -np.inf
    spoiled[3][:7] = -np.inf
    for kernel in ("softmax_forward", "log_softmax_forward"):
        with np.errstate(all="ignore"):
            expected = getattr(NUMPY, kernel)(x, axis)
        assert_close(getattr(CUDA, kernel)(x, axis), expected, 1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_scores_do_not_overflow(dtype):
    x = 1e4 * normal(1, 4, 100, dtype=dtype)
    for kernel in ("softmax_forward", "log_softmax_forward"):
        assert_close(getattr(CUDA, kernel)(x, 1), getattr(NUMPY, kernel)(x, 1), 8 * np.finfo(dtype).eps)


def test_a_class_without_weight_costs_nothing_where_its_probability_is_zero():
    logits, q = normal(1, 3, 50), np.zeros((3, 50))
    logits[:, 40], q[:, 45] = -np.inf, 1
    losses, log_p = CUDA.cross_entropy_forward(logits, q)
    assert_close(losses, -log_p[:, 45], 1e-14)


def test_a_sum_of_many_terms_of_float32_keeps_its_digits():
    x = 1e4 + normal(1, 3, 2, 70, 70, dtype=np.float32)
    mean, variance = CUDA.batch_statistics(x)
    exact = x.astype(np.float64)
    assert_close(mean, exact.mean((0, 2, 3)).astype(np.float32), 2**-23)
    assert_close(variance, exact.var((0, 2, 3)).astype(np.float32), 2**-23)
    x = normal(4, 200_003, 2, dtype=np.float32)
    assert_close(CUDA.softmax_forward(x, 0), NUMPY.softmax_forward(x.astype(np.float64), 0).astype(np.float32), 2**-21)


# Dropout


@pytest.mark.parametrize("key", [(0, 0), (1, 2), (2**64 - 1, 2**40), (123456789, 2**64 - 1)])
def test_the_mask_is_numpys_philox_bit_for_bit(key):
    for size in (1, 2, 3, 4, 5, 1023, 4099):
        for p in (0.1, 0.5, np.nextafter(1, 0), 1.0):
            actual, expected = (k.dropout_mask((size,), p, key) for k in (CUDA, NUMPY))
            assert actual.dtype == np.bool_
            assert actual.tobytes() == expected.tobytes()


def test_what_is_dropped_is_gone_whatever_it_was():
    x = np.array([np.nan, np.inf, 3.0, np.nan])
    y = CUDA.dropout_forward(x, np.array([False, False, True, True]), 0.25)
    np.testing.assert_array_equal(y, [0, 0, 4, np.nan])


def test_half_precision_is_dropped_by_numpys_kernels():
    tc.manual_seed(3)
    x = tc.Tensor(cupy.asarray(np.ones(100, np.float16)))
    y = F.dropout(x, 0.5)
    assert is_cupy(y.data)
    np.testing.assert_array_equal(to_numpy(y.data), 2 * NUMPY.dropout_mask((100,), 0.5, (3, 0)).astype(np.float16))


# Steps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_weight_decay_the_parameter_is_in_no_gradient(dtype):
    for k in (NUMPY, CUDA):
        p, g = np.array([np.inf, 1], dtype), np.ones(2, dtype)
        k.sgd_step(p, g, None, 0.5, 0.0, False, 0.0)
        assert p.tolist() == [np.inf, 0.5]
        p, m, s = np.array([np.inf, 1], dtype), np.zeros(2, dtype), np.zeros(2, dtype)
        k.adam_step(p, g, m, s, 0.5, (0.5, 0.5), 1.0, 0.0, False, 1)
        assert p.tolist() == [np.inf, 0.75]


@pytest.mark.parametrize("step", ["sgd", "adam"])
def test_a_step_on_what_lies_scattered_or_is_of_two_types_is_not_lost(step):
    moved = []
    for there in (cupy.asarray, lambda array: array):
        k = launchers if there is cupy.asarray else NUMPY
        wide, g = there(normal(1, 6, 8)), there(normal(2, 6, 4).astype(np.float32))
        p, m, s = wide[:, ::2], there(np.zeros((6, 4))), there(np.zeros((6, 4)))
        for _ in range(2):
            if step == "sgd":
                k.sgd_step(p, g, m, 0.1, 0.9, True, 0.1)
            else:
                k.adam_step(p, g, m, s, 0.1, (0.9, 0.99), 1e-2, 0.1, True, 1)
        moved.append([to_numpy(array) for array in (wide, m, s)])
    for actual, expected in zip(*moved, strict=True):
        assert_close(actual, expected, 1e-12)
    assert (moved[0][0] != normal(1, 6, 8)).any()


# Sides


def test_arrays_of_two_sides_are_refused():
    x = cupy.asarray(normal(1, 4, 3))
    labels, weight, row = np.array([0, 1, 2, 0]), np.ones(3), np.ones(3)
    there = cupy.asarray(labels)
    for mixed in (
        lambda: F.cross_entropy(x, labels),
        lambda: F.cross_entropy(x, tc.Tensor(labels)),
        lambda: F.cross_entropy(x, there, weight),
        lambda: F.binary_cross_entropy_with_logits(x, x, weight=weight),
        lambda: F.binary_cross_entropy_with_logits(x, x, pos_weight=weight),
        lambda: F.mse_loss(x, normal(2, 4, 3)),
        lambda: F.batch_norm(x, row, cupy.asarray(row)),
        lambda: F.batch_norm(x, cupy.asarray(row), row, training=True),
    ):
        with pytest.raises(TypeError, match="nothing is copied silently"):
            mixed()


def test_plain_numbers_go_where_the_scores_are():
    x = normal(1, 4, 3)
    for loss in (
        lambda x: F.cross_entropy(x, [0, 1, 2, 0], [1.0, 2.0, 3.0]),
        lambda x: F.binary_cross_entropy_with_logits(x, [[0, 1, 1]] * 4, [1.0, 2.0, 3.0], pos_weight=2.0),
        lambda x: F.mse_loss(x, [[0.5, 1, 2]] * 4),
    ):
        y = loss(tc.Tensor(cupy.asarray(x)))
        assert is_cupy(y.data)
        assert_close(to_numpy(y.data), loss(tc.Tensor(x)).data, 1e-15)


# Planted bugs

SAME, MASK = test_values_are_those_of_the_numpy_kernel, test_the_mask_is_numpys_philox_bit_for_bit
DIGITS = test_a_sum_of_many_terms_of_float32_keeps_its_digits


EITHER = AssertionError, LaunchError  # the emulation notices that two threads write to one place


def family(function):
    """Arguments of the comparison with the NumPy kernels."""
    return function, FAMILIES[function], np.float64


# fmt: off
SOURCES = [
    Bug("a maximum of each lane's own",
        "softmax", "largest = max(largest, __shfl", "max(largest, __shfl", SAME, family(softmax)),
    Bug("half of the lanes summed",
        "softmax", "value) {\n    for (int other = blockDim.x / 2;", "value) {\n    for (int other = blockDim.x / 4;",
        SAME, family(softmax)),
    Bug("rows that begin in one another",
        "softmax", "number / inner * C * inner", "number / inner * inner", SAME, family(softmax), EITHER),
    Bug("scores not shifted",
        "softmax", "exp(x[i] - largest)", "exp(x[i])", test_large_scores_do_not_overflow, (np.float64,)),
    Bug("sums of float",
        "softmax", "double sum = 0;\n    FOR_EACH_IN_ROW(i, row) {", "real sum = 0;\n    FOR_EACH_IN_ROW(i, row) {",
        DIGITS),
    Bug("softmax backward entry by entry",
        "softmax", "dx[i] = y[i] * (grad[i] - along)", "dx[i] = y[i] * (grad[i] - grad[i] * y[i])",
        SAME, family(softmax)),
    Bug("0 · −inf in the loss",
        "loss", "if (q[i] != 0) cost", "cost",
        test_a_class_without_weight_costs_nothing_where_its_probability_is_zero),
    Bug("the loss of one lane",
        "loss", "cost = sum_of_lanes(cost);", "", SAME, family(cross_entropy)),
    Bug("gradient blind to class weights",
        "loss", "total * exp(log_p[i])", "exp(log_p[i])", SAME, family(cross_entropy)),
    Bug("Philox of nine rounds",
        "dropout", "round < 10", "round < 9", MASK, ((1, 2),)),
    Bug("a counter that starts at 0",
        "dropout", "word(block) + 1", "word(block)", MASK, ((1, 2),)),
    Bug("a key that does not grow",
        "dropout", "key1 += growth1;", "", MASK, ((1, 2),)),
    Bug("the last block of the mask forgotten",
        "dropout", "(size + 3) / 4", "size / 4", MASK, ((0, 0),)),
    Bug("a product with the mask",
        "dropout", "mask[i] ? scale * x[i] : 0", "mask[i] * scale * x[i]",
        test_what_is_dropped_is_gone_whatever_it_was),
    Bug("a window off by one",
        "normalization", "j <= min(after, C - 1 - c)", "j < min(after, C - 1 - c)", SAME, family(lrn)),
    Bug("one root in place of two",
        "normalization", "1 / (root * sqrt(root))", "1 / root", SAME, family(lrn)),
    Bug("shares that are not divided",
        "normalization", "dx[i] * x[i] / d[i]", "dx[i] * x[i]", SAME, family(lrn)),
    Bug("a forgotten 1/N",
        "normalization", "block_sum(product, scratch) / terms", "block_sum(product, scratch)",
        SAME, family(batch_norm)),
    Bug("the variance of a sample",
        "normalization", "squares / terms", "squares / (terms - 1)", SAME, family(batch_norm)),
    Bug("the difference of two large sums",
        "normalization", "(x[i] - centre) * (x[i] - centre)", "x[i] * x[i] - centre * centre", DIGITS),
    Bug("one channel's mean for all",
        "normalization", "mean[plane % C]", "mean[0]", SAME, family(batch_norm)),
    Bug("images after the first left out",
        "normalization", "n += blockDim.y", "n += (N)", SAME, family(batch_norm)),
    Bug("a sum of the first warp",
        "normalization", "warp < warps", "warp < 1", SAME, family(batch_norm)),
    Bug("Nesterov's look ahead forgotten",
        "optimizer", "nesterov ? g + momentum * v[i] : v[i]", "v[i]", SAME, family(sgd)),
    Bug("0 · inf in a step",
        "optimizer", "if (weight_decay != 0)", "", test_without_weight_decay_the_parameter_is_in_no_gradient,
        (np.float64,)),
    Bug("0 · inf in a step of Adam",
        "optimizer", "if (added != 0)", "", test_without_weight_decay_the_parameter_is_in_no_gradient, (np.float64,)),
    Bug("Adam's second moment not corrected",
        "optimizer", "sqrt(s[i]) / root", "sqrt(s[i])", SAME, family(adam)),
    Bug("eps under the root",
        "optimizer", "sqrt(s[i]) / root + eps", "sqrt(s[i] + eps) / root", SAME, family(adam)),
]

RACES = [
    Bug("sums of warps read before they are written",
        "normalization", "__syncthreads();\n    T sum = 0;", "T sum = 0;", SAME, family(batch_norm),
        EITHER),
    Bug("sums of warps written while the last are still read",
        "normalization", "__syncthreads();  // scratch", "// scratch", SAME, family(batch_norm), EITHER),
    Bug("a block that not every thread returns from together",
        "normalization", "double centre = block_sum", "if (threadIdx.x > 3) return;\n    double centre = block_sum",
        SAME, family(batch_norm), LaunchError),
]

LAUNCHERS = [
    Bug("the window of LRN not mirrored",
        "kernels.cuda.normalization:lrn_backward", "(size - 1) // 2, size // 2", "size // 2, (size - 1) // 2",
        SAME, family(lrn)),
    Bug("p = 1 as a threshold of 2⁶⁴",
        "kernels.cuda.dropout:dropout_mask", "if p == 1:", "if False:", MASK, ((0, 0),), OverflowError),
    Bug("a step on whatever lies in memory",
        "kernels.cuda.optimizer:_in_one_piece", "return all(", "return True or all(",
        test_a_step_on_what_lies_scattered_or_is_of_two_types_is_not_lost, ("sgd",), EITHER),
]
# fmt: on


@rows(SOURCES)
def test_a_planted_bug_is_caught(bug):
    assert_source_bug_caught(bug)


@pytest.mark.skipif(os.environ.get("TINYCNN_TEST_CUDA") != "emulated", reason="a GPU may be lucky, or hang")
@rows(RACES)
def test_a_planted_race_is_caught(bug):
    assert_source_bug_caught(bug)


@rows(LAUNCHERS)
def test_a_bug_planted_in_a_launcher_is_caught(bug, monkeypatch):
    bug.caught_by(*bug.arguments)
    plant(bug, monkeypatch)
    with np.errstate(all="ignore"), pytest.raises(bug.error):
        bug.caught_by(*bug.arguments)
