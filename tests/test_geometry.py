"""Sizes, taps and costs against windows enumerated one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import conv_cases, examples, pool_cases
from tests.functional.windows import starts, windows
from tinycnn.geometry import Axis, conv_geometry, pads, pair, positive
from tinycnn.kernels.loops import convolution as conv_loops
from tinycnn.kernels.numpy import conv_im2col

small = st.integers(1, 6)


@given(
    size=st.integers(0, 12),
    kernel=small,
    stride=small,
    lead=st.integers(0, 5),
    trail=st.integers(0, 5),
    dilation=st.integers(1, 4),
)
@examples(500)
def test_the_output_size_is_the_number_of_windows_that_fit(size, kernel, stride, lead, trail, dilation):
    axis = Axis(size, kernel, stride, lead, trail, dilation)
    extent = max(cell * dilation for cell in range(kernel)) + 1
    assert axis.extent == extent
    assert max(axis.out, 0) == len(starts(size, extent, stride, lead, trail, ceil_mode=False))


@given(size=st.integers(1, 12), kernel=small, stride=small, data=st.data())
@examples(500)
def test_ceil_mode_adds_the_last_window_only_if_it_starts_inside(size, kernel, stride, data):
    lead, trail = (data.draw(st.integers(0, kernel - 1)) for _ in range(2))
    axis = Axis(size, kernel, stride, lead, trail, ceil_mode=True)
    assert max(axis.out, 0) == len(starts(size, kernel, stride, lead, trail, ceil_mode=True))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad", "ceil_mode", "expected"),
    [
        (224, 11, 4, 2, False, 55),  # AlexNet's first layer, as it is implemented
        (227, 11, 4, 0, False, 55),  # and as it must have been
        (224, 11, 4, 0, False, 54),  # but not as the paper says
        (28, 5, 1, 2, False, 28),
        (55, 3, 2, 0, False, 27),
        (5, 2, 2, 0, True, 3),
        (4, 2, 3, 1, True, 2),
    ],
)
def test_sizes_from_the_literature(size, kernel, stride, pad, ceil_mode, expected):
    assert Axis(size, kernel, stride, pad, pad, 1, ceil_mode).out == expected


@given(case=conv_cases())
@examples(200)
def test_taps_join_exactly_the_cells_of_the_formula(case):
    g, (top, _, left, _) = case.geometry, case.padding
    by_formula = set()
    for r, s, p, q in np.ndindex(g.R, g.S, g.P, g.Q):
        h, w = p * case.stride[0] + r * case.dilation[0] - top, q * case.stride[1] + s * case.dilation[1] - left
        if 0 <= h < g.H and 0 <= w < g.W:
            by_formula.add((r, s, p, q, h, w))
    joined = [
        (tap.r, tap.s, p, q, h, w)
        for tap in g.taps
        for p, h in zip(range(g.P)[tap.p], range(g.H)[tap.h], strict=True)
        for q, w in zip(range(g.Q)[tap.q], range(g.W)[tap.w], strict=True)
    ]
    assert len(joined) == len(set(joined))
    assert set(joined) == by_formula
    assert [(tap.r, tap.s) for tap in g.taps] == list(np.ndindex(g.R, g.S))


@given(case=conv_cases(most_terms=2000))
@examples(50)
def test_costs_are_those_of_the_arrays_and_of_the_seven_loops(case):
    g, arrays = case.geometry, case.arrays(np.float32, layout="contiguous")
    unpadded = conv_geometry(
        "conv2d",
        (g.N, g.C, g.H + sum(case.padding[:2]), g.W + sum(case.padding[2:])),
        g.weight_shape,
        case.stride,
        0,
        case.dilation,
        case.groups,
    )
    assert (unpadded.P, unpadded.Q) == (g.P, g.Q)
    ones = np.ones(unpadded.input_shape), np.ones(unpadded.weight_shape)
    assert g.multiply_adds == conv_loops.forward(*ones, None, unpadded).sum()  # each term is 1
    assert g.flops == 2 * g.multiply_adds
    y = conv_loops.forward(*arrays, g)
    assert g.least_bytes() == arrays[0].nbytes + arrays[1].nbytes + y.nbytes
    assert g.least_bytes(8) == 2 * g.least_bytes()
    assert g.column_bytes() == conv_im2col.im2col(arrays[0], g).nbytes
    assert (g.input_shape, g.weight_shape, g.output_shape) == (arrays[0].shape, arrays[1].shape, y.shape)


@given(case=pool_cases())
@examples(200)
def test_a_window_counts_its_cells_with_and_without_the_pad(case):
    g = case.geometry
    for p, q, cells, padded_count in windows(case):
        assert g.count(include_pad=True)[p, q] == padded_count
        assert g.count(include_pad=False)[p, q] == len(cells)
    assert g.count(include_pad=True).shape == (g.P, g.Q) == (p + 1, q + 1)


def test_equal_geometries_are_one_key():
    shapes = (2, 3, 8, 9), (4, 3, 3, 3)
    assert len({conv_geometry("a", *shapes, 2, 1), conv_geometry("b", *shapes, (2, 2), (1, 1, 1, 1))}) == 1
    assert conv_geometry("a", *shapes) != conv_geometry("a", *shapes, dilation=2)


def test_a_geometry_reads_as_a_sentence():
    told = str(conv_geometry("conv2d", (1, 3, 8, 9), (4, 3, 3, 2), (2, 1), (1, 0, 1, 2)))
    assert told == "3x2 over 8x9 -> 4x11 (stride (2, 1), padding (1, 0, 1, 2), dilation (1, 1))"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2, (2, 2, 2, 2)), ((1, 2), (1, 1, 2, 2)), ([1, 2, 3, 4], (1, 2, 3, 4)), (np.int64(3), (3,) * 4)],
)
def test_pads_are_top_bottom_left_right(value, expected):
    assert pads("op", value) == expected


def test_numpy_integers_are_ints():
    assert pair("op", "stride", np.int32(2)) == (2, 2)
    assert type(positive("op", "groups", np.uint8(2))) is int
