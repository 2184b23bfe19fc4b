"""Losses against their formulas in Python floats, finite differences, every option, and extreme logits."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import assert_gradients_hold, run, to_backend, to_numpy
from tests.cases import examples, laid_out, layouts, normal, seeds, shapes
from tests.functional.test_activation import log_softmax_by_definition
from tests.numeric import assert_close

REDUCTIONS = ("none", "sum", "mean")
reductions = pytest.mark.parametrize("reduction", REDUCTIONS)


def cross_entropy_in_loops(logits, targets, weight, ignore_index, reduction, label_smoothing):
    """−Σ_c q_c · w_c · log p_c of each target that counts; their mean is over the weights of the targets."""
    C = logits.shape[1]
    weight = np.ones(C) if weight is None else weight
    losses, total_weight = np.zeros(targets.shape), 0.0
    for index in np.ndindex(*targets.shape):
        label = targets[index]
        if label == ignore_index:
            continue
        log_p = log_softmax_by_definition(logits[index[0], :, *index[1:]].tolist())
        q = [label_smoothing / C + (1 - label_smoothing) * (c == label) for c in range(C)]
        losses[index] = -math.fsum(q[c] * weight[c] * log_p[c] for c in range(C) if q[c])
        total_weight += weight[label]
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / total_weight}[reduction]


@st.composite
def classifications(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, dict]:
    """Logits (N, C, …), targets, and every option but the reduction; at least one target counts."""
    N, C = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    rest = draw(st.lists(st.integers(1, 3), max_size=2))
    seed = draw(seeds)
    targets = np.random.default_rng(seed).integers(0, C, (N, *rest))
    ignore_index = draw(st.sampled_from((-100, 0, C - 1, 255)))
    targets[np.random.default_rng([seed, 1]).random(targets.shape) < 0.3] = ignore_index
    if ignore_index != -100 or (targets == -100).all():
        targets.flat[0] = 0 if ignore_index else C - 1
    if (targets == ignore_index).all():  # one class, and it is ignored
        ignore_index = -100
    weight = draw(st.sampled_from((None, 0.1 + np.random.default_rng([seed, 2]).random(C))))
    smoothing = draw(st.sampled_from((0.0, 0.1, 1.0)))
    logits = laid_out(2 * normal(seed, N, C, *rest), draw(layouts))
    return logits, targets, {"weight": weight, "ignore_index": ignore_index, "label_smoothing": smoothing}


def cross_entropy(targets, weight=None, **options):
    """The loss as a function of the logits, with targets and weights where the running backend computes."""
    there = to_backend(np.asarray(targets)), None if weight is None else to_backend(weight)
    return lambda x: F.cross_entropy(x, *there, **options)


@reductions
@given(case=classifications())
@examples(100)
def test_cross_entropy_is_the_formula_under_every_option(reduction, case):
    logits, targets, options = case
    options = {**options, "reduction": reduction}
    y = run(cross_entropy(targets, **options), logits).y
    assert_close(y, np.asarray(cross_entropy_in_loops(logits, targets, **options)), 1e-13, scale=1)


@reductions
@given(case=classifications(), seed=seeds)
@examples(30)
def test_cross_entropy_gradients_equal_central_differences(reduction, case, seed):
    logits, targets, options = case
    if logits.shape[1] > 1:  # a single class is certain, its gradient 0 up to rounding
        assert_gradients_hold(cross_entropy(targets, **options, reduction=reduction), logits, seed=seed)


def test_the_mean_divides_loss_and_gradient_by_the_number_of_targets():
    logits, targets = normal(1, 6, 4), np.array([0, 3, 1, 1, 2, 0])
    mean = run(cross_entropy(targets), logits, upstream=np.array(1.7))
    total = run(cross_entropy(targets, reduction="sum"), logits, upstream=np.array(1.7))
    assert_close(mean.y, total.y / 6, 1e-15)
    assert_close(mean.gradients[0], total.gradients[0] / 6, 1e-15)


def test_a_network_that_knows_nothing_is_off_by_the_logarithm_of_the_number_of_classes():
    y, _, (dx,) = run(cross_entropy([3, 7]), np.zeros((2, 10)), upstream=np.array(1.0))
    assert y == pytest.approx(math.log(10), rel=1e-15)
    expected = np.full((2, 10), 0.05)
    expected[[0, 1], [3, 7]] -= 0.5
    assert_close(dx, expected, 1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_cost_what_they_should_and_nothing_overflows(dtype):
    logits = np.array([[1e4, -1e4], [1e4, -1e4], [-1e4, -1e4]], dtype)
    y, grad, (dx,) = run(cross_entropy([0, 1, 0], reduction="none"), logits)
    assert_close(y, np.array([0, 2e4, math.log(2)], dtype), 1e-6)
    assert_close(dx, grad[:, None] * np.array([[0, 0], [1, -1], [-0.5, 0.5]], dtype), 1e-6)


def test_a_class_ruled_out_by_minus_infinity_costs_nothing_unless_it_is_the_target():
    logits = np.array([[0.3, -np.inf, 0.9], [0.3, -np.inf, 0.9]])
    y, grad, (dx,) = run(cross_entropy([2, 1], reduction="none"), logits)
    log_p = log_softmax_by_definition([0.3, 0.9])
    assert y.tolist() == [pytest.approx(-log_p[1], rel=1e-14), np.inf]
    expected = grad[0] * np.array([math.exp(log_p[0]), 0, math.exp(log_p[1]) - 1])
    assert_close(dx[0], expected, 1e-14)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64, ">i4"])
def test_targets_may_be_integers_of_any_kind_and_a_tensor(dtype):
    logits, targets = normal(1, 4, 3), np.array([2, 0, 1, 1])
    expected = run(cross_entropy(targets), logits)
    there = to_backend(targets.astype(dtype))
    for given_targets in (there, tc.Tensor(there), targets.tolist()):
        result = run(lambda x, t=given_targets: F.cross_entropy(x, t), logits)
        assert result.y == expected.y
        assert_close(result.gradients[0], expected.gradients[0], 0)


def test_a_sum_over_no_targets_is_zero_and_a_mean_over_none_is_refused():
    ignored = np.full(2, -100)
    y, _, (dx,) = run(cross_entropy(ignored, reduction="sum"), normal(1, 2, 3))
    assert y == 0
    np.testing.assert_array_equal(dx, 0)
    with pytest.raises(ValueError, match=r"every target is ignore_index \(-100\), so there is no mean"):
        F.cross_entropy(normal(1, 2, 3), ignored)
    with pytest.raises(ValueError, match="the batch is empty"):
        F.cross_entropy(np.zeros((0, 3)), np.zeros(0, int))
    with pytest.raises(ValueError, match="there is nothing to average"):
        F.mse_loss(np.zeros((0, 3)), np.zeros((0, 3)))


# Losses entry by entry


def log_sigmoid(v: float) -> float:
    return -math.log1p(math.exp(-v)) if v > 0 else v - math.log1p(math.exp(v))


def bce(v: float, t: float, positive: float = 1.0) -> float:
    return -(positive * t * log_sigmoid(v) + (1 - t) * log_sigmoid(-v))


def squared(v: float, t: float) -> float:
    return (v - t) ** 2


def divergence(v: float, t: float) -> float:
    return t * (math.log(t) - v) if t > 0 else 0.0


def log_divergence(v: float, t: float) -> float:
    return math.exp(t) * (t - v)


ENTRYWISE = {
    "mse": (F.mse_loss, squared),
    "bce": (F.binary_cross_entropy_with_logits, bce),
    "bce, positives weighted": (
        lambda *a, **k: F.binary_cross_entropy_with_logits(*a, **k, pos_weight=to_backend(np.array(2.5))),
        lambda v, t: bce(v, t, 2.5),
    ),
    "kl": (F.kl_div, divergence),
    "kl of logarithms": (lambda *a, **k: F.kl_div(*a, **k, log_target=True), log_divergence),
}
entrywise = pytest.mark.parametrize("name", ENTRYWISE)


def a_pair(seed: int, shape: tuple[int, ...], layout: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and targets between 0 and 1 away from both ends."""
    x, target = normal(seed, *shape), np.random.default_rng([seed, 3]).uniform(0.1, 0.9, shape)
    return laid_out(x, layout), laid_out(target, layout)


@entrywise
@reductions
@given(shape=shapes(0, 4), layout=layouts, seed=seeds)
@examples(30)
def test_the_loss_of_each_entry_is_the_formula_and_is_reduced_as_asked(name, reduction, shape, layout, seed):
    loss, formula = ENTRYWISE[name]
    x, target = a_pair(seed, shape, layout)
    each = np.vectorize(formula, otypes=[float])(x, target)
    expected = {"none": each, "sum": each.sum(), "mean": each.mean()}[reduction]
    y = run(lambda x, t: loss(x, t, reduction=reduction), x, target, layout=layout).y
    assert_close(y, np.asarray(expected), 1e-13, scale=abs(each).max())


@entrywise
@reductions
@given(shape=shapes(0, 3), layout=layouts, seed=seeds)
@examples(15)
def test_gradients_of_both_arguments_equal_central_differences(name, reduction, shape, layout, seed):
    x, target = a_pair(seed, shape, layout)
    assert_gradients_hold(lambda x, t: ENTRYWISE[name][0](x, t, reduction=reduction), x, target, seed=seed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_does_not_overflow(dtype):
    x, target = np.array([1e4, 1e4, -1e4, -1e4], dtype), np.array([1, 0, 1, 0], dtype)
    y, grad, (dx, _) = run(lambda *a: F.binary_cross_entropy_with_logits(*a, reduction="none"), x, target)
    assert y.tolist() == [0, 1e4, 1e4, 0]
    assert_close(dx, grad * np.array([0, 1, -1, 0], dtype), 0)


def test_a_target_of_zero_costs_no_divergence_and_passes_no_gradient():
    x, target = np.array([math.log(0.5), math.log(0.5), -np.inf]), np.array([1.0, 0.0, 0.0])
    tensor = tc.Tensor(to_backend(x), requires_grad=True)
    y = F.kl_div(tensor, tc.Tensor(to_backend(target)), reduction="none")
    assert_close(to_numpy(y.data), np.array([math.log(2), 0, 0]), 1e-15)
    y.backward(to_backend(np.array([0.3, 0.5, 0.7])))
    assert_close(to_numpy(tensor.grad), np.array([-0.3, 0.0, 0.0]), 0)


@given(shape=st.tuples(st.integers(1, 4), st.integers(1, 4)), weighted=st.booleans(), seed=seeds)
@examples(50)
def test_multilabel_loss_is_the_mean_over_classes_then_over_images(shape, weighted, seed):
    x, target = a_pair(seed, shape, "contiguous")
    weight = 0.1 + np.random.default_rng([seed, 4]).random(shape[1]) if weighted else np.ones(shape[1])
    each = np.array(
        [
            [bce(x[i], target[i]) * weight[i[1]] for i in zip([n] * shape[1], range(shape[1]), strict=True)]
            for n in range(shape[0])
        ]
    )
    for reduction, expected in (("none", each.mean(1)), ("mean", each.mean()), ("sum", each.mean(1).sum())):
        options = {"weight": to_backend(weight) if weighted else None, "reduction": reduction}
        y = run(lambda *a, o=options: F.multilabel_soft_margin_loss(*a, **o), x, target).y
        assert_close(y, np.asarray(expected), 1e-14)


def test_weights_multiply_each_loss_and_its_gradient():
    x, target = a_pair(1, (3, 4), "contiguous")
    weight = np.random.default_rng(2).random(4)
    plain, weighted = (
        run(lambda *a, w=w: F.binary_cross_entropy_with_logits(*a, weight=w, reduction="none"), x, target)
        for w in (None, to_backend(weight))
    )
    assert_close(weighted.y, plain.y * weight, 1e-15)
    assert_close(weighted.gradients[0], plain.gradients[0] * weight, 1e-15)


def test_weights_of_another_dtype_do_not_widen():
    x, target = (array.astype(np.float32) for array in a_pair(5, (3, 4), "contiguous"))
    for loss in (F.binary_cross_entropy_with_logits, F.multilabel_soft_margin_loss):
        assert run(lambda *a, f=loss: f(*a, weight=to_backend(np.ones(4))), x, target).y.dtype == np.float32


def test_batchmean_divides_by_the_first_axis_alone():
    x, target = a_pair(3, (4, 5), "contiguous")
    total = run(lambda *a: F.kl_div(*a, reduction="sum"), x, target, upstream=np.array(1.3))
    mean = run(lambda *a: F.kl_div(*a, reduction="batchmean"), x, target, upstream=np.array(1.3))
    assert_close(mean.y, total.y / 4, 1e-15)
    assert_close(mean.gradients[0], total.gradients[0] / 4, 1e-15)


@entrywise
def test_float32_stays_float32(name):
    x, target = (array.astype(np.float32) for array in a_pair(4, (3, 4), "contiguous"))
    for reduction in REDUCTIONS:
        y, _, gradients = run(lambda *a, r=reduction: ENTRYWISE[name][0](*a, reduction=r), x, target)
        assert {y.dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float32)}


def test_cross_entropy_keeps_float32_whatever_the_weights_are():
    logits, targets = normal(1, 4, 3, dtype=np.float32), np.array([2, 0, 1, 1])
    for weight, smoothing, reduction in itertools.product((None, np.array([1.0, 2, 3])), (0.0, 0.1), REDUCTIONS):
        options = {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}
        y, _, (dx,) = run(cross_entropy(targets, **options), logits)
        assert (y.dtype, dx.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        ([0, 3], ValueError, "target 3 at index 1 is no class: with 3 logits the classes are 0 to 2"),
        ([-1, 0], ValueError, "target -1 at index 0 is no class"),
        ([0.0, 1.0], TypeError, r"expected integer targets, got float64: targets.astype\(np.int64\)"),
        (np.eye(2, 3), TypeError, r"for one-hot rows targets.argmax\(axis=1\)"),
        (np.eye(2, 3, dtype=int), ValueError, r"expected targets \(2,\), got \(2, 3\): one-hot rows become labels"),
        (np.zeros((2, 1), int), ValueError, r"got \(2, 1\): targets.reshape\(-1\) drops the extra axis"),
    ],
)
def test_targets_that_make_no_sense_are_refused_with_the_fix(targets, error, message):
    with pytest.raises(error, match=message):
        F.cross_entropy(normal(1, 2, 3), targets)


def test_arguments_that_make_no_sense_are_refused_with_the_fix():
    with pytest.raises(ValueError, match=r"label_smoothing is a part, from 0 to 1, got 2"):
        F.cross_entropy(normal(1, 2, 3), [0, 1], label_smoothing=2)
    with pytest.raises(ValueError, match=r"reduction must be one of 'none', 'mean', 'sum', got 'average'"):
        F.mse_loss(normal(1, 2), normal(2, 2), reduction="average")
    with pytest.raises(ValueError, match=r"one shape, got \(2, 1\) and \(2,\): target.reshape\(2, 1\) lines them up"):
        F.mse_loss(normal(1, 2, 1), normal(2, 2))
    with pytest.raises(TypeError, match="mse_loss got input float64, target float32"):
        F.mse_loss(normal(1, 2), normal(2, 2, dtype=np.float32))
