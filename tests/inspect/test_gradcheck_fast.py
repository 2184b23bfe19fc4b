"""Gradient checks along random directions, and of a sample of entries: for what is too large to check in each."""

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.cases import normal
from tinycnn.function import Function
from tinycnn.inspect.gradcheck.sample import LIMIT, entries


class Scaled(Function):
    """x, with a gradient that one entry, or all, get wrong."""

    def __init__(self, where, factor):
        self.where, self.factor = where, factor

    def forward(self, x):
        return x.copy()

    def backward(self, grad):
        dx = grad.copy()
        dx[self.where] *= self.factor
        return dx


@pytest.fixture(scope="module")
def lenet():
    tc.manual_seed(0)
    return tc.models.lenet5().astype(np.float64)


def test_a_right_model_holds_along_random_directions(lenet):
    report = tc.gradcheck(lenet, normal(0, 2, 1, 32, 32), fast=True)
    assert report
    assert report.is_fast
    assert [item.name for item in report.inputs][:3] == ["x", "c1.weight", "c1.bias"]
    assert all(len(item.verdicts) == 2 for item in report.inputs)
    assert "directions" in str(report)


@pytest.mark.parametrize("seed", range(5))
def test_one_wrong_entry_of_thousands_is_found(seed):
    x = normal(seed, 50, 100)
    report = tc.gradcheck(lambda x: F.tanh(Scaled((3, 7), 1.2)(x)), x, fast=True, seed=seed)
    assert report.inputs[0].counts["wrong"] == 2
    assert tc.gradcheck(lambda x: F.tanh(Scaled((3, 7), 1.0)(x)), x, fast=True, seed=seed)


def test_a_constant_factor_is_diagnosed_along_directions_too():
    report = tc.gradcheck(lambda x: F.tanh(Scaled(..., 2)(x)), normal(0, 50, 100), fast=True)
    assert report.inputs[0].causes[0].name == "constant ratio"


def test_only_what_lies_behind_the_mistake_is_wrong(lenet, monkeypatch):
    wrong = tc.functional.activation.Tanh

    def backward(self, grad):
        dx = self.kernels.tanh_backward(grad, self.y)
        return dx if grad.ndim == 2 else 1.1 * dx

    monkeypatch.setattr(wrong, "backward", backward)
    with tc.use_backend("numpy"):
        report = tc.gradcheck(lenet, normal(0, 2, 1, 32, 32), fast=True)
    wrong = [item.name for item in report.inputs if item.counts["wrong"]]
    assert wrong[0] == "x"
    assert wrong[-1] == "c5.bias"
    assert "all from f6.weight on are right, and all up to c5.bias wrong" in str(report)


def test_branches_are_kept_along_directions_that_move_all_entries():
    assert tc.gradcheck(lambda x: F.max_pool2d(F.relu(x), 3, 2), normal(0, 4, 8, 30, 30), fast=True)


def test_a_large_input_is_sampled_with_all_its_corners(rng):
    x = rng.standard_normal((4, 8, 12, 11))
    report = tc.gradcheck(F.relu, x)
    item = report.inputs[0]
    assert len(item.verdicts) == LIMIT
    assert item.size == x.size
    looked = {tuple(index) for index in item.indices.tolist()}
    assert {(n, c, h, w) for n in (0, 3) for c in (0, 7) for h in (0, 11) for w in (0, 10)} <= looked
    assert "500 of 4,224" in str(report)


def test_a_sample_holds_every_channel_and_much_border():
    indices = entries((2, 16, 20, 30), seed=1)
    assert len({tuple(index) for index in indices.tolist()}) == LIMIT
    assert len({(n, c) for n, c, _, _ in indices.tolist()}) == 32
    on_border = (indices[:, 2] % 19 == 0) | (indices[:, 3] % 29 == 0)
    assert 200 <= on_border.sum() <= 300


@pytest.mark.parametrize("shape", [(), (1,), (7,), (20, 25), (501,), (1, 1, 1, 600), (1000, 2), (600, 1, 1, 1)])
def test_samples_of_every_shape_are_entries_of_it(shape):
    indices = entries(shape, seed=0)
    assert indices.shape == (min(LIMIT, int(np.prod(shape))), len(shape))
    assert len({tuple(index) for index in indices.tolist()}) == len(indices)
    assert all(0 <= i < n for index in indices.tolist() for i, n in zip(index, shape, strict=True))


def test_a_mistake_at_one_corner_of_a_large_input_is_found(rng):
    corner = (0, 0, 29, 29)
    assert tc.gradcheck(lambda x: Scaled(corner, 1.1)(x), rng.standard_normal((1, 4, 30, 30))).inputs[0].wrong == [
        corner
    ]
