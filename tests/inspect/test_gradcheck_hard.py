"""Gradient checks that once went wrong: crowds of kinks, saturated results, heavy tails, noise, state and threads."""

import threading

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.cases import normal
from tinycnn import nn
from tinycnn.function import Function
from tinycnn.random import default_generator


class Scaled(Function):
    """x, with a gradient that is too large."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return x.copy()

    def backward(self, grad):
        return self.factor * grad


def patch_on_blank():
    """An image that is blank but for its middle, as digits are: where it is blank, all windows tie."""
    x = np.zeros((2, 1, 20, 20))
    x[:, :, 6:14, 6:14] = normal(0, 2, 1, 8, 8)
    return x


def blank_border(factor=1.0):
    weights = normal(1, 3, 1, 3, 3), normal(2, 4, 3, 3, 3)

    def function(x):
        y = F.relu(F.conv2d(Scaled(factor)(x), weights[0]))
        return F.max_pool2d(F.relu(F.conv2d(y, weights[1])), 2)

    return function


def test_along_directions_blank_images_are_right():
    assert tc.gradcheck(blank_border(), patch_on_blank(), fast=True)


@pytest.mark.parametrize("factor", [0.5, 0.9, 0.99, 1.1])
def test_along_directions_a_wrong_gradient_of_a_blank_image_is_found(factor):
    assert not tc.gradcheck(blank_border(factor), patch_on_blank(), fast=True)


def test_a_model_without_biases_yet_is_right_along_directions():
    tc.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 81, 5)
    model = nn.Sequential(*layers).astype(np.float64)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data = np.zeros(parameter.shape)
    assert tc.gradcheck(model, patch_on_blank(), fast=True)


def test_what_is_far_off_at_a_kink_is_wrong_however_many_branches_change(monkeypatch):
    from tinycnn.functional.arithmetic import Abs

    monkeypatch.setattr(Abs, "backward", lambda self, grad: grad * np.where(self.a == 0, 9.0, np.sign(self.a)))
    assert tc.gradcheck(F.abs, np.array([0.0, 0.0, 0.0, 1.0])).inputs[0].counts["wrong"] == 3
    assert not tc.gradcheck(lambda x: tc.cat([F.abs(x), F.abs(x)]), np.array([0.0, 1.0]))


class OwnReLU(Function):
    """That tells nobody of its branches."""

    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, grad):
        return grad * (self.x > 0)


def test_own_functions_without_branches_are_right_where_many_meet():
    w = normal(1, 3, 1, 3, 3)
    assert tc.gradcheck(lambda x: F.max_pool2d(OwnReLU()(F.conv2d(x, w)), 2), np.zeros((1, 1, 6, 6)))


@pytest.mark.parametrize("scale", [1, 10, 30, 50, 100, 300, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_saturated_classes_are_not_called_wrong(scale, seed):
    x = scale * normal(seed, 3, 5)
    labels, target = np.array([0, 4, 2]), (normal(seed + 9, 3, 5) > 0).astype(float)
    for function in (
        F.softmax,
        F.log_softmax,
        lambda x: F.cross_entropy(x, labels),
        lambda x: F.binary_cross_entropy_with_logits(x, tc.Tensor(target)),
    ):
        assert tc.gradcheck(function, x).verdict != "wrong"


@pytest.mark.parametrize("seed", range(4))
def test_heavy_tails_are_not_called_wrong(seed):
    x = 10 ** np.random.default_rng(seed).uniform(-6, 6, 30)
    for function in (F.log, F.sqrt, lambda x: 1 / x, lambda x: x**1.5):
        report = tc.gradcheck(function, x)
        assert report.verdict != "wrong", report
        assert report.inputs[0].counts["right"] > 20


def test_what_agrees_only_within_a_large_noise_is_no_pass():
    for factor, height in ((0.5, 4e9), (2.0, 3e9)):
        assert tc.gradcheck(lambda x, f=factor, h=height: Scaled(f)(x) + h, normal(0, 20)).verdict != "right"


def test_a_result_in_float32_is_refused():
    class Narrow(Function):
        def forward(self, x):
            return (2 * x).astype(np.float32)

        def backward(self, grad):
            return 2.02 * grad.astype(np.float64)

    with pytest.raises(TypeError, match="the result is float32, of inputs of float64"):
        tc.gradcheck(lambda x: Narrow()(x), normal(0, 4))


def test_a_parameter_that_is_called_like_an_input_hides_neither():
    class Clash(nn.Module):
        def __init__(self):
            self.x = nn.Parameter(np.ones(3))

        def forward(self, x):
            return Scaled(3)(x) * self.x

    report = tc.gradcheck(Clash(), normal(0, 3))
    assert [item.name for item in report.inputs] == ["x", "x, the parameter"]
    assert [item.counts["wrong"] for item in report.inputs] == [3, 0]


def test_labels_of_a_module_are_passed_through():
    class WithLoss(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(4, 3).astype(np.float64)

        def forward(self, x, labels):
            return F.cross_entropy(self.layer(x), labels)

    report = tc.gradcheck(WithLoss(), (normal(0, 2, 4), np.array([0, 2])))
    assert report
    assert [item.name for item in report.inputs] == ["x", "layer.weight", "layer.bias"]


def test_inputs_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="x holds nan or infinity: give finite numbers"):
        tc.gradcheck(F.softmax, np.array([[1.0, -np.inf, 2.0]]))


def test_a_forward_that_refuses_to_go_on_is_no_bug_of_the_gradient():
    class Below(Function):
        def forward(self, x):
            if (x >= 1).any():
                raise ValueError("not a probability")
            self.x = x
            return x * x

        def backward(self, grad):
            return self.factor * self.x * grad

    right, wrong = type("Right", (Below,), {"factor": 2.0}), type("Wrong", (Below,), {"factor": 2.5})
    assert tc.gradcheck(right, np.array([0.3, 1 - 1e-5]))
    assert not tc.gradcheck(wrong, np.array([0.3, 0.9]))


def test_a_function_class_is_a_function_and_an_instance_is_one_call():
    assert tc.gradcheck(OwnReLU, normal(0, 4)).inputs[0].name == "x"
    with pytest.raises(TypeError, match=r"an? OwnReLU is one call: pass lambda x: OwnReLU"):
        tc.gradcheck(OwnReLU(), normal(0, 4))


def test_first_mistakes_are_told():
    class NoBackward(Function):
        def forward(self, x):
            return x * 2

    class Lists(NoBackward):
        def backward(self, grad):
            return [grad * 2]

    class Tensors(NoBackward):
        def backward(self, grad):
            return tc.Tensor(grad * 2)

    for function, sentence in (
        (NoBackward, r"NoBackward has no backward\(self, grad\): write it"),
        (Lists, "Lists.backward returned a list for input 0: return arrays"),
        (Tensors, "Tensors.backward returned a Tensor for input 0: return arrays"),
    ):
        with pytest.raises(TypeError, match=sentence):
            tc.gradcheck(function, normal(0, 3))
    for seed in (None, -1, "a"):
        with pytest.raises(ValueError, match="seed must be a whole number of at least 0"):
            tc.gradcheck(F.relu, normal(0, 3), seed=seed)


def test_a_graph_that_was_recorded_before_can_be_walked_after():
    x = tc.Tensor(normal(0, 3), requires_grad=True)
    y = (x * x).sum()
    assert tc.gradcheck(lambda x: x * 3, x)
    y.backward()
    np.testing.assert_allclose(x.grad, 2 * x.data)


def test_an_input_that_was_computed_is_checked_and_keeps_its_graph():
    a = tc.Tensor(normal(0, 3), requires_grad=True)
    x = a * 2
    assert tc.gradcheck(lambda x: x * x, x)
    x.sum().backward()
    np.testing.assert_array_equal(a.grad, 2)


def test_all_random_streams_are_as_they_were():
    tc.manual_seed(3)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    tc.gradcheck(lambda x: F.dropout(x) * tc.Tensor(np.random.standard_normal(4)), normal(0, 4))  # noqa: NPY002
    assert (default_generator.seed, default_generator.calls) == (3, 0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_threads_that_check_one_model_wait_for_each_other():
    tc.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).astype(np.float64)
    before, verdicts = model.state_dict(), []
    threads = [
        threading.Thread(target=lambda: verdicts.append(tc.gradcheck(model, normal(0, 3, 4)).verdict)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == ["right"] * 4
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_an_interruption_restores_all():
    x, calls = tc.Tensor(normal(0, 5)), []
    data = x.data

    def interrupted(x):
        calls.append(1)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return x * 2

    with pytest.raises(KeyboardInterrupt):
        tc.gradcheck(interrupted, x)
    assert x.data is data
    assert not tc.hooks.watching()
    assert tc.gradcheck(lambda x: x * 2, x)


def test_another_result_under_no_grad_is_a_fault():
    report = tc.gradcheck(lambda x: x * 2 if tc.function.is_grad_enabled() else x * 1, normal(0, 3))
    assert not report
    assert "another result under no_grad()" in str(report)


def test_padding_that_is_cut_off_at_the_wrong_side_is_told():
    class Cropped(Function):
        def forward(self, x):
            self.padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
            return self.padded[:, :, :-1, :-1] + 2 * self.padded[:, :, 1:, 1:]

        def backward(self, grad):
            dx = np.zeros_like(self.padded)
            dx[:, :, :-1, :-1] += grad
            dx[:, :, 1:, 1:] += 2 * grad
            return dx[:, :, :-2, :-2]

    report = tc.gradcheck(Cropped, normal(0, 2, 2, 5, 4))
    assert report.inputs[0].causes[0].name == "shifted"


def test_a_sum_over_too_many_axes_is_told():
    class Bias(Function):
        def forward(self, x, b):
            return x + b

        def backward(self, grad):
            return grad, np.full(3, grad.sum())

    report = tc.gradcheck(Bias, (normal(0, 4, 3), normal(1, 3)))
    assert report.inputs[1].causes[0].name == "summed too far"


def test_one_wrong_entry_is_not_called_a_shift():
    class OneOff(Function):
        def forward(self, x):
            return x.copy()

        def backward(self, grad):
            dx = grad.copy()
            dx[1, 2] *= 1.5
            return dx

    report = tc.gradcheck(lambda x: OneOff()(x).sum(0), normal(0, 3, 4))
    assert [cause.name for cause in report.inputs[0].causes] == ["one part"] or not report.inputs[0].causes
