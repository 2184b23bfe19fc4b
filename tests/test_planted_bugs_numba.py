"""Planted bugs in the Numba kernels beside convolution: in the loops themselves, compiled anew with the wrong text."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.kernels import test_numba_kernels as kernels
from tests.planted_bugs import Bug, assert_caught, rows

SAME, UNITS = kernels.test_values_are_those_of_the_numpy_kernel, kernels.FAMILIES
MEANS = kernels.test_means_of_two_by_two_are_numpys_wherever_the_first_window_begins_and_the_last_one_ends
WINNERS = kernels.test_winners_of_two_by_two_get_their_gradient_wherever_the_first_window_begins_and_the_last_one_ends
ONE_TANH = kernels.test_tanh_of_one_number_is_near_and_has_its_sign_and_nan_stays
SINGLE, DOUBLE = np.float32, np.float64


def family(function, dtype=DOUBLE):
    """Arguments of the comparison with the NumPy kernels."""
    return function, UNITS[function], dtype


# fmt: off
BUGS = [
    Bug("ReLU that loses NaN",
        "kernels.numba.activation:_rectify", "zero if x[i] <= zero else x[i]", "x[i] if x[i] > zero else zero",
        kernels.test_tanh_and_relu_of_what_is_no_everyday_number),
    Bug("ReLU gradient of the input's sign, turned",
        "kernels.numba.activation:_let_through", "y[i] > 0", "y[i] <= 0", SAME, family(kernels.relu)),
    Bug("tanh without its sign",
        "kernels.numba.activation:tanh_of", "math.copysign(positive, x)", "positive", ONE_TANH),
    Bug("tanh from a shorter series",
        "kernels.numba.activation:tanh_of", "series * r + TAYLOR[5]", "series * r", ONE_TANH),
    Bug("tanh that makes a limit of NaN",
        "kernels.numba.activation:tanh_of", "x if x != x else", "", ONE_TANH),
    Bug("tanh of the first entry for all",
        "kernels.numba.activation:_tanh", "tanh_of(x[i])", "tanh_of(x[0])", SAME, family(kernels.tanh, SINGLE)),
    Bug("chunks that drop the last entries",
        "kernels.numba.activation:_rectify_chunks", "bounds(chunk, count, len(x))",
        "(chunk * (len(x) // count), (chunk + 1) * (len(x) // count))",
        kernels.test_the_number_of_chunks_changes_no_bit, (kernels.relu, 1, 2, SINGLE)),
    Bug("the last maximum wins",
        "kernels.numba.pooling:max_pool2d_forward", "_planes(x)", "_planes(np.ascontiguousarray(x[..., ::-1]))",
        SAME, family(kernels.max_pool)),
    Bug("vectors that begin at the image's edge, not at the first whole window",
        "kernels.numba.pooling:_max", "max_row(2, flat_x, row + first * 2, ", "max_row(2, flat_x, row + left, ",
        kernels.test_missing_and_infinite_pixels_win_as_in_numpy, ((2, 2, (0, 1, 1, 0)), SINGLE)),
    Bug("the last window of a row forgotten",
        "kernels.numba.pooling:_max", "out + first, end - first)", "out + first, end - first - 1)",
        kernels.test_rows_of_every_length_are_pooled_to_their_last_output, (17, 2)),
    Bug("the last row of the first windows forgotten",
        "kernels.numba.pooling:_max", "_clip(p * down - top, R, H)", "_clip(p * down - top, R - (p == 0) * top, H)",
        kernels.test_missing_and_infinite_pixels_win_as_in_numpy, ((3, 2, (1, 0, 1, 1)), SINGLE)),
    Bug("max pool gradients overwrite",
        "kernels.numba.pooling:_max_back", "+= grad[n, p, q]", "= grad[n, p, q]", SAME, family(kernels.max_pool)),
    Bug("a plane of dx not cleared",
        "kernels.numba.pooling:_max_back", "plane[:] = 0", "plane[:] = 1", SAME, family(kernels.max_pool)),
    Bug("winners of four looked for at the corner, whatever the padding",
        "kernels.numba.pooling:_max_back", "top == left == 0", "True", WINNERS, (DOUBLE, (1, 0, 0, 0))),
    Bug("mean not divided",
        "kernels.numba.pooling:_avg", "total / divisors[p, q]", "total", SAME, family(kernels.avg_pool)),
    Bug("windows of four that begin at the corner, whatever the padding",
        "kernels.numba.pooling:_avg", "top == left == 0", "True", MEANS, (DOUBLE, (1, 0, 0, 0))),
    Bug("the same, of their gradient",
        "kernels.numba.pooling:_avg_back", "top == left == 0", "True", MEANS, (DOUBLE, (0, 0, 1, 0))),
    Bug("a last window of four though it hangs over the edge",
        "kernels.numba.pooling:_avg", "H >= 2 * P and ", "", MEANS, (DOUBLE, 0)),
    Bug("gradients of four leave the cells of no window as they are",
        "kernels.numba.pooling:_avg_back", "and W == 2 * Q", "", MEANS, (DOUBLE, 0)),
    Bug("LRN window off by one",
        "kernels.numba.normalization:_lrn", "max(c - before, 0)", "max(c - before + 1, 0)", SAME, family(kernels.lrn)),
    Bug("LRN's backward window not mirrored",
        "kernels.numba.normalization:lrn_backward", "((size - 1) // 2, size // 2, ", "(size // 2, (size - 1) // 2, ",
        SAME, family(kernels.lrn)),
    Bug("LRN's last position forgotten",
        "kernels.numba.normalization:_positions", "math.prod(x.shape[2:])", "math.prod(x.shape[2:]) - 1",
        kernels.test_the_number_of_chunks_changes_no_bit, (kernels.lrn, 16, 2, SINGLE)),
    Bug("the last channel of LRN's gradient forgotten",
        "kernels.numba.normalization:_lrn_back", "range(C + after)", "range(C + after - 1)", SAME, family(kernels.lrn)),
    Bug("variance about zero",
        "kernels.numba.normalization:_statistics", "L, centre)", "L, 0.0)", SAME, family(kernels.batch_norm)),
    Bug("variance of the first image alone",
        "kernels.numba.normalization:_statistics", "squares += ", "squares = ", SAME, family(kernels.batch_norm)),
    Bug("batch norm's gradient without its slope",
        "kernels.numba.normalization:_normalise_back", " - x_row[at] * slope", "", SAME, family(kernels.batch_norm)),
    Bug("Philox counted from 0",
        "kernels.numba.dropout:dropout_mask", "np.uint64(0)", "np.uint64(2**64 - 1)", SAME, family(kernels.drop)),
    Bug("every chunk draws from the stream's start",
        "kernels.numba.dropout:_draw_chunks", "first + np.uint64(i)", "first",
        kernels.test_masks_of_every_size_and_number_of_chunks_are_numpys_bits, (1025, 2)),
    Bug("words of the last block in part forgotten",
        "kernels.numba.dropout:_draw", "last[i - whole * WORDS]", "last[0]",
        kernels.test_masks_of_every_size_and_number_of_chunks_are_numpys_bits, (7, 1)),
    Bug("dropped by multiplication",
        "kernels.numba.dropout:_select", "scaled if mask[i] else zero", "x[i] if mask[i] else zero",
        SAME, family(kernels.drop)),
    Bug("ignored targets smoothed",
        "kernels.numba.loss:_fill_target", "spread * weights[c] * count", "spread * weights[c]",
        SAME, family(kernels.target)),
    Bug("smoothing added to a whole target",
        "kernels.numba.loss:_fill_target", "kept * label_weights[n, i]", "label_weights[n, i]",
        SAME, family(kernels.target)),
    Bug("0 · −inf in the loss",
        "kernels.numba.loss:_finish", "if q[n, c, i] != 0:", "if True:",
        kernels.test_cross_entropy_of_ruled_out_and_missing_scores_is_numpys, (DOUBLE,)),
    Bug("the largest score of the first classes alone",
        "kernels.numba.loss:_shift", "range(1, C)", "range(1, min(C, 2))",
        kernels.test_large_scores_do_not_overflow, (SINGLE,)),
    Bug("gradient blind to class weights",
        "kernels.numba.loss:_subtract", "weight * dx[n, c, i]", "dx[n, c, i]", SAME, family(kernels.cross_entropy)),
    Bug("Nesterov forgotten",
        "kernels.numba.optimizer:_sgd", "if nesterov else speed", "if False else speed", SAME, family(kernels.sgd)),
    Bug("weight decay of 0 times infinity",
        "kernels.numba.optimizer:_sgd", "if weight_decay != 0:", "if True:",
        kernels.test_without_weight_decay_an_infinite_parameter_stays_so),
    Bug("a step on a flattened copy",
        "kernels.numba.optimizer:_are_rows", "return not [", "return True or not [",
        kernels.test_a_step_on_an_array_that_is_no_row_moves_the_array_itself, ("fortran",)),
    Bug("AdamW that decays through the gradient",
        "kernels.numba.optimizer:adam_step", "if decoupled else", "if False else", SAME, family(kernels.adam)),
    Bug("eps inside the root",
        "kernels.numba.optimizer:_adam", "np.sqrt(square)", "np.sqrt(square + number(1e-4))",
        SAME, family(kernels.adam)),
]
# fmt: on


# What is planted has no file, beside which Numba could keep what it compiled.
@pytest.mark.filterwarnings("ignore:the folder .* cannot be written:RuntimeWarning")
@rows(BUGS)
def test_a_planted_bug_is_caught(bug: Bug, monkeypatch: pytest.MonkeyPatch):
    assert_caught(bug, monkeypatch)
