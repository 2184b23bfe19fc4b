"""Local response and batch normalisation against their formulas in loops, and finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn.functional as F
from tests.backends import assert_gradients_hold, run, to_backend, to_numpy
from tests.cases import examples, laid_out, layouts, normal, seeds
from tests.numeric import assert_close

# Local response normalisation


def lrn_in_loops(x, size, alpha, beta, k, average):
    """x_c / (k + alpha' · Σ x_j²)^beta, j from c − size//2 to c + (size − 1)//2 where such channels are."""
    y = np.empty(x.shape)
    for c in range(x.shape[1]):
        energy = np.zeros_like(x[:, 0], dtype=float)
        for j in range(c - size // 2, c + (size - 1) // 2 + 1):
            if 0 <= j < x.shape[1]:
                energy += x[:, j] ** 2
        y[:, c] = x[:, c] / (k + (alpha / size if average else alpha) * energy) ** beta
    return y


@st.composite
def channel_shapes(draw: st.DrawFn, smallest_ndim: int = 2, largest_channels: int = 7) -> tuple[int, ...]:
    """(N, C, …) of two to five axes."""
    rest = draw(st.lists(st.integers(1, 3), min_size=smallest_ndim - 2, max_size=3))
    return (draw(st.integers(1, 3)), draw(st.integers(1, largest_channels)), *rest)


average_or_not = pytest.mark.parametrize("average", [True, False], ids=["average", "sum"])


@average_or_not
@given(shape=channel_shapes(), size=st.integers(1, 9), layout=layouts, seed=seeds)
@examples(100)
def test_each_channel_is_divided_by_the_energy_of_its_window(average, shape, size, layout, seed):
    x = laid_out(normal(seed, *shape), layout)
    options = {"alpha": 1.0, "beta": 0.75, "k": 0.5, "average": average}
    y = run(lambda x: F.local_response_norm(x, size, **options), x).y
    assert_close(y, lrn_in_loops(x, size, **options), 1e-13)


@average_or_not
@given(shape=channel_shapes(), size=st.integers(1, 9), layout=layouts, seed=seeds)
@examples(40)
def test_lrn_gradients_equal_central_differences(average, shape, size, layout, seed):
    # At alpha = 1, where a channel too many or too few is worth a fifth of the result; 1e-4 would hide it.
    x = laid_out(normal(seed, *shape), layout)
    assert_gradients_hold(
        lambda x: F.local_response_norm(x, size, alpha=1.0, beta=0.75, k=0.5, average=average),
        x,
        seed=seed,
        layout=layout,
    )


@pytest.mark.parametrize(
    ("size", "reached"),
    [(1, {3}), (2, {2, 3}), (3, {2, 3, 4}), (4, {1, 2, 3, 4}), (5, {1, 2, 3, 4, 5}), (12, {0, 1, 2, 3, 4, 5, 6})],
)
def test_the_window_reaches_these_channels_and_no_other(size, reached):
    x = normal(1, 1, 7, 2, 1)
    _, _, (dx,) = run(
        lambda x: F.local_response_norm(x, size, alpha=1.0, average=False),
        x,
        upstream=np.eye(7)[3].reshape(1, 7, 1, 1) * np.ones((1, 7, 2, 1)),
    )
    assert set(np.flatnonzero(dx[0, :, 0, 0])) == reached


@average_or_not
def test_lrn_keeps_float32_and_agrees_with_the_paper_at_its_own_constants(average):
    x = 50 * normal(2, 2, 8, 3, 4, dtype=np.float32)  # large enough for alpha = 1e-4 to matter
    options = {"alpha": 1e-4, "beta": 0.75, "k": 2.0, "average": average}
    y, _, (dx,) = run(lambda x: F.local_response_norm(x, 5, **options), x)
    assert_close(y, lrn_in_loops(x.astype(float), 5, **options).astype(np.float32), 1e-6)
    assert dx.dtype == np.float32


def test_lrn_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        F.local_response_norm(normal(1, 1, 3, 2, 2), 0)
    with pytest.raises(ValueError, match="k and alpha must not be negative, got k=1, alpha=-1"):
        F.local_response_norm(normal(1, 1, 3, 2, 2), 3, alpha=-1, k=1)
    with pytest.raises(ValueError, match=r"expected input \(N, C, …\), got \(3,\): one row is x.reshape\(1, -1\)"):
        F.local_response_norm(normal(1, 3), 3)


# Batch normalisation


def batch_norm_in_loops(x, weight, bias, mean, variance, eps):
    """w_c · (x − mean_c) / √(variance_c + eps) + b_c."""
    y = np.empty(x.shape)
    for c in range(x.shape[1]):
        y[:, c] = weight[c] * (x[:, c] - mean[c]) / (variance[c] + eps) ** 0.5 + bias[c]
    return y


def affine(seed: int, C: int) -> tuple[np.ndarray, np.ndarray]:
    """A weight and a bias of one value a channel."""
    return normal(seed + 1, C), normal(seed + 2, C)


@given(shape=channel_shapes(largest_channels=4), layout=layouts, seed=seeds)
@examples(100)
def test_training_normalises_each_channel_by_its_own_statistics(shape, layout, seed):
    shape = (shape[0] + 2, *shape[1:])
    x, (weight, bias) = laid_out(3 + 2 * normal(seed, *shape), layout), affine(seed, shape[1])
    columns = [x[:, c].ravel() for c in range(shape[1])]
    mean = [column.sum() / column.size for column in columns]
    variance = [((column - m) ** 2).sum() / column.size for column, m in zip(columns, mean, strict=True)]
    y = run(lambda x, w, b: F.batch_norm(x, weight=w, bias=b, training=True, eps=1e-3), x, weight, bias).y
    assert_close(y, batch_norm_in_loops(x, weight, bias, mean, variance, 1e-3), 1e-12)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@given(shape=channel_shapes(largest_channels=3), layout=layouts, seed=seeds)
@examples(40)
def test_batch_norm_gradients_equal_central_differences(training, shape, layout, seed):
    shape = (shape[0] + 2, *shape[1:])
    x, (weight, bias) = laid_out(1 + normal(seed, *shape), layout), affine(seed, shape[1])
    mean, variance = normal(seed + 3, shape[1]), 0.5 + normal(seed + 4, shape[1]) ** 2

    def normalise(x, weight, bias):
        statistics = to_backend(mean.copy()), to_backend(variance.copy())  # moved in training
        return F.batch_norm(x, *statistics, weight, bias, training=training, eps=0.1)

    assert_gradients_hold(normalise, x, weight, bias, seed=seed, layout=layout)


def test_the_gradient_of_training_is_orthogonal_to_a_shift_and_to_a_stretch_of_the_batch():
    # Neither changes the output, so neither may be in the gradient: what the two mean terms of the formula are for.
    x = normal(1, 4, 3, 5, 6)
    _, _, (dx,) = run(lambda x: F.batch_norm(x, training=True, eps=0.0), x)
    centred = x - x.mean((0, 2, 3), keepdims=True)
    size = abs(dx).sum((0, 2, 3))
    assert (abs(dx.sum((0, 2, 3))) <= 1e-13 * size).all()
    assert (abs((dx * centred).sum((0, 2, 3))) <= 1e-12 * size).all()


def test_in_evaluation_running_statistics_are_constants_and_stay():
    x, mean, variance = normal(1, 2, 3, 4, 5), normal(2, 3), 0.5 + normal(3, 3) ** 2
    kept = mean.tobytes(), variance.tobytes()
    y, grad, (dx,) = run(lambda x: F.batch_norm(x, to_backend(mean), to_backend(variance), eps=0.1), x)
    assert_close(y, batch_norm_in_loops(x, np.ones(3), np.zeros(3), mean, variance, 0.1), 1e-14)
    assert_close(dx, grad / np.sqrt(variance + 0.1).reshape(1, 3, 1, 1), 1e-14)
    assert (mean.tobytes(), variance.tobytes()) == kept


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_statistics_move_by_momentum_towards_the_mean_and_the_unbiased_variance(dtype):
    mean, variance = (to_backend(array.astype(dtype)) for array in (normal(2, 3), 0.5 + normal(3, 3) ** 2))
    expected_mean, expected_variance = to_numpy(mean).astype(float), to_numpy(variance).astype(float)
    for step in range(3):
        x = 2 + normal(step, 4, 3, 5, dtype=dtype)
        run(lambda x: F.batch_norm(x, mean, variance, training=True, momentum=0.3), x)
        channels = x.astype(float).transpose(1, 0, 2).reshape(3, -1)
        expected_mean = 0.7 * expected_mean + 0.3 * channels.mean(1)
        expected_variance = 0.7 * expected_variance + 0.3 * channels.var(1, ddof=1)
    tolerance = {np.float32: 1e-6, np.float64: 1e-14}[dtype]
    assert_close(to_numpy(mean), expected_mean.astype(dtype), tolerance)
    assert_close(to_numpy(variance), expected_variance.astype(dtype), tolerance)


def test_without_running_statistics_evaluation_uses_the_batch():
    x = normal(1, 4, 3, 5)
    assert_close(run(F.batch_norm, x).y, run(lambda x: F.batch_norm(x, training=True), x).y, 0)


def test_float32_survives_a_large_mean():
    # E[x²] − E[x]² would lose every digit here: 1e8 against a variance of 1
    x = (1e4 + normal(4, 64, 2, 8, 8)).astype(np.float32)
    y = run(lambda x: F.batch_norm(x, training=True), x).y
    wanted = x.astype(np.float64)
    wanted = (wanted - wanted.mean((0, 2, 3), keepdims=True)) / wanted.std((0, 2, 3), keepdims=True)
    assert y.dtype == np.float32
    assert_close(y, wanted.astype(np.float32), 1e-3)


def test_batch_norm_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match=r"two values or more in each channel, got input \(1, 3, 1, 1\)"):
        F.batch_norm(normal(1, 1, 3, 1, 1), training=True)
    with pytest.raises(ValueError, match=r"running_mean must be floating-point of shape \(3,\), got .* of \(2,\)"):
        F.batch_norm(normal(1, 2, 3), np.zeros(2), np.ones(3))
    with pytest.raises(ValueError, match=r"weight must have one value for each of 3 channels, got \(2,\)"):
        F.batch_norm(normal(1, 2, 3), weight=np.ones(2), training=True)
