"""Module: how parameters are found, saved, loaded and frozen."""

import numpy as np
import pytest

import tinycnn as tc
from tinycnn import nn


class Net(nn.Module):
    def __init__(self):
        self.scale = nn.Parameter(np.ones(1, np.float32))
        self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
        self.heads = [nn.Linear(2, 3), nn.Linear(2, 4, bias=False)]

    def forward(self, x):
        return [head(tc.functional.global_avg_pool2d(self.body(x * self.scale)).flatten(1)) for head in self.heads]


KEYS = [
    "scale",
    "body.0.weight",
    "body.0.bias",
    "body.1.weight",
    "body.1.bias",
    "body.1.running_mean",
    "body.1.running_var",
    "body.1.num_batches_tracked",
    "heads.0.weight",
    "heads.0.bias",
    "heads.1.weight",
]


def test_state_has_every_parameter_and_buffer_in_order_lists_included():
    assert list(Net().state_dict()) == KEYS


def test_parameters_come_in_order_and_a_shared_one_once():
    net = Net()
    net.again = net.body
    net.tied = nn.Linear(2, 3)
    net.tied.weight = net.heads[0].weight
    names = [name for name, _ in net.named_parameters()]
    assert names == [k for k in KEYS if "running" not in k and "tracked" not in k] + ["tied.bias"]


def test_a_state_is_a_copy_that_training_does_not_change():
    net = Net()
    state = net.state_dict()
    net.scale.data += 1
    assert state["scale"][0] == 1


def test_loading_a_state_restores_parameters_and_buffers_in_place(rng):
    net, other = Net(), Net()
    net(tc.Tensor(rng.standard_normal((4, 1, 5, 5), dtype=np.float32)))  # moves the running statistics
    array = other.scale.data
    other.load_state_dict(net.state_dict())
    assert other.scale.data is array
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[key], value)
    assert other.body[1].num_batches_tracked == 2  # once for each head


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("heads.1.weight"), r"this Net: missing heads.1.weight"),
        (lambda s: (s.pop("scale"), s.pop("body.0.bias")), r"missing scale and 1 more"),
        (lambda s: s.update(extra=np.zeros(1)), r"unexpected extra"),
        (
            lambda s: s.update(scale=np.zeros(3)),
            r"mis-shaped scale, \(3,\) where the model has \(1,\)",
        ),
    ],
    ids=["missing", "two missing", "unexpected", "shape"],
)
def test_a_state_that_does_not_fit_is_refused_and_nothing_changes(change, message):
    net, state = Net(), Net().state_dict()
    change(state)
    before = net.state_dict()
    with pytest.raises(ValueError, match=message):
        net.load_state_dict(state)
    assert all(np.array_equal(before[key], value) for key, value in net.state_dict().items())


def test_loading_without_strict_tells_what_was_left_out():
    net = Net()
    state = {"scale": np.array([9.0]), "extra": np.zeros(2)}
    keys = net.load_state_dict(state, strict=False)
    assert keys.unexpected_keys == ["extra"]
    assert keys.missing_keys == KEYS[1:]
    assert net.scale.data[0] == 9
    with pytest.raises(ValueError, match="mis-shaped scale"):
        net.load_state_dict({"scale": np.zeros(3)}, strict=False)


def test_loading_between_forward_and_backward_is_seen():
    layer = nn.Linear(2, 1)
    x = tc.Tensor([[1.0, 2.0]], requires_grad=True)
    y = layer(x)
    layer.load_state_dict(layer.state_dict())
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_train_and_eval_reach_all_modules():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())


def test_frozen_parameters_get_no_gradient():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    net[0].requires_grad_(False)
    net(tc.Tensor([[1.0, 2.0]])).backward()
    assert net[0].weight.grad is None
    assert net[1].weight.grad is not None


def test_zero_grad_and_dtype_reach_all_parameters():
    net = Net()
    net(tc.Tensor(np.ones((2, 1, 5, 5), np.float32)))[0].sum().backward()
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.astype(np.float64)
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float64)}
    assert net.body[1].running_mean.dtype == np.float64
    assert net.body[1].num_batches_tracked.dtype == np.int64


def test_forward_hooks_see_input_and_output_until_removed():
    layer, seen = nn.ReLU(), []
    x = tc.Tensor([-1.0, 2.0])
    with layer.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs, output))):
        y = layer(x)
    layer(x)
    assert seen == [(layer, (x,), y)]


def test_sequential_indexes_slices_and_names():
    net = nn.Sequential({"first": nn.ReLU(), "second": nn.Tanh(), "third": nn.Sigmoid()})
    assert len(net) == 3
    assert net["second"] is net[1]
    assert net[-1] is net["third"]
    assert [name for name, _ in net[1:].children()] == ["second", "third"]
    assert len(nn.Sequential()) == 0


def test_sequential_guesses_a_forgotten_pair_of_brackets():
    with pytest.raises(TypeError, match=r"Sequential takes modules, got ReLU: write nn.ReLU\(\) to make one"):
        nn.Sequential(nn.ReLU)


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module has no forward method"):
        nn.Module()(1)


def test_repr_is_an_outline():
    assert repr(nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.Linear(3, 2, bias=False))) == (
        "Sequential(\n"
        "  (0): Conv2d(1, 6, kernel_size=(5, 5), padding=2)\n"
        "  (1): ReLU()\n"
        "  (2): Linear(3, 2, bias=False)\n"
        ")"
    )


def test_a_module_under_two_names_is_saved_under_both_and_trained_once():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert len(list(net.parameters())) == 2
    net.load_state_dict(net.state_dict())


def test_a_state_with_values_that_are_no_numbers_changes_nothing():
    layer = nn.Linear(2, 1)
    before = layer.state_dict()
    with pytest.raises(ValueError, match="'bias' of the state does not hold float32 numbers"):
        layer.load_state_dict({"weight": np.zeros((1, 2)), "bias": np.array(["oops"])})
    np.testing.assert_array_equal(layer.weight.data, before["weight"])


def test_two_layers_can_swap_their_weights():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    net = nn.Sequential(a, b)
    first, second = a.weight.data.copy(), b.weight.data.copy()
    state = {"0.weight": b.weight.data, "0.bias": b.bias.data, "1.weight": a.weight.data, "1.bias": a.bias.data}
    net.load_state_dict(state)
    np.testing.assert_array_equal(a.weight.data, second)
    np.testing.assert_array_equal(b.weight.data, first)


def test_modules_in_dictionaries_and_nested_lists_are_found():
    class Branches(nn.Module):
        def __init__(self):
            self.heads = {"left": nn.Linear(1, 1, bias=False), "right": [nn.Linear(1, 1, bias=False)]}

    assert list(Branches().state_dict()) == ["heads.left.weight", "heads.right.0.weight"]


def test_forward_takes_keyword_arguments():
    assert nn.CrossEntropyLoss()(np.zeros((1, 2), np.float32), targets=np.array([0])).shape == ()


def test_sequential_refuses_names_of_its_own_and_guesses_other_slips():
    with pytest.raises(ValueError, match="cannot be named 'forward'"):
        nn.Sequential({"forward": nn.ReLU()})
    with pytest.raises(TypeError, match=r"got a list: write Sequential\(\*layers\)"):
        nn.Sequential([nn.ReLU()])
    with pytest.raises(TypeError, match="got relu: wrap a function in a Module"):
        nn.Sequential(tc.functional.relu)
    with pytest.raises(TypeError, match="Sequential takes modules"):
        nn.Sequential({"a": nn.ReLU()}, nn.Tanh())
