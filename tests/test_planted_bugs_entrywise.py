"""Planted bugs in activations, losses, dropout, products, arithmetic, reductions, shapes and the walk back."""

import numpy as np
import pytest

from tests.functional import test_activation as activation
from tests.functional import test_arithmetic as arithmetic
from tests.functional import test_dropout as dropout
from tests.functional import test_linear as linear
from tests.functional import test_loss as loss
from tests.functional import test_reduction as reduction
from tests.functional import test_shape as shape
from tests.planted_bugs import Bug, assert_caught, rows

VALUES = activation.test_value_and_derivative_are_those_of_the_definition_entry_by_entry
SOFTMAX = activation.test_softmax_gradients_equal_central_differences
CROSS_ENTROPY = loss.test_cross_entropy_is_the_formula_under_every_option
CROSS_ENTROPY_GRADIENT = loss.test_cross_entropy_gradients_equal_central_differences
LOSS_GRADIENT = loss.test_gradients_of_both_arguments_equal_central_differences

# fmt: off
ACTIVATIONS = [
    Bug("tanh derivative of x",
        "functional.activation:Tanh.backward", "grad, self.y)", "grad, np.arctanh(self.y))", VALUES, ("tanh",)),
    Bug("sigmoid derivative without 1 − y",
        "kernels.numpy.activation:sigmoid_backward", " * (1 - y)", "", VALUES, ("sigmoid",)),
    Bug("sigmoid that overflows",
        "kernels.numpy.activation:sigmoid_forward", "np.exp(-np.abs(x))", "np.exp(x)",
        activation.test_far_from_zero_nothing_overflows_and_gradients_vanish, (np.float64,)),
    Bug("ReLU gradient of 1 at the kink",
        "kernels.numpy.activation:relu_backward", "y > 0", "y >= 0",
        activation.test_at_the_kink_the_gradient_is_the_one_from_below),
    Bug("ReLU writes over its input",
        "kernels.numpy.activation:relu_forward", "x.dtype.type(0))", "x.dtype.type(0), out=x)", VALUES, ("relu",),
        (AssertionError, ValueError)),  # it may meet a read-only input first
    Bug("leaky slope forgotten in backward",
        "kernels.numpy.activation:leaky_relu_backward", "grad * grad.dtype.type(negative_slope)", "0 * grad",
        VALUES, ("leaky_relu",)),
    Bug("softmax backward returns zeros",
        "kernels.numpy.activation:softmax_backward", "y * (grad - (grad * y)", "0 * y * (grad - (grad * y)",
        activation.test_the_gradient_of_softmax_is_not_zero_though_it_is_under_an_upstream_of_ones),
    Bug("softmax backward entry by entry",
        "kernels.numpy.activation:softmax_backward", "grad - (grad * y).sum(axis, keepdims=True)", "grad - grad * y",
        SOFTMAX, (activation.F.softmax,)),
    Bug("softmax not shifted",
        "kernels.numpy.activation:softmax_forward", "x - x.max(axis, keepdims=True)", "x",
        activation.test_a_shift_changes_nothing_and_extreme_scores_do_not_overflow, (activation.F.softmax, np.float64)),
    Bug("log-softmax backward without the probabilities",
        "kernels.numpy.activation:log_softmax_backward", "np.exp(y) * ", "", SOFTMAX, (activation.F.log_softmax,)),
    Bug("log-softmax as the logarithm of softmax",
        "kernels.numpy.activation:log_softmax_forward", "shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))",
        "np.log(np.exp(shifted) / np.exp(shifted).sum(axis, keepdims=True))",
        activation.test_log_softmax_is_finite_where_softmax_underflows),
]

LOSSES = [
    Bug("1/N forgotten in the mean",
        "functional.loss:cross_entropy", "q /= total", "pass",
        loss.test_the_mean_divides_loss_and_gradient_by_the_number_of_targets),
    Bug("ignored targets counted in the mean",
        "functional.loss:cross_entropy", "q /= total", "q /= labels.size", CROSS_ENTROPY, ("mean",)),
    Bug("smoothing added to a whole target",
        "kernels.numpy.loss:cross_entropy_target", "(1 - smoothing) * label_weights", "label_weights",
        CROSS_ENTROPY, ("sum",)),
    Bug("ignored targets smoothed",
        "kernels.numpy.loss:cross_entropy_target", "spread * np.expand_dims(counted, 1)", "spread",
        CROSS_ENTROPY, ("none",)),
    Bug("gradient p, not p − q",
        "kernels.numpy.loss:cross_entropy_backward", "np.exp(log_p) - q", "np.exp(log_p)",
        CROSS_ENTROPY_GRADIENT, ("sum",)),
    Bug("gradient blind to class weights",
        "kernels.numpy.loss:cross_entropy_backward", "total * np.exp(log_p)", "np.exp(log_p)",
        CROSS_ENTROPY_GRADIENT, ("sum",)),
    Bug("0 · −inf in the loss",
        "kernels.numpy.loss:cross_entropy_forward", "np.where(q == 0, q, log_p)", "log_p",
        loss.test_a_class_ruled_out_by_minus_infinity_costs_nothing_unless_it_is_the_target),
    Bug("squared error without its 2",
        "functional.loss:SquaredError.backward", "2 * grad", "grad", LOSS_GRADIENT, ("mse", "sum")),
    Bug("the target's gradient with the input's sign",
        "functional.loss:SquaredError.backward", "dx, -dx", "dx, dx", LOSS_GRADIENT, ("mse", "mean")),
    Bug("binary cross-entropy that overflows",
        "kernels.numpy.loss:_softplus", "np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)", "np.log1p(np.exp(x))",
        loss.test_binary_cross_entropy_does_not_overflow, (np.float64,)),
    Bug("the weight of positives on negatives",
        "kernels.numpy.loss:bce_with_logits_forward", "(pos_weight - 1) * target", "(pos_weight - 1) * (1 - target)",
        loss.test_the_loss_of_each_entry_is_the_formula_and_is_reduced_as_asked, ("bce, positives weighted", "sum")),
    Bug("divergence gradient with the wrong sign",
        "kernels.numpy.loss:kl_div_backward", "-grad * p", "grad * p", LOSS_GRADIENT, ("kl", "sum")),
    Bug("batchmean over all entries",
        "functional.loss:kl_div", "1 / losses.shape[0]", "1 / losses.size",
        loss.test_batchmean_divides_by_the_first_axis_alone),
]

DROPOUT = [
    Bug("backward not masked",
        "functional.dropout:Dropout.backward", "self.kernels.dropout_backward(grad, self.mask, self.p)", "grad",
        dropout.test_the_gradient_goes_through_the_same_mask_and_scale, ("contiguous",)),
    Bug("backward masked but not scaled",
        "functional.dropout:Dropout.backward", "self.kernels.dropout_backward(grad, self.mask, self.p)",
        "grad * self.mask", dropout.test_gradients_equal_central_differences_of_one_mask),
    Bug("backward draws another mask",
        "functional.dropout:Dropout.backward", "(grad, self.mask, self.p)", "(grad, ~self.mask, self.p)",
        dropout.test_the_gradient_goes_through_the_same_mask_and_scale, ("fortran",)),
    Bug("kept entries not scaled",
        "kernels.numpy.dropout:dropout_forward", "x * x.dtype.type(scale)", "x",
        dropout.test_the_mask_is_the_philox_stream_of_seed_and_call, ((3, 4, 5),)),
    Bug("kept and dropped swapped",
        "kernels.numpy.dropout:dropout_mask", "words >= ", "words < ",
        dropout.test_as_many_entries_are_dropped_as_asked_and_the_mean_is_kept, (0.1,)),
    Bug("the same mask in every call",
        "functional.dropout:dropout", "default_generator.next_key()", "(default_generator.seed, 0)",
        dropout.test_the_same_seed_and_call_give_the_same_mask_and_others_another),
    Bug("dropped at test time",
        "functional.dropout:dropout", "not training or p == 0", "p == 0",
        dropout.test_at_zero_and_in_evaluation_the_input_itself_comes_back_and_no_stream_is_used),
]

PRODUCTS = [
    Bug("Linear's dW transposed",
        "kernels.numpy.linear:linear_backward_weight", "grad.T @ x", "x.T @ grad",
        linear.test_the_weight_gradient_is_out_by_in),
    Bug("Linear's db averaged",
        "functional.linear:Linear.backward", "rows.sum(0)", "rows.mean(0)",
        linear.test_linear_gradients_equal_central_differences),
    Bug("bias added twice",
        "kernels.numpy.linear:linear_forward", "y += bias", "y = y + 2 * bias",
        linear.test_linear_is_a_weighted_sum_for_each_output),
    Bug("dx of the first layer computed",
        "functional.linear:Linear.backward", "if need_x else None", "",
        linear.test_gradients_that_nobody_asked_for_are_not_made),
    Bug("a product's dB without the batch sum",
        "functional.linear:MatMul.backward", "unbroadcast(self.a.swapaxes(-1, -2) @ grad, self.b.shape)",
        "(self.a.swapaxes(-1, -2) @ grad)[(0,) * (grad.ndim - self.b.ndim)]",
        linear.test_a_factor_shared_by_a_batch_gets_the_sum_of_its_gradients),
]

ARITHMETIC = [
    Bug("unbroadcast forgotten",
        "functional.arithmetic:unbroadcast", "if grad.shape == shape:", "if True:",
        arithmetic.test_a_broadcast_entry_gets_the_sum_of_all_gradients_it_served, (), ValueError),
    Bug("unbroadcast that takes the first",
        "functional.arithmetic:unbroadcast", "return grad.sum((*range(added), *repeated), keepdims=True)",
        "return grad[(0,) * added][tuple(slice(0, size) for size in shape)]",
        arithmetic.test_a_broadcast_entry_gets_the_sum_of_all_gradients_it_served),
    Bug("unbroadcast that averages",
        "functional.arithmetic:unbroadcast", "grad.sum(", "grad.mean(",
        arithmetic.test_values_are_numpys_and_broadcast_gradients_equal_central_differences, ("mul",)),
    Bug("quotient rule without its sign",
        "functional.arithmetic:Div.backward", "-grad * self.a", "grad * self.a",
        arithmetic.test_values_are_numpys_and_broadcast_gradients_equal_central_differences, ("div",)),
    Bug("difference that adds its second gradient",
        "functional.arithmetic:Sub.backward", "unbroadcast(-grad", "unbroadcast(grad",
        arithmetic.test_values_are_numpys_and_broadcast_gradients_equal_central_differences, ("sub",)),
    Bug("power without its logarithm",
        "functional.arithmetic:Pow.backward", " * log_a", "",
        arithmetic.test_values_are_numpys_and_broadcast_gradients_equal_central_differences, ("pow",)),
    Bug("0 · log 0 in the exponent's gradient",
        "functional.arithmetic:Pow.backward", "np.where((a == 0) & (b >= 0), 1, a)", "a",
        arithmetic.test_the_exponent_has_gradient_zero_where_the_base_is_zero),
    Bug("0^−1 in the gradient of the power 0",
        "functional.arithmetic:Pow.backward", "np.where(b == 0, 0, b * a ** np.where(b == 0, 1, b - 1))",
        "b * a ** (b - 1)", arithmetic.test_the_power_zero_is_one_with_gradient_zero_even_at_zero),
    Bug("numbers that widen",
        "arrays:array_like", 'like.dtype.kind == "f"', "False",
        arithmetic.test_a_number_on_either_side_gives_the_right_value_and_never_widens,
        ("mul", np.float64(0.5), np.float32)),
]

MOVING = [
    Bug("mean gradient without 1/N",
        "functional.reduction:Mean.backward", "grad / count", "grad",
        reduction.test_sum_and_mean_are_those_of_the_entries_that_meet),
    Bug("the last maximum wins",
        "functional.reduction:Max.forward", "x.argmax(self.dim)",
        "(x.shape[self.dim] - 1 - np.flip(x, self.dim).argmax(self.dim))",
        reduction.test_max_along_an_axis_is_the_first_of_the_largest_and_gets_the_gradient),
    Bug("repeated indices overwrite",
        "functional.shape:GetItem.backward", "np.add.at(dx, self.index, grad)", "dx[self.index] = grad",
        shape.test_an_index_reads_as_numpys_and_adds_the_gradient_of_every_reading, ("integers", "contiguous")),
    Bug("a tuple within an index taken for a slice",
        "functional.shape:_is_basic", "(int, np.integer, slice)", "(int, np.integer, slice, tuple)",
        shape.test_an_index_reads_as_numpys_and_adds_the_gradient_of_every_reading,
        ("tuple that repeats", "contiguous")),
    Bug("padding cut from the wrong end",
        "functional.shape:Pad.backward", "slice(before, size - after)", "slice(after, size - before)",
        shape.test_pad_puts_a_border_around_the_last_axes_named_from_the_last_back),
    Bug("gradients of two uses not added",
        "function:backward", "sums[node] + gradient if node in sums else gradient", "gradient",
        shape.test_gradients_of_a_tensor_used_twice_add_up),
    Bug("two tensors handed one gradient array",
        "function:_store", "gradient = gradient.copy()", "pass",
        shape.test_the_gradient_handed_back_shares_no_memory_with_another),
]
# fmt: on


@rows(ACTIVATIONS + LOSSES + DROPOUT + PRODUCTS + ARITHMETIC + MOVING)
def test_a_planted_bug_is_caught(bug: Bug, monkeypatch: pytest.MonkeyPatch):
    assert_caught(bug, monkeypatch)
