"""Planted bugs in what fuses convolution, ReLU and pooling, and the tests that catch them."""

import pytest

import tinycnn as tc
from tests.functional import test_fused as fused
from tests.fusing import fusing
from tests.nn import test_fusion as fusion
from tests.planted_bugs import Bug, assert_caught, rows

EQUAL = fused.test_output_and_gradients_are_those_of_the_chain_bit_for_bit
BITS = fusion.test_chains_are_one_function_each_and_give_the_same_bits
BLOCK = fusion.block, (2, 2, 6, 8), fusion.AS_ONE
HOOK = fusion.test_a_hook_sees_what_it_saw_and_only_what_it_looks_at_is_run_by_itself
LAYERS = fusion.test_only_what_is_exactly_these_layers_is_one_function
EVERYDAY = fused.test_the_everyday_chain_is_the_same_bit_for_bit

# fmt: off
FUNCTIONS = [
    Bug("mask forgotten",
        "functional.fused:Conv2dReLU.backward", "self.kernels.relu_backward(grad, self.y)", "grad", EQUAL, ("auto",)),
    Bug("mask forgotten, by central differences",
        "functional.fused:Conv2dReLU.backward", "self.kernels.relu_backward(grad, self.y)", "grad",
        fused.test_gradients_equal_central_differences, ("direct",)),
    Bug("mask forgotten where pooling follows",
        "functional.fused:Conv2dReLUMaxPool2d.backward", "self.kernels.relu_backward(grad, self.pooled)", "grad",
        fused.test_a_window_without_anything_above_0_gives_0_and_gets_no_gradient),
    Bug("mask multiplied",
        "functional.fused:Conv2dReLU.backward", "self.kernels.relu_backward(grad, self.y)", "grad * (self.y > 0)",
        fused.test_an_upstream_gradient_that_is_not_finite_is_masked_not_multiplied),
    Bug("the gradient passes at 0",
        "functional.fused:Conv2dReLU.backward", "(grad, self.y)", "(grad, self.y + 1)",
        fused.test_relu_passes_what_is_above_0_and_its_gradient_alone),
    Bug("maximum and winner of what is not rectified",
        "functional.fused:Conv2dReLUMaxPool2d.forward", '"forward_relu"', '"forward"', BITS, BLOCK),
    Bug("bias after ReLU",
        "functional.fused:Conv2dReLU.forward", "(x, weight, bias, self.geometry)",
        "(x, weight, None, self.geometry) + (0 if bias is None else bias.reshape(-1, 1, 1))", EQUAL, ("im2col",)),
    Bug("bias after ReLU where pooling follows",
        "functional.fused:Conv2dReLUMaxPool2d.forward", "(x, weight, bias, self.geometry)",
        "(x, weight, None, self.geometry) + (0 if bias is None else bias.reshape(-1, 1, 1))", EQUAL, ("direct",)),
    Bug("the large output kept",
        "functional.fused:Conv2dReLUMaxPool2d.forward", "    y = self.kernel", "    self.y = y = self.kernel",
        fused.test_no_array_of_the_convolutions_size_outlives_forward_where_pooling_follows, (fused.POOL,)),
    Bug("the algorithm of another pass",
        "backend:fuses_relu", '"forward"', '"backward_input"',
        fused.test_auto_fuses_the_algorithm_that_it_chooses_for_forward, (), (AssertionError, AttributeError)),
    Bug("the argument passed over for the algorithm in force",
        "functional.fused:conv2d_relu", "current_algorithm() if algorithm is None else algorithm",
        "current_algorithm()", fused.test_the_algorithm_in_force_and_the_argument_choose_as_for_conv2d),
    Bug("stride of the pool forgotten",
        "functional.fused:conv2d_relu", "*pool)", "pool.kernel_size, None, *pool[2:])",
        EVERYDAY, ("auto", fused.OVERLAPPING, "normal")),
]

LAYERS_IN_A_ROW = [
    Bug("fused despite a hook",
        "nn.fusion:_is_plain", "not module.has_hooks", "True", HOOK, (1, fusion.ONE_BY_ONE, "register_forward_hook"),
        (AssertionError, IndexError)),
    Bug("fused despite a hook on the pooling",
        "nn.fusion:_is_plain", "not module.has_hooks", "True",
        HOOK, (2, "Conv2dReLU MaxPool2d", "register_forward_pre_hook"), (AssertionError, IndexError)),
    Bug("fused despite a hook before forward",
        "nn.module:Module.has_hooks", " or self._forward_pre_hooks", "",
        HOOK, (0, fusion.ONE_BY_ONE, "register_forward_pre_hook"), (AssertionError, IndexError)),
    Bug("fused despite a watcher",
        "nn.fusion:run_as_one", " or watching()", "",
        fusion.test_a_watcher_sees_every_layer_forward_and_backward),
    Bug("a subclass taken for its class",
        "nn.fusion:_is_plain", "type(module) is kind", "isinstance(module, kind)",
        LAYERS, ((fusion.OwnConv2d(2, 3, 3), tc.nn.ReLU(), tc.nn.MaxPool2d(2)), fusion.ONE_BY_ONE)),
    Bug("a forward of its own passed over",
        "nn.fusion:_is_plain", ' and "forward" not in vars(module)', "",
        LAYERS, ((tc.nn.Conv2d(2, 3, 3), fusion.with_a_forward_of_its_own(tc.nn.ReLU())), "Conv2d ReLU Mul")),
    Bug("indices forgotten",
        "nn.fusion:run_as_one", " and not third.return_indices", "",
        fusion.test_a_pooling_that_also_gives_indices_runs_by_itself, (), (AssertionError, ValueError, TypeError)),
    Bug("ceil_mode forgotten",
        "nn.fusion:_window", ", pool.ceil_mode)", ")",
        fusion.test_a_plain_array_and_any_settings_of_the_layers),
    Bug("groups forgotten",
        "nn.fusion:run_as_one", "c.dilation, c.groups)", "c.dilation, 1)",
        fusion.test_a_plain_array_and_any_settings_of_the_layers, (), (AssertionError, ValueError)),
    Bug("the pooling run twice",
        "nn.fusion:run_as_one", "pool, ran = _window(third), 3", "pool, ran = _window(third), 2",
        BITS, BLOCK),
]
# fmt: on


@rows(FUNCTIONS + LAYERS_IN_A_ROW)
def test_a_planted_bug_is_caught(bug: Bug, monkeypatch: pytest.MonkeyPatch):
    with fusing("numpy"):
        assert_caught(bug, monkeypatch)
