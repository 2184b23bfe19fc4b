"""The gradient check: passes what is right, finds what is wrong and where, and leaves everything as it was."""

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.function import Function
from tinycnn.random import default_generator


def test_a_right_gradient_of_every_kind_of_input_holds(rng):
    x, w, b = rng.standard_normal((2, 3, 5, 4)), rng.standard_normal((4, 3, 3, 2)), rng.standard_normal(4)
    report = tc.gradcheck(lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), (x, w, b))
    assert report
    assert [r.name for r in report.inputs] == ["x", "w", "b"]
    assert str(report).splitlines()[0] == "gradients hold"


class OneWrong(Function):
    def forward(self, x):
        return x**3

    def backward(self, grad):
        dx = 3 * self.inputs[0].data ** 2 * grad
        dx[1, 2] += 1e-3
        return dx


def test_a_single_wrong_entry_is_found_and_named(rng):
    report = tc.gradcheck(lambda x: OneWrong()(x), rng.standard_normal((3, 4)) + 3)
    assert not report
    assert report.inputs[0].wrong == [(1, 2)]
    assert (report.inputs[0].counts["wrong"], report.inputs[0].size) == (1, 12)
    assert "x[1, 2]: backward gives" in str(report)


def test_a_zero_softmax_gradient_is_found_though_its_columns_sum_to_zero(rng):
    class Zero(Function):
        def forward(self, x):
            return F.softmax(tc.Tensor(x)).data

        def backward(self, grad):
            return np.zeros_like(grad)

    assert not tc.gradcheck(lambda x: Zero()(x), rng.standard_normal((2, 5)))


def test_a_missing_gradient_counts_as_zero(rng):
    assert not tc.gradcheck(lambda x, y: x * tc.Tensor(y.data), (rng.standard_normal(3), rng.standard_normal(3)))


def test_nan_is_wrong(rng):
    class Nan(Function):
        def forward(self, x):
            return x * 2

        def backward(self, grad):
            return grad * np.nan

    report = tc.gradcheck(lambda x: Nan()(x), rng.standard_normal(3))
    assert len(report.inputs[0].wrong) == 3


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_verdicts_do_not_depend_on_the_scale_of_the_data(rng, scale):
    x = rng.standard_normal((3, 4)) * scale
    assert tc.gradcheck(lambda x: x * x, x)
    assert not tc.gradcheck(lambda x: Wrong()(x), x)


class Wrong(Function):
    def forward(self, x):
        return x * x

    def backward(self, grad):
        return 2.001 * self.inputs[0].data * grad


def test_inputs_gradients_and_random_streams_are_left_as_they_were(rng):
    x = tc.Tensor(rng.standard_normal(4))
    x.grad = np.ones(4)
    before = x.data.copy()
    tc.manual_seed(9)
    assert tc.gradcheck(lambda x: F.dropout(x * 3), x)
    np.testing.assert_array_equal(x.data, before)
    np.testing.assert_array_equal(x.grad, 1)
    assert not x.requires_grad
    assert (default_generator.seed, default_generator.calls) == (9, 0)


def test_inputs_are_restored_when_the_function_raises(rng):
    x = tc.Tensor(rng.standard_normal(3))
    before, calls = x.data.copy(), []

    def fails_later(x):
        calls.append(1)
        if len(calls) > 2:
            raise KeyError
        return x * 2

    with pytest.raises(RuntimeError, match="the forward pass raised KeyError: , in fails_later at line"):
        tc.gradcheck(fails_later, x)
    np.testing.assert_array_equal(x.data, before)


def test_a_function_that_changes_its_input_is_told(rng):
    class InPlace(Function):
        def forward(self, x):
            x *= 1.5
            return x.copy()

        def backward(self, grad):
            return 1.5 * grad

    report = tc.gradcheck(lambda x: InPlace()(x), rng.standard_normal(3))
    assert not report
    assert "x was changed in place" in str(report)
    assert report.inputs == ()


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_other_dtypes_are_refused_with_the_reason(dtype):
    with pytest.raises(TypeError, match=f"gradcheck works in float64, x is {np.dtype(dtype)}: .*"):
        tc.gradcheck(F.relu, np.ones(3, dtype))


def test_parameters_reached_through_a_module_are_checked(rng):
    layer = tc.nn.Linear(3, 2).astype(np.float64)
    x = tc.Tensor(rng.standard_normal((4, 3)))
    assert tc.gradcheck(lambda *_: layer(x), [layer.weight, layer.bias])


VIEWS = {
    "reshape": lambda x: x.reshape(-1),
    "transpose": lambda x: x.T,
    "index": lambda x: x[0],
    "identity": tc.nn.Identity(),
    "the input itself": lambda x: x,
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_result_that_is_a_view_of_its_input_is_judged_rightly(rng, name):
    assert tc.gradcheck(VIEWS[name], rng.standard_normal((2, 3)))


def test_zeros_are_found_wrong_for_a_view_too(rng):
    class Flat(Function):
        def forward(self, x):
            self.shape = x.shape
            return x.reshape(-1)

        def backward(self, grad):
            return np.zeros(self.shape)

    assert len(tc.gradcheck(lambda x: Flat()(x), rng.standard_normal((2, 3))).inputs[0].wrong) == 6


def test_a_result_too_large_to_tell_is_inconclusive_and_no_pass(rng):
    report = tc.gradcheck(lambda x: Wrong()(x) + 1e12, rng.standard_normal((3, 4)))
    assert not report
    assert str(report).splitlines()[0] == "inconclusive"
    assert "below the rounding noise in 12 of 12 entries" in str(report)


def test_a_large_result_elsewhere_hides_nothing(rng):
    x = rng.standard_normal((3, 4))
    assert not tc.gradcheck(lambda x: tc.cat([Wrong()(x).reshape(-1), tc.Tensor(np.full(1, 1e12))]), x)


def test_gradients_of_tensors_that_are_not_checked_stay_as_they_were(rng):
    w = tc.Tensor(rng.standard_normal(3), requires_grad=True)
    assert tc.gradcheck(lambda x: x * w, rng.standard_normal(3))
    assert w.grad is None


def test_functions_that_leave_the_graph_are_told():
    with pytest.raises(ValueError, match="does not depend on the inputs through the graph"):
        tc.gradcheck(lambda x: tc.Tensor(x.data * 2), np.ones(2))
    with pytest.raises(TypeError, match="returns one Tensor, got 2 values in a tuple: check one at a time"):
        tc.gradcheck(lambda x: (x, x), np.ones(2))


def test_a_whole_model_is_checked_with_its_parameters_and_left_as_it_was(rng):
    layers = tc.nn.Conv2d(1, 2, 3), tc.nn.ReLU(), tc.nn.BatchNorm2d(2), tc.nn.Dropout(0.5)
    model = tc.nn.Sequential(*layers).astype(np.float64)
    before = model.state_dict()
    report = tc.gradcheck(model, rng.standard_normal((2, 1, 5, 6)))
    assert report
    assert [item.name for item in report.inputs] == ["x", "0.weight", "0.bias", "2.weight", "2.bias"]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_bias_in_front_of_batch_normalisation_drowns_in_noise_and_is_no_pass(rng):
    # Its true gradient is 0: the mean takes it away again. What rounding leaves of it proves nothing.
    model = tc.nn.Sequential(tc.nn.Conv2d(1, 8, 3), tc.nn.BatchNorm2d(8)).astype(np.float64)
    report = tc.gradcheck(model, rng.standard_normal((2, 1, 5, 6)))
    bias = next(item for item in report.inputs if item.name == "0.bias")
    assert bias.counts["wrong"] == 0
    assert bias.counts["below noise"] + bias.counts["both zero"] == 8
    assert report.verdict == "inconclusive"
    assert "as that of a bias in front of batch normalisation, leave the input out" in str(report)


def test_running_statistics_stand_still(rng):
    layer = tc.nn.BatchNorm2d(2).astype(np.float64)
    assert tc.gradcheck(lambda x: layer(x), rng.standard_normal((2, 2, 3, 4)))
    np.testing.assert_array_equal(layer.running_mean, 0)
    np.testing.assert_array_equal(layer.running_var, 1)
    layer(tc.Tensor(rng.standard_normal((2, 2, 3, 4))))
    assert layer.running_mean.any()


def test_numbers_drawn_elsewhere_are_replayed_too(rng):
    import random

    def noisy(x):
        return x * tc.Tensor(np.random.standard_normal(4)) * random.random()  # noqa: NPY002

    assert tc.gradcheck(noisy, rng.standard_normal(4))
    own = np.random.default_rng(0)
    report = tc.gradcheck(lambda x: x * tc.Tensor(own.standard_normal(4)), rng.standard_normal(4))
    assert not report
    assert "gave another result for the same inputs" in str(report)


def test_a_backward_that_writes_to_the_upstream_gradient_is_told(rng):
    class Greedy(Function):
        def forward(self, x):
            return x * 2

        def backward(self, grad):
            grad *= 2
            return grad.copy()

    report = tc.gradcheck(lambda x: Greedy()(x), rng.standard_normal(3))
    assert report.inputs[0].counts["right"] == 3
    assert report.verdict == "wrong"
    assert "Greedy.backward changed grad in place" in str(report)


def test_a_backward_that_gives_less_the_second_time_is_told(rng):
    class Once(Function):
        calls = 0

        def forward(self, x):
            return x * 2

        def backward(self, grad):
            Once.calls += 1
            return grad * (2 if Once.calls == 1 else 0)

    report = tc.gradcheck(lambda x: Once()(x), rng.standard_normal(3))
    assert report.inputs[0].counts["right"] == 3
    assert not report
    assert "a second backward did not add to x.grad the same again" in str(report)
