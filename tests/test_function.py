"""Function and the walk back: order, accumulation, freeing, refusals, hooks."""

import gc
import threading
import weakref

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.function import Function, is_grad_enabled
from tinycnn.hooks import watch


class Identity(Function):
    def forward(self, x):
        return x.copy()

    def backward(self, grad):
        return grad


def leaf(*values, dtype=np.float64):
    return tc.Tensor(np.array(values, dtype), requires_grad=True)


def test_a_value_used_twice_gets_both_gradients():
    a = leaf(3.0)
    (a + a).backward()
    np.testing.assert_array_equal(a.grad, [2])


def test_a_node_runs_back_only_when_all_of_its_gradient_has_arrived():
    # b feeds both the product and, through c, the product again: a walk without topological order gives 5 or 6 for 9.
    a = leaf(2.0)
    b = a * 3
    c = b + 1
    (b * c).backward()
    np.testing.assert_array_equal(a.grad, [3 * (2 * 6 + 1)])


def test_backward_adds_to_grad_until_zero_grad():
    a = leaf(1.0, 2.0)
    (a * 2).sum().backward()
    first = a.grad
    (a * 3).sum().backward()
    np.testing.assert_array_equal(a.grad, [5, 5])
    np.testing.assert_array_equal(first, [2, 2])
    a.zero_grad()
    assert a.grad is None


def test_two_leaves_never_share_one_gradient_array():
    a, b = leaf(1.0), leaf(2.0)
    upstream = np.array([5.0])
    (a + b).backward(upstream)
    a.grad += 100
    np.testing.assert_array_equal(b.grad, [5])
    np.testing.assert_array_equal(upstream, [5])


def test_gradients_can_be_written_to():
    a = leaf(1.0, 2.0, 3.0)
    a.sum().backward()
    a.grad *= 2
    np.testing.assert_array_equal(a.grad, [2, 2, 2])


def test_a_graph_of_100_000_nodes_does_not_hit_the_recursion_limit():
    a = leaf(1.0)
    y = a
    for _ in range(100_000):
        y = Identity()(y)
    y.backward()
    np.testing.assert_array_equal(a.grad, [1])


def test_a_deep_graph_that_is_never_walked_can_be_dropped():
    y = leaf(1.0)
    for _ in range(100_000):
        y = Identity()(y)
    del y
    gc.collect()


def test_a_wide_ladder_is_walked_once_per_node_not_once_per_path():
    a = leaf(1.0)
    y = a
    for _ in range(60):  # 2**60 paths
        y = y + y
    y.backward()
    np.testing.assert_array_equal(a.grad, [2.0**60])


def test_second_backward_says_so_and_changes_nothing():
    a = leaf(2.0)
    y = a * a
    y.backward()
    before = a.grad.copy()
    with pytest.raises(RuntimeError, match=r"backward went through this Mul before.*run the forward pass again"):
        y.backward()
    np.testing.assert_array_equal(a.grad, before)


def test_a_shared_part_that_was_freed_is_found_before_any_gradient_moves():
    a, b = leaf(2.0), leaf(3.0)
    shared = a * a
    shared.sum().backward()
    a.zero_grad()
    with pytest.raises(RuntimeError, match="before"):
        (shared * b).sum().backward()
    assert a.grad is None
    assert b.grad is None


def test_backward_frees_what_it_used():
    a = leaf(1.0)
    middle = F.tanh(a)
    kept = weakref.ref(middle.creator)
    array = weakref.ref(middle)
    y = (middle * 2).sum()
    del middle
    y.backward()
    assert array() is None
    assert kept() is None


def test_backward_from_many_entries_needs_a_gradient():
    a = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"needs a tensor with one entry, this one has shape \(2,\): reduce it"):
        (a * 2).backward()


def test_an_upstream_gradient_of_another_shape_is_refused():
    a = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"got a gradient of shape \(3,\) for a tensor of shape \(2,\)"):
        (a * 2).backward(np.ones(3))


def test_backward_without_a_graph_says_why():
    with pytest.raises(RuntimeError, match="requires no gradient: set requires_grad=True"):
        tc.Tensor([1.0]).backward()
    with tc.no_grad():
        y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match=r"outside no_grad\(\)"):
        y.backward()


def test_backward_on_a_leaf_gives_it_the_upstream_gradient():
    a = leaf(1.0, 2.0)
    a.backward([3.0, 4.0])
    np.testing.assert_array_equal(a.grad, [3, 4])


def test_retain_grad_keeps_the_whole_gradient_of_an_inner_tensor():
    a = leaf(2.0)
    b = a * 3
    b.retain_grad()
    (b * b + b).backward()
    np.testing.assert_array_equal(b.grad, [13])
    np.testing.assert_array_equal(a.grad, [39])


@pytest.mark.parametrize("change", ["operator", "assignment", "setter"])
def test_a_change_in_place_of_saved_data_is_seen(change):
    a, b = leaf(2.0), leaf(5.0)
    y = a * b
    if change == "operator":
        b.data -= 1
    elif change == "assignment":
        with tc.no_grad():
            b[0] = 7.0
    else:
        b.data = np.array([7.0])
    with pytest.raises(RuntimeError, match="input 1 of Mul was changed in place after the forward pass"):
        y.backward()


@pytest.mark.parametrize("operation", [F.sigmoid, F.tanh, F.relu, tc.Tensor.exp, tc.Tensor.sqrt, F.softmax])
def test_a_change_in_place_of_a_saved_output_is_seen(operation):
    y = operation(leaf(1.0, 2.0))
    y.data *= 10
    with pytest.raises(RuntimeError, match=r"the output of .* was changed in place"):
        y.sum().backward()


@pytest.mark.parametrize("view", [lambda t: t.reshape(2, 1), lambda t: t.T, lambda t: t[::-1], lambda t: t.detach()])
def test_a_change_in_place_is_seen_through_views(view):
    a, b = leaf(2.0, 3.0), leaf(4.0, 5.0)
    y = (a * b).sum()
    with tc.no_grad():
        view(a)[0] = 9.0
    with pytest.raises(RuntimeError, match="input 0 of Mul was changed in place"):
        y.backward()


def test_an_optimizer_step_is_seen_by_layers_that_use_a_view_of_their_weight():
    layer = tc.nn.Conv1d(1, 1, 3)
    x = tc.Tensor(np.ones((1, 1, 5), np.float32), requires_grad=True)
    first, second = layer(x).sum(), layer(x).sum()
    first.backward()
    tc.optim.SGD(layer.parameters(), lr=0.1).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        second.backward()


def test_a_gradient_is_never_the_data_itself():
    class HalfSquare(Function):
        def forward(self, x):
            self.x = x
            return np.asarray((x * x).sum() / 2)

        def backward(self, grad):
            return self.x

    a = leaf(1.0, 2.0)
    HalfSquare()(a).backward()
    assert not np.shares_memory(a.grad, a.data)
    np.testing.assert_array_equal(a.grad, [1, 2])


def test_a_change_of_data_that_backward_does_not_need_is_no_error():
    a, b = leaf(2.0), leaf(5.0)
    y = a + b
    b.data -= 1
    y.backward()
    np.testing.assert_array_equal(a.grad, [1])


def test_an_optimizer_step_between_forward_and_backward_is_seen():
    w = leaf(2.0)
    y = w * w
    w.backward([1.0])
    tc.optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_needs_input_grad_tells_what_backward_may_leave_out():
    seen = []

    class Pick(Function):
        def forward(self, a, b):
            seen.append(self.needs_input_grad)
            return a * b

        def backward(self, grad):
            return grad, None

    a, b = leaf(1.0), tc.Tensor(np.array([2.0]))
    Pick()(a, b).backward()
    with tc.no_grad():
        Pick()(a, b)
    assert seen == [(True, False), (False, False)]
    assert b.grad is None


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda grad: None, "returned None for input 0, which requires a gradient"),
        (lambda grad: (grad, grad), "returned 2 gradients for 1 inputs"),
        (lambda grad: grad.sum(keepdims=True)[:0], r"shape \(0,\) for input 0 of shape \(2,\)"),
    ],
    ids=["none", "count", "shape"],
)
def test_a_backward_that_breaks_the_contract_is_told(returned, message):
    class Broken(Function):
        def forward(self, x):
            return x * 1

        def backward(self, grad):
            return returned(grad)

    a = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=message):
        Broken()(a).backward([1.0, 1.0])
    assert a.grad is None


def test_a_forward_that_returns_no_array_is_told():
    class Broken(Function):
        def forward(self, x):
            return [x]

    with pytest.raises(TypeError, match=r"Broken.forward returned list: return one array"):
        Broken()(leaf(1.0))


def test_an_instance_is_one_node():
    op = Identity()
    op(leaf(1.0))
    with pytest.raises(RuntimeError, match="was called before: an instance is one node"):
        op(leaf(1.0))


def test_a_gradient_takes_its_inputs_dtype():
    a, b = leaf(1.0, dtype=np.float32), leaf(2.0)
    (a * b).backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


def test_no_grad_nests_decorates_and_survives_errors():
    @tc.no_grad()
    def inner(depth):
        assert not is_grad_enabled()
        return inner(depth - 1) if depth else leaf(1.0) * 2

    assert not inner(3).requires_grad
    assert is_grad_enabled()
    with pytest.raises(KeyError), tc.no_grad():
        raise KeyError
    assert is_grad_enabled()


def test_no_grad_holds_for_its_own_thread_only():
    seen = []
    with tc.no_grad():
        worker = threading.Thread(target=lambda: seen.append(is_grad_enabled()))
        worker.start()
        worker.join()
    assert seen == [True]


def test_watchers_see_shapes_bytes_and_time_of_both_passes():
    calls = []
    x = leaf(1.0, -2.0)
    with watch(calls.append):
        F.relu(x).sum().backward()
    F.relu(x)
    assert [(call.phase, type(call.function).__name__) for call in calls] == [
        ("forward", "ReLU"),
        ("forward", "Sum"),
        ("backward", "Sum"),
        ("backward", "ReLU"),
    ]
    assert calls[0].shapes == ((2,),)
    assert calls[0].bytes == 32
    assert all(call.seconds >= 0 for call in calls)


def test_nothing_may_mix_two_kinds_of_arrays():
    fake = type("ndarray", (np.ndarray,), {"__module__": "cupy"})
    on_gpu = np.zeros(2).view(fake)
    with pytest.raises(TypeError, match="one operation got arrays that are in main memory and on the GPU"):
        tc.Tensor(np.zeros(2)) + tc.Tensor(on_gpu)
