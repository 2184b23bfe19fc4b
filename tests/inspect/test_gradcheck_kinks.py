"""Where a function has no derivative: which entries are on a kink, what is right there, and what is not."""

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.cases import all_apart, normal
from tinycnn.function import Function
from tinycnn.inspect.gradcheck.quotient import slope
from tinycnn.inspect.gradcheck.replay import Point
from tinycnn.inspect.gradcheck.ties import TIES


def verdicts(fn, x):
    return list(tc.gradcheck(fn, np.asarray(x, float)).inputs[0].verdicts)


class Rectified(Function):
    """ReLU that tells nobody of its branches, with a slope at 0 to choose."""

    def __init__(self, at_zero=0.0):
        self.at_zero = at_zero

    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, grad):
        return grad * np.where(self.x == 0, self.at_zero, self.x > 0)


RELUS = {"the library's": F.relu, "one that tells of no branches": lambda x: Rectified()(x)}


@pytest.mark.parametrize("name", RELUS)
def test_relu_is_judged_as_near_to_its_kink_as_a_step_can_be_made_small(name):
    near = [3e-6, -3e-6, 1e-7, -1e-7, 1.0, -1.0]
    assert verdicts(RELUS[name], near) == ["right", "both zero", "right", "both zero", "right", "both zero"]
    assert verdicts(RELUS[name], [0.0, 1.0]) == ["on a kink", "right"]


@pytest.mark.parametrize("name", RELUS)
def test_the_branch_is_kept_behind_a_bias_that_makes_small_steps_noisy(name):
    found = verdicts(lambda x: RELUS[name](x) + 1, [3e-6, -3e-6, 0.0, 1.0, -1.0])
    assert found == ["right", "both zero", "on a kink", "right", "both zero"]


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_at_a_kink_all_between_left_and_right_is_right(at_zero):
    assert tc.gradcheck(lambda x: Rectified(at_zero)(x), np.array([0.0, 1.0, -2.0]))


@pytest.mark.parametrize("at_zero", [-0.1, 1.1, 2.0, np.nan])
def test_at_a_kink_all_else_is_wrong(at_zero):
    report = tc.gradcheck(lambda x: Rectified(at_zero)(x), np.array([0.0, 1.0, -2.0]))
    assert report.inputs[0].wrong == [(0,)]
    assert report.inputs[0].causes[0].name == ("not finite" if np.isnan(at_zero) else "kink")
    assert "between" in str(report)


def test_relu_that_is_wrong_near_its_kink_is_found():
    class Shifted(Rectified):
        def backward(self, grad):
            return grad * (self.x > 1e-5)

    assert tc.gradcheck(lambda x: Shifted()(x), np.array([3e-6, 1.0, -1.0])).inputs[0].wrong == [(0,)]


def test_each_function_with_branches_names_them():
    x = np.array([[[[1.0, -2.0], [3.0, 0.0]]]])
    calls = {}
    with tc.hooks.watch(lambda call: calls.setdefault(type(call.function).__name__, call.function.branches())):
        t = tc.Tensor(x)
        for result in (F.relu(t), F.leaky_relu(t), F.abs(t), F.max(t, 3), F.max_pool2d(t, 2), F.lp_pool2d(t, 2, 2)):
            assert result is not None
        F.tanh(t)
    np.testing.assert_array_equal(calls["ReLU"], [[[[True, False], [True, False]]]])
    for name in ("LeakyReLU", "Abs", "LPPool2d"):
        np.testing.assert_array_equal(calls[name], [[[[1, -1], [1, 0]]]])
    np.testing.assert_array_equal(calls["Max"], [[[[0], [0]]]])
    assert calls["MaxPool2d"].shape == (1, 1, 1, 1)
    assert calls["Tanh"] is None


def test_ties_in_max_pooling_are_kinks_and_the_winner_is_right():
    x = np.array([[[[2.0, 2.0, 1.0, 0.5], [1.0, 0.0, 3.0, 4.0]]]])
    report = tc.gradcheck(lambda x: F.max_pool2d(x, 2), x)
    assert report
    kinks = [tuple(i) for i in report.inputs[0].indices[report.inputs[0].verdicts == "on a kink"]]
    assert kinks == [(0, 0, 0, 0), (0, 0, 0, 1)]


def deep(x, pool=F.max_pool2d):
    y = pool(F.conv2d(x, normal(1, 3, 2, 3, 3)), 2)
    return F.tanh(F.flatten(F.relu(y), 1)) @ tc.Tensor(normal(2, 6, 4))


def test_where_many_branches_meet_the_gradient_is_judged_a_little_aside():
    # Of a blank image every convolution output is 0: all windows tie, and ReLU is at 0.
    assert tc.gradcheck(deep, np.zeros((1, 2, 6, 5)))


def test_a_wrong_gradient_is_found_where_many_branches_meet():
    class Doubled(Function):
        def forward(self, x):
            return x.copy()

        def backward(self, grad):
            return grad * 1.5

    assert not tc.gradcheck(lambda x: deep(Doubled()(x)), np.zeros((1, 2, 6, 5)))


def test_a_step_that_is_lost_next_to_a_kink_of_one_side_alone_is_no_kink():
    # sqrt and log have no value to the left of the smallest entries: smaller steps do.
    x = np.array([1e-5, 2e-5, 1.0, 2.0])
    assert verdicts(F.log, x) == ["right"] * 4
    assert verdicts(F.sqrt, x) == ["right"] * 4


@pytest.mark.parametrize("tie", TIES, ids=lambda tie: f"{tie.operation}: {tie.note}")
def test_ties_go_where_the_rule_says(tie):
    np.testing.assert_array_equal(tie.gradient(), tie.expected)
    assert tie.holds()
    assert tc.gradcheck(tie.function, np.array(tie.x, float))


def test_a_tie_that_goes_elsewhere_is_told(monkeypatch):
    from tinycnn.backend import load_kernels

    kernels = load_kernels("numpy")
    monkeypatch.setattr(kernels, "relu_backward", lambda grad, y: np.where(y >= 0, grad, 0))
    with tc.use_backend("numpy"):
        assert not next(tie for tie in TIES if tie.operation == "relu").holds()


def line(function, x):
    """How a function of one number is moved from x."""

    def move(step):
        return Point(np.array([function(x + step)]), ()), (x + step) - x

    return slope(move, Point(np.array([function(x)]), ()), np.ones(1), np.finfo(float).eps)


@pytest.mark.parametrize(
    ("function", "x", "derivative"),
    [
        (np.sin, 0.3, np.cos(0.3)),
        (lambda x: np.sin(300 * x), 0.3, 300 * np.cos(90.0)),
        (lambda x: 1e6 + x**3, 1.0, 3.0),
        (lambda x: x * np.abs(x), 1e-3, 2e-3),
        (np.exp, -20.0, np.exp(-20)),
        (lambda x: 1 / x, 3e-3, -1 / 9e-6),
    ],
    ids=["sin", "fast sin", "on a height", "bent at 0", "small", "steep"],
)
def test_the_slope_is_within_its_doubt(function, x, derivative):
    found = line(function, x)
    assert not found.is_kink
    assert abs(found.value - derivative) <= found.doubt + 1e-9 * abs(derivative)
    assert found.doubt < 1e-3 * abs(derivative)


@pytest.mark.parametrize(("at", "lower", "upper"), [(0.0, -1, 2), (1e-13, -1, 2)])
def test_a_kink_gives_the_range_of_its_sides(at, lower, upper):
    found = line(lambda x: np.where(x > 0, 2 * x, -x) + np.sin(x), at)
    np.testing.assert_allclose((found.lower, found.upper), (lower + 1, upper + 1), atol=1e-4)


def test_the_smallest_distance_that_is_told_from_a_kink_is_that_of_the_smallest_step():
    assert not line(lambda x: np.maximum(x, 0), 2e-9).is_kink
    assert line(lambda x: np.maximum(x, 0), 2e-11).is_kink


def test_windows_without_ties_have_no_kinks():
    x = all_apart(0, 2, 2, 5, 4)
    assert "on a kink" not in verdicts(lambda x: F.max_pool2d(x, 3, 2, 1), x)
