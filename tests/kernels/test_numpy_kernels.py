"""The NumPy kernels by themselves: im2col and col2im, chunks of the batch, views, optimiser steps in blocks."""

import numpy as np
import pytest
from hypothesis import given

from tests.cases import conv_cases, examples, normal
from tests.numeric import assert_close, inner
from tinycnn.geometry import conv_geometry
from tinycnn.kernels.loops import convolution as conv_loops
from tinycnn.kernels.numpy import conv_direct, conv_im2col, optimizer

CONVOLUTIONS = pytest.mark.parametrize("module", [conv_direct, conv_im2col], ids=["direct", "im2col"])


def test_the_seven_loops_give_a_hand_computed_convolution():
    # 2x2 kernel, stride 2, one row of padding on top: [[1, 2, 3], [4, 5, 6], [7, 8, 9]] meets [[1, 10], [100, 1000]]
    x = np.arange(1.0, 10).reshape(1, 1, 3, 3)
    weight = np.array([[[[1.0, 10.0], [100.0, 1000.0]]]])
    g = conv_geometry("conv2d", x.shape, weight.shape, stride=2, padding=(1, 0, 0, 1))
    assert conv_loops.forward(x, weight, np.array([0.5]), g).tolist() == [[[[2100.5, 300.5], [8754.5, 906.5]]]]
    grad = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert conv_loops.backward_weight(grad, x, g).tolist() == [[[[36.0, 15.0], [64.0, 26.0]]]]
    assert conv_loops.backward_input(grad, weight, g)[0, 0].tolist() == [
        [100, 1000, 200], [3, 30, 4], [300, 3000, 400],
    ]  # fmt: skip


@given(case=conv_cases())
@examples(100)
def test_im2col_holds_at_each_place_the_cell_of_its_formula(case):
    x, _, _ = case.arrays()
    g, (top, _, left, _) = case.geometry, case.padding
    column = conv_im2col.im2col(x, g)
    assert column.shape == (g.C, g.R, g.S, g.N, g.P, g.Q)
    expected = np.zeros(column.shape)
    for r, s, p, q in np.ndindex(g.R, g.S, g.P, g.Q):
        h, w = p * case.stride[0] + r * case.dilation[0] - top, q * case.stride[1] + s * case.dilation[1] - left
        if 0 <= h < g.H and 0 <= w < g.W:
            expected[:, r, s, :, p, q] = x[:, :, h, w].T
    np.testing.assert_array_equal(column, expected)


@given(case=conv_cases())
@examples(100)
def test_col2im_is_the_adjoint_of_im2col(case):
    # <im2col(x), c> == <x, col2im(c)>: what overlaps must be added, or the two sides differ.
    g, x = case.geometry, case.arrays()[0]
    column = conv_im2col.im2col(x, g)
    c = normal(case.seed + 1, *column.shape)
    folded = conv_im2col.col2im(c, g)
    assert folded.shape == x.shape
    assert abs(inner(column, c) - inner(x, folded)) <= 1e-14 * np.linalg.norm(x) * np.linalg.norm(c) * g.R * g.S


def test_col2im_counts_how_many_windows_hold_each_cell():
    g = conv_geometry("conv2d", (1, 1, 1, 5), (1, 1, 1, 3), stride=(1, 2))
    assert conv_im2col.col2im(np.ones((1, 1, 3, 1, 1, 2)), g).tolist() == [[[[1, 1, 2, 1, 1]]]]


@pytest.mark.parametrize("room", [1, 3 * 5 * 9 * 35 * 8, 10**9], ids=["one image", "three images", "all"])
@pytest.mark.parametrize("N", [1, 7])
def test_the_number_of_images_unfolded_at_a_time_changes_nothing(monkeypatch, N, room):
    x, weight, bias = normal(1, N, 5, 7, 9), normal(2, 6, 5, 3, 3), normal(3, 6)
    g = conv_geometry("conv2d", x.shape, weight.shape)
    grad = normal(4, *g.output_shape)
    monkeypatch.setattr(conv_im2col, "COLUMN_BYTES", room)
    pieces = list(conv_im2col.batches(x, g))
    assert [n for piece in pieces for n in range(N)[piece]] == list(range(N))
    assert max(conv_im2col.size(piece) for piece in pieces) == {1: 1, 10**9: N}.get(room, min(3, N))
    for actual, expected in (
        (conv_im2col.forward(x, weight, bias, g), conv_loops.forward(x, weight, bias, g)),
        (conv_im2col.backward_input(grad, weight, g), conv_loops.backward_input(grad, weight, g)),
        (conv_im2col.backward_weight(grad, x, g), conv_loops.backward_weight(grad, x, g)),
    ):
        assert_close(actual, expected, 1e-13)


@pytest.mark.parametrize("groups", [1, 2])
def test_the_windows_of_direct_convolution_are_a_view_that_copies_nothing(groups):
    x = normal(1, 2, 4, 7, 9)
    g = conv_geometry("conv2d", x.shape, (4, 4 // groups, 3, 2), stride=(2, 1), dilation=(1, 3), groups=groups)
    view = conv_direct.windows(x, g)
    assert np.shares_memory(view, x)
    assert view.shape == (2, groups, 4 // groups, g.P, g.Q, 3, 2)
    for p, q, r, s in np.ndindex(g.P, g.Q, 3, 2):
        np.testing.assert_array_equal(view[..., p, q, r, s].reshape(2, 4), x[:, :, 2 * p + r, q + 3 * s])


@CONVOLUTIONS
def test_mixed_contiguity_of_the_three_arguments_is_no_matter(module):
    x, weight, bias = normal(1, 3, 4, 6, 7), normal(2, 6, 4, 3, 2), normal(3, 6)
    g = conv_geometry("conv2d", x.shape, weight.shape, padding=1)
    expected = module.forward(x, weight, bias, g)
    turned = np.asfortranarray(x), np.asfortranarray(weight), normal(3, 6)[::-1][::-1]
    assert_close(module.forward(*turned, g), expected, 1e-14)


# Optimisers

SHAPE = 3, 5, 7  # 105 entries: two blocks of 50 and a rest


def sgd_by_formula(p, g, v, lr, momentum, nesterov, weight_decay):
    g = g + weight_decay * p
    if v is None:
        return p - lr * g, None
    v = momentum * v + g
    return p - lr * (g + momentum * v if nesterov else v), v


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("block", [50, 1 << 15], ids=["blocks", "one block"])
@pytest.mark.parametrize(("momentum", "nesterov"), [(None, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_sgd_moves_every_entry_by_the_formula_in_place(monkeypatch, momentum, nesterov, weight_decay, block, order):
    monkeypatch.setattr(optimizer, "BLOCK", block)
    parameter, grad = np.array(normal(1, *SHAPE), order=order), np.array(normal(2, *SHAPE), order=order)
    velocity = None if momentum is None else np.zeros_like(parameter)
    kept, given_grad = parameter, grad.copy()
    expected, expected_velocity = parameter.copy(), None if momentum is None else np.zeros(SHAPE)
    for _ in range(3):
        options = 0.1, momentum or 0.0, nesterov, weight_decay
        optimizer.sgd_step(parameter, grad, velocity, *options)
        expected, expected_velocity = sgd_by_formula(expected, grad, expected_velocity, *options)
    assert parameter is kept
    assert_close(parameter, expected, 1e-14)
    assert velocity is None or abs(velocity - expected_velocity).max() < 1e-14
    np.testing.assert_array_equal(grad, given_grad)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("block", [50, 1 << 15], ids=["blocks", "one block"])
@pytest.mark.parametrize(("weight_decay", "decoupled"), [(0.0, False), (0.1, False), (0.1, True)])
def test_adam_moves_every_entry_by_the_formula_in_place(monkeypatch, weight_decay, decoupled, block, order):
    monkeypatch.setattr(optimizer, "BLOCK", block)
    parameter = np.array(normal(1, *SHAPE), order=order)
    mean, square = np.zeros_like(parameter), np.zeros_like(parameter)
    p, m, s = parameter.copy(), np.zeros(SHAPE), np.zeros(SHAPE)
    for step in range(1, 4):
        grad = np.array(normal(10 + step, *SHAPE), order=order)
        optimizer.adam_step(parameter, grad, mean, square, 0.1, (0.9, 0.99), 1e-8, weight_decay, decoupled, step)
        g = grad if decoupled else grad + weight_decay * p
        p = p * (1 - 0.1 * weight_decay) if decoupled else p
        m, s = 0.9 * m + 0.1 * g, 0.99 * s + 0.01 * g**2
        p = p - 0.1 * (m / (1 - 0.9**step)) / (np.sqrt(s / (1 - 0.99**step)) + 1e-8)
        assert_close(parameter, p, 1e-13)
    assert_close(mean, m, 1e-13)
    assert_close(square, s, 1e-13)


def test_optimiser_steps_keep_float32():
    parameter, grad = normal(1, 10, dtype=np.float32), normal(2, 10, dtype=np.float32)
    mean, square = np.zeros(10, np.float32), np.zeros(10, np.float32)
    before = parameter.copy()
    optimizer.sgd_step(parameter, grad, mean, 0.1, 0.9, True, 0.01)
    optimizer.adam_step(parameter, grad, mean, square, 0.1, (0.9, 0.999), 1e-8, 0.01, True, 1)
    assert {array.dtype for array in (parameter, mean, square)} == {np.dtype(np.float32)}
    assert (parameter != before).all()
