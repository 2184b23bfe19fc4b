"""Whether there is a GPU, what is made on it, and what moves between it and main memory."""

import copy
import operator
import sys
import types

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import chosen, there, to_numpy
from tests.cases import normal
from tinycnn import gpu, nn
from tinycnn.arrays import is_cupy
from tinycnn.backend import cpu_backends

__all__ = ["chosen", "there"]  # fixtures

# Where there is no GPU


@pytest.mark.parametrize(
    ("driver", "needed", "error", "sentence"),
    [
        (0, 13000, "cudaErrorInsufficientDriver: …", "there is no NVIDIA driver: install it, or run on a machine with"),
        (
            12080,
            13000,
            "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version",
            "the NVIDIA driver serves CUDA 12.8, and this CuPy needs 13.0: update the driver, or pip install "
            "cupy-cuda12x in its place",
        ),
        (13000, 13000, "cudaErrorNoDevice: no CUDA-capable device is detected", "the driver finds no NVIDIA GPU"),
        (13010, 13000, "cudaErrorUnknown: unknown error", "CUDA says cudaErrorUnknown: unknown error"),
    ],
)
def test_why_there_is_no_gpu_is_told_in_a_sentence(monkeypatch, driver, needed, error, sentence):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    pretend_cupy(monkeypatch, error, driver, needed)
    assert gpu.problem.__wrapped__().startswith(sentence)


def test_a_gpu_that_is_hidden_is_told_of(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    pretend_cupy(monkeypatch, "cudaErrorNoDevice: no CUDA-capable device is detected", 13000, 13000)
    assert gpu.problem.__wrapped__() == "the driver finds no NVIDIA GPU, as CUDA_VISIBLE_DEVICES=''"


def test_a_driver_without_a_gpu_and_one_with(monkeypatch):
    for count, problem in ((0, "the driver finds no NVIDIA GPU"), (1, "")):
        pretend_cupy(monkeypatch, "", 13000, 13000, count)
        assert gpu.problem.__wrapped__() == problem


def pretend_cupy(monkeypatch, error: str, driver: int, needed: int, count: int = 0) -> None:
    """Let ``import cupy`` find one whose runtime says this."""

    class CUDARuntimeError(RuntimeError):
        pass

    def asked():
        if error:
            raise CUDARuntimeError(error)
        return count

    def driver_version():
        if not driver:
            raise CUDARuntimeError("cudaErrorInsufficientDriver")
        return driver

    runtime = types.SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=asked,
        driverGetVersion=driver_version,
        runtimeGetVersion=lambda: needed,
    )
    cupy = types.ModuleType("cupy")
    cupy.cuda = types.SimpleNamespace(runtime=runtime)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(gpu, "find_spec", lambda name: name)


def test_cupy_that_is_not_installed_or_broken_is_told_of(monkeypatch):
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    assert gpu.problem.__wrapped__() == (
        "CuPy is not installed: pip install 'tinycnn[cuda13]' for drivers from CUDA 13 on, 'tinycnn[cuda12]' before"
    )
    monkeypatch.setattr(gpu, "find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "cupy", None)  # whose import is then refused
    assert gpu.problem.__wrapped__().startswith("CuPy cannot be imported: ")


MOVES = {
    "tensor": lambda name: tc.Tensor([1.0]).to(name),
    "module": lambda name: nn.Linear(2, 2).to(name),
    "choice": tc.use_backend,
}


@pytest.mark.parametrize("move", MOVES)
def test_what_cannot_be_moved_to_a_gpu_says_why_and_what_there_is(monkeypatch, move):
    monkeypatch.setattr(gpu, "problem", lambda: "there is no NVIDIA driver: install it")
    with pytest.raises(ValueError, match="backend 'cupy' is not available here: there is no NVIDIA driver: install it"):
        MOVES[move]("cupy")
    with pytest.raises(ValueError, match="backend 'torch' is not available here; there is numpy"):
        MOVES[move]("torch")
    for name in ("cuda", "gpu", "cpu"):
        with pytest.raises(
            ValueError, match=rf"'{name}' is not available here: a GPU's is 'cupy', main memory's numpy"
        ):
            MOVES[move](name)


@pytest.mark.parametrize("name", cpu_backends())
def test_in_main_memory_nothing_has_to_move(name):
    x, net = tc.Tensor(np.zeros(3), requires_grad=True), nn.BatchNorm1d(3)
    arrays = [*(p.data for p in net.parameters()), *(array for _, array in net.named_buffers())]
    assert x.to(name) is x
    assert net.to(name) is net
    after = [*(p.data for p in net.parameters()), *(array for _, array in net.named_buffers())]
    assert [id(array) for array in after] == [id(array) for array in arrays]


def test_arrays_of_both_sides_in_one_operation_are_refused_with_what_to_call():
    fake = type("ndarray", (np.ndarray,), {"__module__": "cupy"})  # a NumPy array that says that it is CuPy's
    on_gpu, here = tc.Tensor(np.zeros(2).view(fake)), tc.Tensor(np.zeros(2))
    for first, second, sides in (
        (on_gpu, here, "on the GPU and in main memory"),
        (here, on_gpu, "in main memory and on the GPU"),
    ):
        with pytest.raises(TypeError) as caught:
            first + second
        assert str(caught.value) == (
            f"one operation got arrays that are {sides}: nothing is copied silently, so move them to one side first, "
            'x.to("cupy") or x.to("numpy")'
        )


# What is made where


def test_numbers_are_made_on_the_chosen_side_and_arrays_stay_where_they_are(chosen):
    for value in (1, 2.5, True, [1, 2], [[1.0], [2.0]], (1, 2), np.float64(3), range(3), [np.float32(1)]):
        t = tc.Tensor(value)
        with tc.use_backend("numpy"):
            plain = tc.Tensor(value)
        assert (is_cupy(t.data), type(plain.data)) == (True, np.ndarray)
        assert (t.dtype, t.shape) == (plain.dtype, plain.shape)
        np.testing.assert_array_equal(to_numpy(t.data), plain.data)
        with tc.use_backend("numpy"):
            assert tc.Tensor(t.data).data is t.data
    array = np.zeros(3, np.float32)
    assert tc.Tensor(array).data is array
    assert type((tc.Tensor(array) * 2).data) is np.ndarray


@pytest.mark.parametrize("number", [2, 2.5, np.float64(2), np.float32(2), True, [1, 2, 3], (1.5, 2, 3)], ids=str)
def test_numbers_meet_a_tensor_on_its_side(there, number):
    x = normal(1, 3, dtype=np.float32)
    on_gpu, here = tc.Tensor(there(x)), tc.Tensor(x)
    for op in (operator.add, operator.sub, operator.mul, operator.truediv):
        for left in (True, False):
            found, expected = (op(t, number) if left else op(number, t) for t in (on_gpu, here))
            assert is_cupy(found.data)
            assert found.dtype == np.float32
            np.testing.assert_allclose(to_numpy(found.data), expected.data, rtol=1e-6)
    for op in (operator.lt, operator.le, operator.eq, operator.ne, operator.ge, operator.gt):
        assert op(on_gpu, number).tolist() == op(here, number).tolist()


def test_numbers_meet_whole_numbers_on_their_side(there):
    whole = np.array([[1, 2], [3, 4]])
    on_gpu, here = tc.Tensor(there(whole)), tc.Tensor(whole)
    for number in (3, 0.5, True, [1, 2], np.float64(0.5), np.int8(3)):
        found, expected = on_gpu * number, here * number
        assert is_cupy(found.data)
        assert (found.dtype, found.data.tolist()) == (expected.dtype, expected.data.tolist())


LAYERS = {
    "Linear": lambda: nn.Linear(5, 3),
    "Conv1d": lambda: nn.Conv1d(2, 3, 3),
    "Conv2d": lambda: nn.Conv2d(4, 6, (3, 2), groups=2),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(3, 2, 2, bias=False),
    "BatchNorm2d": lambda: nn.BatchNorm2d(4),
    "LeNet-5": tc.models.lenet5,
    "LeNet-5 of 1998": lambda: tc.models.lenet5("1998"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_made_on_the_chosen_side_with_the_same_numbers_bit_for_bit(chosen, name):
    tc.manual_seed(3)
    net = LAYERS[name]()
    with tc.use_backend("numpy"):
        tc.manual_seed(3)
        plain = LAYERS[name]()
    state, expected = net.state_dict(), plain.state_dict()
    assert all(map(is_cupy, state.values()))
    assert {key: (a.dtype, to_numpy(a).tobytes()) for key, a in state.items()} == {
        key: (a.dtype, a.tobytes()) for key, a in expected.items()
    }


@pytest.mark.parametrize(
    "draw",
    [
        lambda t: nn.init.constant_(t, 0.1),
        lambda t: nn.init.normal_(t, 1.0, 0.3),
        lambda t: nn.init.uniform_(t, -0.7, 0.1),
        lambda t: nn.init.xavier_normal_(t, 1.7),
        lambda t: nn.init.kaiming_uniform_(t, nonlinearity="relu"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_initial_numbers_are_the_same_bit_for_bit(there, draw, dtype):
    bits = []
    for place in (there, lambda array: array):
        tc.manual_seed(4)
        t = tc.Tensor(place(np.zeros((3, 4), dtype)))
        array, changes = t.data, t.changes[0]
        assert draw(t) is t
        assert (t.data is array, t.changes[0] > changes) == (True, True)
        bits.append(to_numpy(t.data).tobytes())
    assert bits[0] == bits[1]


def test_parameters_and_buffers_of_a_module_of_ones_own(chosen):
    class Scale(nn.Module):
        def __init__(self):
            self.factor = nn.Parameter(np.full(3, 2.0))
            self.register_buffer("seen", np.zeros((), np.int64))

        def forward(self, x):
            self.seen += 1
            return x * self.factor

    scale = Scale()
    assert is_cupy(scale.factor.data)
    assert is_cupy(scale.seen)
    assert is_cupy(copy.deepcopy(scale).factor.data)
    y = scale(tc.Tensor([1.0, 2.0, 3.0]))
    assert y.data.tolist() == [2, 4, 6]
    assert int(scale.seen) == 1


# Moving


def test_a_tensor_moves_and_its_gradient_comes_back(there):
    x = tc.Tensor(normal(1, 2, 3), requires_grad=True)
    y = x.to("cupy")
    assert is_cupy(y.data)
    assert y.to("cupy") is y
    back = (y * y).to("numpy")
    assert type(back.data) is np.ndarray
    upstream = normal(2, 2, 3)
    back.backward(upstream)
    assert type(x.grad) is np.ndarray
    np.testing.assert_array_equal(x.grad, 2 * x.data * upstream)


@pytest.mark.parametrize("name", cpu_backends())
def test_a_tensor_on_the_gpu_moves_to_main_memory(there, name):
    x = tc.Tensor(there(normal(1, 2, 3)), requires_grad=True)
    y = x.to(name)
    assert type(y.data) is np.ndarray
    y.sum().backward()
    assert is_cupy(x.grad)
    assert x.grad.tolist() == [[1] * 3] * 2
    assert not F.to(x.detach(), name).requires_grad


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, np.float16])
def test_every_dtype_moves(there, dtype):
    array = np.array([[0, 1], [1, 1]], dtype)[:, ::-1]
    moved = F.to(array, "cupy")
    assert (moved.dtype, moved.data.tolist()) == (array.dtype, array.tolist())
    np.testing.assert_array_equal(moved.to("numpy").data, array)


def test_a_module_moves_with_its_gradients_and_buffers_in_place(there):
    tc.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4))
    x = normal(2, 5, 2, 4, 4, dtype=np.float32)
    net(x).sum().backward()
    parameters, before = list(net.parameters()), net.state_dict()
    gradients = [p.grad.copy() for p in parameters]
    for name, cupys in (("cupy", True), ("cupy", True), ("numpy", False)):
        assert net.to(name) is net
        assert [id(p) for p in net.parameters()] == [id(p) for p in parameters]
        arrays = [*(p.data for p in parameters), *(p.grad for p in parameters), *(b for _, b in net.named_buffers())]
        assert {is_cupy(array) for array in arrays} == {cupys}
        assert {key: to_numpy(a).tobytes() for key, a in net.state_dict().items()} == {
            key: a.tobytes() for key, a in before.items()
        }
        assert [to_numpy(p.grad).tobytes() for p in parameters] == [grad.tobytes() for grad in gradients]
    optimizer = tc.optim.SGD(net.parameters(), lr=0.1)
    net.to("cupy")
    with pytest.raises(ValueError, match="convert the model first, then make the optimizer"):
        optimizer.step()


def test_moving_a_module_is_a_change_that_a_backward_sees(there):
    net = nn.Linear(3, 2)
    y = net(tc.Tensor(normal(1, 4, 3, dtype=np.float32), requires_grad=True)).sum()
    net.to("cupy")
    with pytest.raises(RuntimeError, match="input 1 of Linear was changed in place"):
        y.backward()


def test_the_same_numbers_come_out_on_either_side(there):
    tc.manual_seed(2)
    net, images, labels = tc.models.lenet5(), normal(3, 4, 1, 32, 32, dtype=np.float32), np.array([3, 0, 9, 3])
    results = []
    for place, name in ((lambda array: array, "numpy"), (there, "cupy")):
        net.to(name).zero_grad()
        logits = net(place(images))
        F.cross_entropy(logits, place(labels)).backward()
        results.append([to_numpy(a) for a in (logits.data, *(p.grad for p in net.parameters()))])
    for here, on_gpu in zip(*results, strict=True):
        np.testing.assert_allclose(on_gpu, here, rtol=0, atol=2e-6 * np.abs(here).max())


def test_states_are_where_the_module_is_and_load_from_either_side(there):
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    state = {name: array + 1 for name, array in net.state_dict().items()}
    on_gpu = {name: there(array) for name, array in state.items()}
    tensors = {name: tc.Tensor(array) for name, array in on_gpu.items()}
    wide = {name: array.astype(np.float64) for name, array in on_gpu.items()}
    for side in ("cupy", "numpy"):
        net.to(side)
        for given in (state, on_gpu, tensors, wide, {name: array.tolist() for name, array in state.items()}):
            arrays = [p.data for p in net.parameters()]
            for array in arrays:
                array[...] = 0
            assert net.load_state_dict(given) == ([], [])
            assert [id(p.data) for p in net.parameters()] == [id(array) for array in arrays]
            loaded = net.state_dict()
            assert {is_cupy(array) for array in loaded.values()} == {side == "cupy"}
            for name, array in loaded.items():
                assert array.dtype == state[name].dtype
                np.testing.assert_array_equal(to_numpy(array), state[name])
            net[0].weight.data[...] = 7
            assert on_gpu["0.weight"].tolist() == state["0.weight"].tolist(), "memory is shared"
    a, b = net[1].to("cupy").weight, net[1].bias
    a.data[...], b.data[...] = 1, 2
    net[1].load_state_dict({"weight": b.data, "bias": a.data}, strict=False)
    assert (a.data.tolist(), b.data.tolist()) == ([2, 2], [1, 1]), "nothing is overwritten before it is read"
    with pytest.raises(ValueError, match="mis-shaped"):
        net.load_state_dict({**on_gpu, "0.bias": on_gpu["0.weight"]})
