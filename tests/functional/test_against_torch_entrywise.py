"""The rest against PyTorch: activations, losses, products, arithmetic, reductions and shapes, with all gradients."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import to_backend
from tests.cases import all_apart, away_from_zero, examples, layouts, normal, seeds, shapes
from tests.functional.test_arithmetic import broadcastable
from tests.functional.test_linear import factors
from tests.functional.test_loss import REDUCTIONS, classifications, cross_entropy
from tests.functional.test_reduction import reductions
from tests.functional.torch_witness import assert_like_torch
from tests.oracles import oracle

torch = oracle("torch")
TF = torch.nn.functional


# Activations

ACTIVATIONS = {
    "relu": (F.relu, torch.relu),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), lambda x: TF.leaky_relu(x, 0.2)),
    "tanh": (F.tanh, torch.tanh),
    "sigmoid": (F.sigmoid, torch.sigmoid),
}


@given(name=st.sampled_from(sorted(ACTIVATIONS)), shape=shapes(0, 4), layout=layouts, seed=seeds)
@examples(500)
def test_activations_entry_by_entry(name, shape, layout, seed):
    assert_like_torch(*ACTIVATIONS[name], 3 * normal(seed, *shape), layout=layout)


@given(logarithm=st.booleans(), shape=shapes(1, 4), data=st.data(), layout=layouts, seed=seeds)
@examples(500)
def test_softmax_and_log_softmax(logarithm, shape, data, layout, seed):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    ours, theirs = (F.log_softmax, torch.log_softmax) if logarithm else (F.softmax, torch.softmax)
    assert_like_torch(lambda x: ours(x, dim), lambda x: theirs(x, dim), 3 * normal(seed, *shape), layout=layout)


# Losses


@given(case=classifications(), reduction=st.sampled_from(REDUCTIONS), layout=layouts)
@examples(500)
def test_cross_entropy(case, reduction, layout):
    logits, targets, options = case

    def theirs(x):
        weight = None if options["weight"] is None else torch.tensor(options["weight"], dtype=x.dtype)
        return TF.cross_entropy(x, torch.tensor(targets), **{**options, "weight": weight}, reduction=reduction)

    assert_like_torch(cross_entropy(targets, **options, reduction=reduction), theirs, logits, layout=layout)


def torch_bce(x, target, reduction):
    return TF.binary_cross_entropy_with_logits(
        x, target, reduction=reduction, pos_weight=torch.tensor(2.5, dtype=x.dtype)
    )


def torch_kl(log_target):
    def kl_div(x, target, reduction):  # reduced here: torch warns that its "mean" will mean another thing
        losses = TF.kl_div(x, target, reduction="none", log_target=log_target)
        return losses if reduction == "none" else getattr(losses, reduction)()

    return kl_div


LOSSES = {
    "mse": (F.mse_loss, TF.mse_loss),
    "bce": (F.binary_cross_entropy_with_logits, TF.binary_cross_entropy_with_logits),
    "bce weighted": (lambda *a, **k: F.binary_cross_entropy_with_logits(*a, **k, pos_weight=2.5), torch_bce),
    "kl": (F.kl_div, torch_kl(False)),
    "kl of logarithms": (lambda *a, **k: F.kl_div(*a, **k, log_target=True), torch_kl(True)),
}


@given(
    name=st.sampled_from(sorted(LOSSES)),
    reduction=st.sampled_from(REDUCTIONS),
    shape=shapes(1, 4),
    layout=layouts,
    seed=seeds,
)
@examples(500)
def test_losses_entry_by_entry(name, reduction, shape, layout, seed):
    ours, theirs = LOSSES[name]
    x, target = 2 * normal(seed, *shape), np.random.default_rng([seed, 3]).uniform(0.1, 0.9, shape)
    assert_like_torch(
        lambda x, t: ours(x, t, reduction=reduction),
        lambda x, t: theirs(x, t, reduction=reduction),
        x,
        target,
        layout=layout,
    )


@given(shape=shapes(2, 2), reduction=st.sampled_from(REDUCTIONS), layout=layouts, seed=seeds)
@examples(200)
def test_multilabel_soft_margin_loss(shape, reduction, layout, seed):
    labels = np.random.default_rng([seed, 3]).integers(0, 2, shape)
    assert_like_torch(
        lambda x: F.multilabel_soft_margin_loss(x, to_backend(labels), reduction=reduction),
        lambda x: TF.multilabel_soft_margin_loss(x, torch.tensor(labels, dtype=x.dtype), reduction=reduction),
        2 * normal(seed, *shape),
        layout=layout,
    )


# Linear, matrix products, arithmetic, reductions, shapes


@given(rows=shapes(0, 3), inside=st.integers(1, 6), outside=st.integers(1, 6), layout=layouts, seed=seeds)
@examples(500)
def test_linear(rows, inside, outside, layout, seed):
    arrays = normal(seed, *rows, inside), normal(seed + 1, outside, inside), normal(seed + 2, outside)
    assert_like_torch(F.linear, TF.linear, *arrays, layout=layout)


@given(pair=factors(), layout=layouts)
@examples(500)
def test_matmul(pair, layout):
    assert_like_torch(F.matmul, torch.matmul, *pair, layout=layout)


BINARY = (
    lambda a, b: a + b * a,
    lambda a, b: (a - b) / b,
    lambda a, b: abs(a) - (-b),
    lambda a, b: abs(a) ** b,
    lambda a, b: 2 ** (a**3) - 1 / b,
    lambda a, b: (abs(a).exp() + abs(b).log()).sqrt(),
)


@given(operation=st.sampled_from(range(len(BINARY))), pair=broadcastable(), layout=layouts, seed=seeds)
@examples(500)
def test_arithmetic(operation, pair, layout, seed):
    a, b = (away_from_zero(normal(seed + i, *shape), 1.0) for i, shape in enumerate(pair))
    assert_like_torch(BINARY[operation], BINARY[operation], a, b, layout=layout)


@given(name=st.sampled_from(("sum", "mean")), reduction=reductions(), layout=layouts, seed=seeds)
@examples(500)
def test_sum_and_mean(name, reduction, layout, seed):
    shape, dim, keepdim = reduction
    dims = tuple(range(len(shape))) if dim is None else dim
    assert_like_torch(
        lambda x: getattr(x, name)(dim, keepdim),
        lambda x: getattr(x, name)(dims, keepdim=keepdim),
        normal(seed, *shape),
        layout=layout,
    )


@given(shape=shapes(1, 4), data=st.data(), keepdim=st.booleans(), layout=layouts, seed=seeds)
@examples(300)
def test_max(shape, data, keepdim, layout, seed):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = all_apart(seed, *shape)
    assert_like_torch(lambda x: x.max(dim, keepdim), lambda x: x.max(dim, keepdim=keepdim).values, x, layout=layout)


@given(data=st.data(), shape=shapes(1, 4), layout=layouts, seed=seeds)
@examples(500)
def test_moving_entries(data, shape, layout, seed):
    order, dim = data.draw(st.permutations(range(len(shape)))), data.draw(st.integers(0, len(shape) - 1))
    rng = np.random.default_rng([seed, 1])
    widths = rng.integers(0, 3, 2 * rng.integers(1, len(shape) + 1)).tolist()
    rows, mask = rng.integers(-shape[0], shape[0], 5), rng.random(shape) < 0.5
    ours, theirs = data.draw(
        st.sampled_from(
            (
                (lambda x: x.permute(*order), lambda x: x.permute(*order)),
                (lambda x: tc.cat([x, 2 * x], dim), lambda x: torch.cat([x, 2 * x], dim)),
                (lambda x: F.pad(x, widths, 0.5), lambda x: TF.pad(x, widths, value=0.5)),
                (lambda x: x[to_backend(rows)], lambda x: x[torch.tensor(rows)]),
                (lambda x: x[to_backend(mask)], lambda x: x[torch.tensor(mask)]),
                (lambda x: x[1:, ..., None], lambda x: x[1:, ..., None]),
                (lambda x: x[..., ::2], lambda x: x[..., ::2]),
            )
        )
    )
    assert_like_torch(ours, theirs, normal(seed, *shape), layout=layout)
