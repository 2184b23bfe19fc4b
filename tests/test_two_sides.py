"""Tensors on the GPU: what they give, what an index reads, and what is told where they meet main memory."""

import operator

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import there, to_numpy
from tests.cases import normal
from tinycnn import nn
from tinycnn.arrays import is_cupy
from tinycnn.backend import load_kernels
from tinycnn.function import Function
from tinycnn.inspect import summary
from tinycnn.inspect.activations import feature_maps

__all__ = ["there"]  # the fixture


# A tensor that is on the GPU


def test_single_entries_and_what_is_shown_are_copied_out(there):
    t = tc.Tensor(there(np.array([[2.5]])))
    assert (t.item(), float(t), int(t), bool(t), len(t)) == (2.5, 2.5, 2, True, 1)
    assert repr(t) == "Tensor([[2.5]], dtype=float64, on the GPU)"
    many = tc.Tensor(there(np.arange(4, dtype=np.float32)), requires_grad=True)
    assert repr(many) == "Tensor([0., 1., 2., 3.], requires_grad=True, on the GPU)"
    assert [entry.item() for entry in many] == [0, 1, 2, 3]


def test_numpy_gets_no_array_of_it_by_itself_but_its_functions_run_there(there):
    t = tc.Tensor(there(np.ones(3)))
    for convert in (np.asarray, np.array, lambda t: np.asarray(t, dtype=np.float32)):
        with pytest.raises(
            TypeError, match=r'this tensor is on the GPU, and nothing is copied silently: .*x.to\("numpy"\)'
        ):
            convert(t)
    assert is_cupy(np.concatenate([t, t]))
    assert is_cupy(np.sin(t))
    assert np.sum(t) == 3


def test_data_keeps_its_side_when_it_is_set_to_numbers(there):
    t, here = tc.Tensor(there(np.zeros(2))), tc.Tensor(np.zeros(2))
    t.data = [1.0, 2.0]
    assert is_cupy(t.data)
    with tc.use_backend("cupy"):
        here.data = [1.0, 2.0]
    assert type(here.data) is np.ndarray


class Halved(Function):
    """Gives its gradient as something that is no array on the GPU."""

    def __init__(self, gradient):
        self.gradient = [gradient]

    def forward(self, x):
        return x / 2

    def backward(self, grad):
        return self.gradient[0]


@pytest.mark.parametrize("gradient", [0.5, 1, np.float32(0.5)], ids=str)
def test_a_gradient_that_is_a_number_goes_to_its_inputs_side(there, gradient):
    x = tc.Tensor(there(np.float64(3)), requires_grad=True)
    Halved(gradient)(x).backward()
    assert is_cupy(x.grad)
    assert (x.grad.dtype, float(x.grad)) == (np.float64, gradient)


def test_a_gradient_may_be_given_in_numbers(there):
    x = tc.Tensor(there(np.zeros(2)), requires_grad=True)
    (x * 2).backward([0.1, 0.2])
    np.testing.assert_array_equal(to_numpy(x.grad), [0.2, 0.4])


def test_assignment_takes_numbers_and_what_is_on_its_side(there):
    t = tc.Tensor(there(np.zeros((3, 2))))
    t[0] = 5
    t[1, 1] = tc.Tensor(there(np.array(7.0)))
    t[[2, 0]] = [[1, 2], [5, 6]]
    t[tc.Tensor(there(np.array([False, True, False]))), 0] = there(np.array([9.0]))
    assert t.data.tolist() == [[5, 6], [9, 7], [1, 2]]


# An index


def test_an_index_out_of_bounds_is_refused_as_numpy_refuses_it(there):
    x = normal(1, 4, 3, 2)
    mask = np.array([True, False, True, False])
    indices = [
        [4], [-5], ([0, 1], [0, 3]), (slice(None), [2, 3]), (..., [0, -3]), (None, 0, ..., [2]), (..., [4], 0, None),
        (mask, [3, 0]), (np.eye(4, 3) > 0, [2]), ([0], None, [1], [2]), np.array([0, 4]), (0, np.array([[-4]])),
        4, (0, 0, 0, [0]),
    ]  # fmt: skip
    for index in indices:
        parts = index if isinstance(index, tuple) else (index,)
        on_gpu = tuple(there(part) if isinstance(part, np.ndarray) else part for part in parts)
        with pytest.raises(IndexError):
            x[index]
        with pytest.raises(IndexError):
            tc.Tensor(there(x))[on_gpu if isinstance(index, tuple) else on_gpu[0]]
        with pytest.raises(IndexError):
            tc.Tensor(there(x))[on_gpu] = 1


def test_entries_read_very_often_get_the_sum_of_their_gradients_the_same_each_time(there):
    rows = np.random.default_rng(1).integers(0, 7, 3000)
    rows[rows == 4] = 3  # more often than others, and one never
    x, upstream = normal(2, 7, 2, dtype=np.float32), normal(3, 3000, 2, dtype=np.float32)
    expected = np.zeros((7, 2))
    np.add.at(expected, rows, upstream.astype(np.float64))
    bits = []
    for _ in range(2):
        t = tc.Tensor(there(x), requires_grad=True)
        t[tc.Tensor(there(rows))].backward(there(upstream))
        bits.append(to_numpy(t.grad).tobytes())
        np.testing.assert_allclose(to_numpy(t.grad), expected, rtol=0, atol=2e-6 * np.abs(upstream).sum(0).max())
    assert bits[0] == bits[1]


# Where both sides meet

MIXED = {
    "tensor + array": lambda t, here: t + here,
    "array + tensor": lambda t, here: here + t,
    "tensor + tensor": lambda t, here: t + tc.Tensor(here),
    "array @ tensor": lambda t, here: here @ t,
    "np.multiply": lambda t, here: np.multiply(t, here),
    "comparison": lambda t, here: t < here,
    "comparison of what is here": lambda t, here: tc.Tensor(here) == t,
    "assignment": lambda t, here: operator.setitem(t, 0, here[0]),
    "assignment here": lambda t, here: operator.setitem(tc.Tensor(here), 0, t[0]),
    "index": lambda t, here: t[np.array([0, 1])],
    "index by a tensor": lambda t, here: t[:, tc.Tensor(np.array([0, 1]))],
    "mask": lambda t, here: t[here > 0],
    "index of an assignment": lambda t, here: operator.setitem(t, np.array([0]), 1.0),
    "cat": lambda t, here: tc.cat([t, here]),
    "gradient": lambda t, here: (tc.Tensor(t, requires_grad=True) * 2).backward(here),
    "gradient here": lambda t, here: (tc.Tensor(here, requires_grad=True) * 2).backward(t),
    "gradient of a Function": lambda t, here: Halved(here)(tc.Tensor(t, requires_grad=True)).backward(t),
    "linear": lambda t, here: F.linear(t, here),
    "layer": lambda t, here: nn.Linear(3, 2)(t.astype(np.float32)),
    "bias": lambda t, here: F.linear(t, t, here[0]),
    "convolution": lambda t, here: F.conv2d(t.reshape(1, 1, 3, 3), here.reshape(1, 1, 3, 3)),
    "targets": lambda t, here: F.cross_entropy(t, np.array([0, 1, 2])),
    "weights of classes": lambda t, here: F.cross_entropy(t, [0, 1, 2], weight=here[0] ** 2),
    "squares": lambda t, here: F.mse_loss(t, here),
    "unpooling": lambda t, here: F.max_unpool2d(t.reshape(1, 1, 3, 3), np.zeros((1, 1, 3, 3), int), 2),
    "batch norm": lambda t, here: F.batch_norm(t, here[0], here[0] ** 2),
}


@pytest.mark.parametrize("name", MIXED)
def test_nothing_is_copied_silently(there, name):
    here = normal(1, 3, 3)
    t = tc.Tensor(there(here))
    with pytest.raises(TypeError) as caught:
        MIXED[name](t, here)
    message = str(caught.value)
    assert "nothing is copied silently" in message
    assert '.to("cupy")' in message
    assert "\n" not in message


# Looking into a model on the GPU


def test_gradients_can_be_checked_there(there):
    x, w = there(normal(1, 2, 2, 5, 4)), there(normal(2, 3, 2, 3, 2))
    before = x.tolist()
    assert tc.gradcheck(lambda x, w: F.tanh(F.conv2d(x, w, stride=2, padding=1)), (x, w))
    assert x.tolist() == before

    class Wrong(Function):
        def forward(self, x):
            return x**3

        def backward(self, grad):
            dx = 3 * self.inputs[0].data ** 2 * grad
            dx[1, 2] += 1e-3
            return dx

    report = tc.gradcheck(lambda x: Wrong()(x), there(normal(3, 3, 4) + 3))
    assert report.inputs[0].wrong == [(1, 2)]


def test_a_model_is_described_and_shown_as_in_main_memory(there):
    tc.manual_seed(5)
    net, image = tc.models.lenet5(), normal(6, 1, 32, 32, dtype=np.float32)
    text, maps = str(summary(net, (1, 32, 32))), feature_maps(net, image)
    net.to("cupy")
    assert str(summary(net, (1, 32, 32))) == text
    found = feature_maps(net, image)
    assert list(found) == list(maps)
    for name, expected in maps.items():
        assert type(found[name]) is np.ndarray
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_numbers_that_no_kernel_is_made_for_fall_back_to_numpys_kernels(there):
    x = normal(1, 2, 3, 6, 5).astype(np.float16)
    operations = (
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 2, 1),
        lambda x: F.conv2d(x, x[:, :, :2, :2], algorithm="fft"),
        F.softmax,
        F.tanh,
    )
    assert not load_kernels("cupy").take([x])
    for operation in operations:
        results = []
        for place in (there, lambda array: array):
            t = tc.Tensor(place(x), requires_grad=True)
            y = operation(t)
            y.sum().backward()
            results.append([to_numpy(y.data), to_numpy(t.grad)])
        for found, expected in zip(*results, strict=True):
            assert found.dtype == np.float16
            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3 * np.abs(expected).max())
