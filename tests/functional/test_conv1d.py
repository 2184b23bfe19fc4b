"""conv1d against NumPy's own one-dimensional convolution and correlation, and finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn.functional as F
from tests.backends import assert_gradients_hold, every_algorithm, run
from tests.cases import conv_cases, examples, laid_out, layouts, normal, seeds
from tests.functional.test_convolution import unless_refused
from tests.numeric import assert_close


def signals(seed: int, layout: str, N: int, C: int, K: int, L: int, S: int) -> tuple[np.ndarray, np.ndarray]:
    return laid_out(normal(seed, N, C, L), layout), laid_out(normal(seed + 1, K, C, S), layout)


def by_numpy(one_dimensional, x: np.ndarray, weight: np.ndarray, mode: str) -> np.ndarray:
    """Σ_c one_dimensional(x[n, c], weight[k, c]): (N, C, L), (K, C, S) -> (N, K, Q)."""
    return np.array([[sum(map(lambda a, b: one_dimensional(a, b, mode), image, w)) for w in weight] for image in x])


@every_algorithm
@pytest.mark.parametrize("mode", ["valid", "full"])
@given(data=st.data(), seed=seeds, layout=layouts)
@examples(50)
def test_it_is_numpys_correlate_and_with_flip_numpys_convolve(algorithm, mode, data, seed, layout):
    S = data.draw(st.integers(1, 6))
    L = data.draw(st.integers(S, S + 6))  # NumPy swaps its arguments where the kernel is the longer
    N, C, K = (data.draw(st.integers(1, 3)) for _ in range(3))
    x, weight = signals(seed, layout, N, C, K, L, S)
    with unless_refused(algorithm):
        y = run(lambda x, w: F.conv1d(x, w, padding=mode, algorithm=algorithm), x, weight, layout=layout).y
        assert_close(y, by_numpy(np.correlate, x, weight, mode), 1e-12)
        y = run(lambda x, w: F.conv1d(x, w, padding=mode, flip=True, algorithm=algorithm), x, weight).y
        assert_close(y, by_numpy(np.convolve, x, weight, mode), 1e-12)


@every_algorithm
@given(case=conv_cases(rows=False))
@examples(40)
def test_gradients_equal_central_differences(algorithm, case):
    x, weight, bias = case.arrays()
    *_, left, right = case.padding
    options = {"stride": case.stride[1], "padding": (left, right), "dilation": case.dilation[1], "groups": case.groups}

    def convolve(x, weight, bias):
        return F.conv1d(x, weight, bias, **options, algorithm=algorithm)

    with unless_refused(algorithm):
        arrays = x[:, :, 0], weight[:, :, 0], bias
        assert_gradients_hold(convolve, *arrays, seed=case.seed, layout=case.layout)
        y = run(convolve, *arrays).y
        assert_close(y, run(lambda *t: F.conv2d(*t, **case.options), x, weight, bias).y[:, :, 0], 1e-12)


def test_same_keeps_the_length_with_the_odd_cell_at_the_end():
    x, weight = normal(1, 1, 1, 6), normal(2, 1, 1, 4)
    expected = np.correlate(np.concatenate([np.zeros(1), x[0, 0], np.zeros(2)]), weight[0, 0], "valid")
    assert_close(run(lambda x, w: F.conv1d(x, w, padding="same"), x, weight).y[0, 0], expected, 1e-13)


def test_one_number_pads_both_ends_and_a_pair_its_own_end():
    x, weight = normal(1, 2, 3, 6), normal(2, 2, 3, 3)
    for padding, (left, right) in ((2, (2, 2)), ((2, 1), (2, 1))):
        padded = np.pad(x, ((0, 0), (0, 0), (left, right)))
        y = run(lambda x, w, p=padding: F.conv1d(x, w, padding=p), x, weight).y
        assert_close(y, by_numpy(np.correlate, padded, weight, "valid"), 1e-13)


def test_messages_guess_the_mistake():
    x, weight = normal(1, 2, 3, 6), normal(2, 2, 3, 3)
    with pytest.raises(ValueError, match=r"\(N, C, L\), got \(6,\): one signal is x.reshape\(1, 1, 6\)"):
        F.conv1d(x[0, 0], weight)
    with pytest.raises(ValueError, match=r"expected weight \(K, C/groups, S\), got \(3, 3\)"):
        F.conv1d(x, weight[0])
    with pytest.raises(ValueError, match=r"an int, \(left, right\) or a word, got \(1, 1, 1\)"):
        F.conv1d(x, weight, padding=(1, 1, 1))
    with pytest.raises(ValueError, match="conv1d: stride must be at least 1, got 0"):
        F.conv1d(x, weight, stride=0)
