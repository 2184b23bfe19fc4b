"""The convolutions in visible loops: against PyTorch, the NumPy kernels, and each other."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import ConvCase, conv_cases, examples, normal
from tests.kernels.test_winograd import winograd_cases
from tests.numeric import assert_close
from tests.oracles import oracle
from tinycnn.geometry import Axis, ConvGeometry, conv_geometry
from tinycnn.kernels.loops import convolution, im2col, transposed, winograd
from tinycnn.kernels.numpy import conv_direct, conv_im2col
from tinycnn.kernels.numpy.winograd_transform import tiling, transform


def by_direct_loops(x, weight, bias, dy, g):
    """y, dx, dw and db."""
    return (
        convolution.forward(x, weight, bias, g),
        convolution.backward_input(dy, weight, g),
        convolution.backward_weight(dy, x, g),
        convolution.backward_bias(dy),
    )


def by_im2col_loops(x, weight, bias, dy, g):
    """y, dx, dw and db, each matrix made by loops too."""
    column = im2col.im2col(x, g)
    return (
        im2col.gemm(column, weight, bias, g),
        im2col.col2im(im2col.backward_column_gemm(dy, weight, g), g),
        im2col.backward_weight_gemm(dy, column, g),
        convolution.backward_bias(dy),
    )


def by_numpy(x, weight, bias, dy, g):
    """y, dx, dw and db of the NumPy kernel that shares nothing with im2col."""
    backward = conv_direct.backward_input(dy, weight, g), conv_direct.backward_weight(dy, x, g)
    return conv_direct.forward(x, weight, bias, g), *backward, dy.sum((0, 2, 3))


def by_torch(x, weight, bias, dy, case):
    """y, dx, dw and db; the zeros are put around x by hand, as PyTorch pads both sides alike."""
    torch = oracle("torch")
    x, weight, bias = (torch.tensor(array, requires_grad=True) for array in (x, weight, bias))
    top, bottom, left, right = case.padding
    padded = torch.nn.functional.pad(x, (left, right, top, bottom))
    y = torch.nn.functional.conv2d(padded, weight, bias, case.stride, 0, case.dilation, case.groups)
    y.backward(torch.tensor(dy))
    return [y.detach().numpy(), *(tensor.grad.numpy() for tensor in (x, weight, bias))]


BOTH = pytest.mark.parametrize("loops", [by_direct_loops, by_im2col_loops], ids=["direct", "im2col"])
TORCH_OR_NUMPY = pytest.mark.parametrize("reference", ["torch", "numpy"])


def assert_all_close(made, expected):
    for what, actual, wanted in zip(("y", "dx", "dw", "db"), made, expected, strict=True):
        assert_close(actual, wanted, 1e-12, what)


@BOTH
@TORCH_OR_NUMPY
@given(case=conv_cases(most_terms=2000))
@examples(60)
def test_loops_equal_pytorch_and_numpy(loops, reference, case):
    arrays = *case.arrays(layout="contiguous"), case.upstream()
    expected = by_torch(*arrays, case) if reference == "torch" else by_numpy(*arrays, case.geometry)
    assert_all_close(loops(*arrays, case.geometry), expected)


@BOTH
def test_loops_crop_where_a_pad_is_negative(loops):
    g = ConvGeometry(Axis(11, 3, 2, 1, -3), Axis(9, 2, 1, -2, 1), 2, 4, 6, 2)
    shapes = g.input_shape, g.weight_shape, (g.K,), g.output_shape
    x, weight, bias, dy = (normal(seed, *shape) for seed, shape in enumerate(shapes))
    zeros_for_pads = np.zeros((2, 4, 11 + 1, 9 + 1))
    zeros_for_pads[:, :, 1:, :9] = x
    inside = zeros_for_pads[:, :, : 12 - 3, 2:]
    cropped = conv_geometry("conv2d", inside.shape, weight.shape, (2, 1), groups=2)
    y, dx, dw, db = by_numpy(np.ascontiguousarray(inside), weight, bias, dy, cropped)
    whole = np.zeros_like(zeros_for_pads)
    whole[:, :, :9, 2:] = dx
    assert_all_close(loops(x, weight, bias, dy, g), [y, whole[:, :, 1:, :9], dw, db])


@BOTH
def test_loops_keep_float32(loops):
    case = ConvCase(1, 2, 2, 2, 4, 5, 3, 2, (1, 2), (1, 0, 0, 1), (1, 1), "contiguous", 1)
    made = loops(*case.arrays(np.float32), case.upstream(np.float32), case.geometry)
    assert {array.dtype for array in made} == {np.dtype(np.float32)}


@given(case=conv_cases(most_terms=2000))
@examples(60)
def test_im2col_and_col2im_in_loops_move_the_same_entries_as_in_numpy(case):
    g, x = case.geometry, case.arrays(layout="contiguous")[0]
    column = conv_im2col.im2col(x, g)
    np.testing.assert_array_equal(im2col.im2col(x, g), column)
    dcolumn = normal(case.seed, *column.shape)
    places = conv_im2col.im2col(1.0 + np.arange(x.size).reshape(x.shape), g).astype(int)  # 0 is padding
    added = np.zeros(1 + x.size)
    np.add.at(added, places, dcolumn)
    assert_close(im2col.col2im(dcolumn, g), added[1:].reshape(x.shape), 1e-12)


@TORCH_OR_NUMPY
@given(case=conv_cases(most_terms=2000))
@examples(60)
def test_a_transposed_convolution_in_loops_runs_the_convolution_backwards(reference, case):
    # Its forward is the convolution's dx, its dx the convolution's y, its weight gradient that of both.
    g = case.geometry
    dy, weight, _ = case.arrays(layout="contiguous")
    x, no_bias = case.upstream(), np.zeros(g.K)
    arrays = dy, weight, no_bias, x
    conv_y, conv_dx, dw, _ = by_torch(*arrays, case) if reference == "torch" else by_numpy(*arrays, g)
    bias = normal(case.seed, g.C)
    assert_close(transposed.forward(x, weight, None, g), conv_dx, 1e-12, "y without bias")
    assert_close(transposed.forward(x, weight, bias, g), conv_dx + bias[:, None, None], 1e-12, "y")
    assert_close(transposed.backward_input(dy, weight, g), conv_y, 1e-12, "dx")
    assert_close(transposed.backward_weight(dy, x, g), dw, 1e-12, "dw")


def test_the_transposed_loops_equal_pytorchs_own_transposed_convolution():
    torch = oracle("torch")
    x, weight, bias = normal(1, 2, 4, 3, 5), normal(2, 4, 3, 3, 2), normal(3, 6)
    options = {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "groups": 2, "dilation": (1, 2)}
    y = torch.nn.functional.conv_transpose2d(*map(torch.tensor, (x, weight, bias)), **options).numpy()
    g = ConvGeometry(Axis(y.shape[2], 3, 2, 1, 0, 1), Axis(y.shape[3], 2, 3, 0, -2, 2), 2, 6, 4, 2)
    assert g.output_shape == x.shape
    assert_close(transposed.forward(x, weight, bias, g), y, 1e-12)


def in_winograd_loops(x, weight, bias, tile, groups, t, dtype=np.float64):
    """What one tile passes through."""
    matrices = transform(t.m, t.r, dtype)
    u, v = winograd.transform_weight(weight, matrices.G), winograd.transform_input(x, matrices.BT, tile)
    m = winograd.product(u, v, groups)
    return SimpleNamespace(u=u, v=v, m=m, y=winograd.transform_output(m, matrices.AT, bias, tile))


@given(case=winograd_cases(), data=st.data())
@examples(60)
def test_a_tile_of_winograd_in_loops_equals_these_outputs(case, data):
    # Tiles may begin at any output, also where a part of their cells lies in the padding or of their outputs nowhere.
    g, (x, weight, bias) = case.geometry, case.arrays(layout="contiguous")
    t = tiling(g)
    n, p, q = (data.draw(st.integers(0, size - 1)) for size in (g.N, g.P, g.Q))
    tile = winograd.Tile(n, p - g.rows.lead, q - g.columns.lead, min(t.m, g.P - p), min(t.m, g.Q - q))
    made = in_winograd_loops(x, weight, bias, tile, g.groups, t)
    expected = conv_im2col.forward(x, weight, bias, g)[n, :, p : p + t.m, q : q + t.m]
    assert_close(made.y, expected, 1e-11)
    without = in_winograd_loops(x, weight, None, tile, g.groups, t)
    assert_close(without.y + bias[:, None, None], expected, 1e-11)


def test_the_tile_loops_are_the_three_products_of_matrices():
    x, weight = normal(1, 1, 4, 6, 7), normal(2, 6, 2, 3, 3)
    t = tiling(conv_geometry("conv2d", x.shape, weight.shape, groups=2))
    made = in_winograd_loops(x, weight, None, winograd.Tile(0, 0, 1, t.m, t.m), 2, t)
    AT, G, BT = transform(t.m, t.r)[:3]
    assert_close(made.u, G @ weight @ G.T, 1e-13)
    assert_close(made.v, BT @ x[0, :, : t.a, 1 : 1 + t.a] @ BT.T, 1e-13)
    assert_close(made.m[4], (made.u[4] * made.v[2:]).sum(0), 1e-13)
    assert_close(made.y, AT @ made.m @ AT.T, 1e-13)


def test_the_tile_loops_keep_float32():
    x, weight, bias = normal(1, 1, 2, 4, 4, dtype=np.float32), normal(2, 2, 2, 3, 3, dtype=np.float32), np.ones(2, "f4")
    t = tiling(conv_geometry("conv2d", x.shape, weight.shape))
    made = in_winograd_loops(x, weight, bias, winograd.Tile(0, 0, 0, 2, 2), 1, t, np.float32)
    assert {array.dtype for array in vars(made).values()} == {np.dtype(np.float32)}
