"""What a gradient check says of functions and inputs that it cannot check: one sentence each, that names the fix."""

import re

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.function import Function

X = np.array([[0.5, -1.0], [2.0, 3.0]])


class Doubled(Function):
    """2x, with a backward to choose."""

    def __init__(self, gradient):
        self.gradient = gradient

    def forward(self, x):
        return 2 * x

    def backward(self, grad):
        return self.gradient(grad)


class Fails(Function):
    """Raises in one of its passes."""

    def __init__(self, phase):
        self.phase = phase

    def forward(self, x):
        if self.phase == "forward":
            return x[7]
        return 2 * x

    def backward(self, grad):
        return grad / {}["scale"]


def turns(x):
    """Has another shape where its first entry is another."""
    return F.reshape(x, 4) if x.data[0, 0] == X[0, 0] else x


def gradient(function):
    return lambda x: Doubled(function)(x)


BAD = {
    "no function": (3, X, TypeError, "a function that takes Tensors and returns one, got int"),
    "no tensor": (lambda x: None, X, TypeError, "returns one Tensor, got None: does it end without return?"),
    "an array": (lambda x: x.data * 2, X, TypeError, "got ndarray: it leaves the graph, so work with the Tensors"),
    "a number": (lambda x: x.sum().item(), X, TypeError, "got float: it leaves the graph"),
    "several tensors": (lambda x: [x, x, x], X, TypeError, "got 3 values in a list: check one at a time"),
    "an integer tensor": (lambda x: x.astype(np.int64), X, TypeError, "a result of floats, got int64"),
    "a constant": (lambda x: tc.Tensor(np.ones(2)), X, ValueError, "does the function return a constant"),
    "a detached result": (lambda x: tc.Tensor(x.data), X, ValueError, "detach them, use .data, or run under no_grad"),
    "an empty result": (lambda x: x[:0], X, ValueError, "the result of shape (0, 2) has no entries"),
    "a shape that changes": (turns, X, ValueError, "the result had shape (4,), and (2, 2) for inputs of the same"),
    "a result that is not finite": (F.log, X, ValueError, "not finite at these inputs, so it has no gradient there"),
    "an exception in forward": (
        lambda x: Fails("forward")(x),
        X,
        RuntimeError,
        "the forward pass raised IndexError: index 7 is out of bounds for axis 0 with size 2, in forward at line "
        "{forward} of test_gradcheck_bad_input.py: mend that first",
    ),
    "an exception in backward": (
        lambda x: Fails("backward")(x),
        X,
        RuntimeError,
        "the backward pass raised KeyError: 'scale', in backward at line {backward} of test_gradcheck_bad_input.py",
    ),
    "an exception of the engine": (
        lambda x: F.conv2d(x, X),
        X,
        ValueError,
        "conv2d expected input (N, C, H, W), got (2, 2)",
    ),
    "too few inputs": (F.linear, X, TypeError, "could not call the function with these inputs: TypeError: linear()"),
    "a gradient of the wrong shape": (
        gradient(lambda grad: grad.sum(0)),
        X,
        ValueError,
        "Doubled.backward returned a gradient of shape (2,) for input 0 of shape (2, 2)",
    ),
    "a gradient that is None": (
        gradient(lambda grad: None),
        X,
        ValueError,
        "Doubled.backward returned None for input 0, which requires a gradient",
    ),
    "a gradient of float32": (
        gradient(lambda grad: 2 * grad.astype(np.float32)),
        X,
        TypeError,
        "Doubled.backward returned a gradient of float32 for input 0 of float64: compute it in the input's dtype",
    ),
    "a gradient of integers": (
        gradient(lambda grad: np.full(grad.shape, 2)),
        X,
        TypeError,
        "Doubled.backward returned a gradient of int64 for input 0 of float64",
    ),
    "gradients for inputs that there are not": (
        gradient(lambda grad: (grad, grad)),
        X,
        ValueError,
        "Doubled.backward returned 2 gradients for 1 inputs",
    ),
    "an input without effect": (lambda x, y: 2 * x, (X, X), ValueError, "y has no effect on the result"),
    "integers": (lambda x, labels: x, (X, np.arange(2)), TypeError, "labels is int64: integers have no gradient: bind"),
    "booleans": (F.relu, X > 0, TypeError, "x is bool: integers have no gradient"),
    "float32": (
        F.relu,
        X.astype(np.float32),
        TypeError,
        "x is float32: a difference quotient loses half of the digits",
    ),
    "a float32 model": (tc.nn.Linear(2, 2), X, TypeError, "weight is float32: .*model.astype(np.float64)"),
    "no inputs": (lambda: tc.Tensor(X), (), ValueError, "gradcheck got no inputs: give at least one entry"),
    "an empty input": (F.relu, np.zeros((0, 3)), ValueError, "x of shape (0, 3), which has no entries"),
    "a sweep of directions": (
        F.relu,
        X,
        ValueError,
        "sweep looks at single entries, and fast moves all at once: leave one of them out",
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.filterwarnings("ignore:invalid value encountered in log")
def test_bad_input_is_one_sentence_that_says_what_to_change(name):
    function, inputs, error, sentence = BAD[name]
    options = {"fast": True, "sweep": True} if name == "a sweep of directions" else {}
    with pytest.raises(error) as caught:
        tc.gradcheck(function, inputs, **options)
    lines = {phase: getattr(Fails, phase).__code__.co_firstlineno for phase in ("forward", "backward")}
    sentence = sentence.format(forward=lines["forward"] + 2, backward=lines["backward"] + 1)
    pattern = re.escape(sentence).replace(r"\.\*", ".*")
    assert re.search(pattern, str(caught.value)), caught.value
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.filterwarnings("ignore:invalid value encountered in log")
def test_bad_input_leaves_all_as_it_was(name):
    function, inputs, error, _ = BAD[name]
    tensors = [tc.Tensor(x.copy()) for x in (inputs if isinstance(inputs, tuple) else (inputs,))]
    arrays = [tensor.data for tensor in tensors]
    options = {"fast": True, "sweep": True} if name == "a sweep of directions" else {}
    with pytest.raises(error):
        tc.gradcheck(function, tensors, **options)
    for tensor, array in zip(tensors, arrays, strict=True):
        assert tensor.data is array
        assert tensor.grad is None
        assert not tensor.requires_grad
    assert tc.function.is_grad_enabled()
    assert not tc.hooks.watching()


def test_an_input_that_reaches_the_result_unseen_is_wrong_and_told():
    report = tc.gradcheck(lambda x, y: x * tc.Tensor(np.exp(y.data)), (X, X))
    assert not report
    assert report.inputs[1].causes[0].name == "disconnected"


def test_an_input_that_has_no_effect_here_but_a_gradient_is_noted():
    report = tc.gradcheck(F.relu, -np.abs(X))
    assert report
    assert report.inputs[0].counts["both zero"] == 4
    assert "nothing depends on it at these values, where a wrong gradient could hide" in str(report)


def test_a_tensor_that_is_given_twice_is_checked_once():
    x = tc.Tensor(X)
    report = tc.gradcheck(lambda a, b: a * b, (x, x))
    assert report
    assert [item.name for item in report.inputs] == ["a"]


def test_nan_and_infinity_in_backward_are_wrong():
    for value in (np.nan, np.inf, -np.inf):
        report = tc.gradcheck(gradient(lambda grad, value=value: grad * value), X)
        assert report.inputs[0].counts["wrong"] == 4, report


def test_a_result_that_overflows_a_step_away_is_judged_by_smaller_steps():
    assert tc.gradcheck(F.exp, np.array([709.78, 1.0, -700.0]))


def test_a_scalar_is_an_input_too():
    report = tc.gradcheck(F.tanh, np.array(0.5))
    assert report
    assert report.inputs[0].indices.shape == (1, 0)
    assert "x" in str(tc.gradcheck(gradient(lambda grad: 3 * grad), np.array(0.5)))
