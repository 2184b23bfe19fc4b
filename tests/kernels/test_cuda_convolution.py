"""What is the GPU's alone in convolution: tiles of two sizes, parts that are added up, TF32, a batch in pieces."""

import numpy as np
import pytest
from hypothesis import given

import tinycnn as tc

if "cupy" not in tc.available_backends():
    pytest.skip(f"{tc.gpu.problem()}; or TINYCNN_TEST_CUDA=emulated", allow_module_level=True)

from tests.backends import running, to_backend, to_numpy
from tests.cases import examples
from tests.kernels.truth import PASSES, Drawn, Truth, all_passes, assert_true, drawn_convolutions
from tests.planted_bugs import Bug, rows
from tests.planted_cuda import assert_source_bug_caught
from tinycnn.backend import load_kernels
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels.cuda.emulate import LaunchError
from tinycnn.kernels.numpy import conv_im2col as plain

# More than a tile of 128 of rows and columns in each pass, with a rest, and a depth that is no multiple of a piece.
WIDE = ConvGeometry(Axis(13, 3, 1, 1, 1), Axis(12, 3, 1, 1, 1), 1, 67, 70)
GROUPED = ConvGeometry(Axis(9, 3, 2, 1, 0), Axis(10, 2, 1, 0, 1, 2), 3, 6, 4, 2)
THREE = ConvGeometry(Axis(9, 3, 1, 1, 1), Axis(10, 3, 1, 1, 1), 5, 4, 6)


@pytest.fixture(autouse=True)
def on_the_gpu():
    with running("cupy"):
        yield


def algorithm(name):
    return getattr(load_kernels("cupy"), f"conv_{name}")


def passes(name, drawn, dtype):
    arrays = {key: to_backend(array) for key, array in drawn.arrays(dtype).items()}
    return [to_numpy(array) for array in all_passes(algorithm(name), arrays, drawn.geometry, drawn.biased)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("geometry", [WIDE, GROUPED], ids=["wide", "grouped"])
def test_large_tiles_and_a_depth_in_parts_give_the_same(monkeypatch, geometry, dtype):
    gemm = algorithm("implicit_gemm")
    monkeypatch.setattr(gemm, "BLOCKS", 1)  # large tiles wherever there is more than a small one of rows
    assert_true(Truth(Drawn(geometry), dtype, plain), "cupy", "implicit_gemm")
    monkeypatch.setattr(gemm, "BLOCKS", 1000)
    monkeypatch.setattr(gemm, "LEAST_PIECE", 32)
    assert_true(Truth(Drawn(geometry), dtype, plain), "cupy", "implicit_gemm")


@pytest.mark.parametrize("name", ["im2col", "winograd"])
def test_a_batch_in_pieces_gives_the_same(monkeypatch, name):
    whole = passes(name, Drawn(THREE), np.float64)
    monkeypatch.setattr(algorithm(name), {"im2col": "COLUMN_BYTES", "winograd": "TILE_BYTES"}[name], 1 << 15)
    for what, one, other in zip(PASSES.values(), whole, passes(name, Drawn(THREE), np.float64), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-13, err_msg=what)
    assert_true(Truth(Drawn(THREE), np.float32), "cupy", name)


@pytest.mark.parametrize("name", ["direct", "im2col", "implicit_gemm", "winograd"])
@pytest.mark.parametrize("biased", [True, False])
def test_relu_in_the_kernel_gives_the_same_bits(name, biased):
    for drawn in (
        Drawn(THREE, biased=biased),
        Drawn(ConvGeometry(Axis(2, 3, 1, 4, 4), Axis(3, 3), 2, 3, 4), biased=biased),
    ):
        arrays = {key: to_backend(array) for key, array in drawn.arrays(np.float32).items()}
        given = arrays["x"], arrays["weight"], arrays["bias"] if biased else None, drawn.geometry
        y, fused = (to_numpy(getattr(algorithm(name), what)(*given)) for what in ("forward", "forward_relu"))
        assert (y < 0).any() or not biased
        assert np.array_equal(fused, np.maximum(y, 0))


def test_a_convolution_repeats_its_bits():
    for name in ("direct", "im2col", "implicit_gemm", "winograd"):
        first, second = (passes(name, Drawn(THREE), np.float32) for _ in range(2))
        assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True)), name


# TF32


def integers(drawn):
    """The same arrays with whole numbers from −8 to 8, which TF32 holds and whose sums float32 does."""
    rng = np.random.default_rng(drawn.seed)
    return {k: rng.integers(-8, 9, array.shape).astype(np.float32) for k, array in drawn.arrays(np.float32).items()}


@given(drawn=drawn_convolutions(most_terms=2000))
@examples(20)
def test_tensor_cores_are_exact_on_whole_numbers(drawn):
    # Who holds which number of a product is prescribed by the instruction: one that changes places changes a result.
    arrays = integers(drawn)
    expected = all_passes(plain, arrays, drawn.geometry, drawn.biased)
    moved = {key: to_backend(array) for key, array in arrays.items()}
    with tc.allow_tf32():
        made = all_passes(algorithm("implicit_gemm"), moved, drawn.geometry, drawn.biased)
    for what, right, actual in zip(PASSES.values(), expected, made, strict=True):
        assert np.array_equal(to_numpy(actual), right), what


@pytest.mark.parametrize("geometry", [WIDE, GROUPED, THREE], ids=["wide", "grouped", "three"])
def test_tf32_rounds_each_factor_once(geometry, monkeypatch):
    monkeypatch.setattr(algorithm("implicit_gemm"), "LEAST_PIECE", 32)
    drawn = Drawn(geometry)
    truth = Truth(drawn, np.float32, plain)
    exact = passes("implicit_gemm", drawn, np.float32)
    with tc.allow_tf32():
        rounded = passes("implicit_gemm", drawn, np.float32)
    for what, right, size, plain_, made in zip(
        PASSES.values(), truth.results, truth.sizes, exact, rounded, strict=True
    ):
        allowed = 2 * 2.0**-11 * size * 1.01  # half a unit of 10 bits for each factor, and the sum's rounding
        assert (np.abs(made - right) <= allowed).all(), what
        assert np.abs(made - right).max() > 10 * np.abs(plain_ - right).max(), f"{what} was not rounded"


def test_tf32_rounds_to_the_nearest():
    # Of numbers of one sign all that is cut off adds up; what is rounded up and down cancels.
    arrays = {key: np.abs(array) + 1 for key, array in Drawn(WIDE).arrays(np.float32).items()}
    right = all_passes(plain, {key: array.astype(np.float64) for key, array in arrays.items()}, WIDE)
    with tc.allow_tf32():
        moved = {key: to_backend(array) for key, array in arrays.items()}
        made = [to_numpy(array) for array in all_passes(algorithm("implicit_gemm"), moved, WIDE)]
    for what, wanted, actual in zip(PASSES.values(), right, made, strict=True):
        assert abs((actual / wanted - 1).mean()) < 2.0**-14, what


def test_tf32_is_off_and_no_matter_to_float64_and_winograd():
    assert not tc.gpu.tf32_allowed()
    for name, dtype in ("implicit_gemm", np.float64), ("winograd", np.float32), ("direct", np.float32):
        exact = passes(name, Drawn(THREE), dtype)
        with tc.allow_tf32():
            assert all(
                np.array_equal(one, other) for one, other in zip(exact, passes(name, Drawn(THREE), dtype), strict=True)
            )
    assert not tc.gpu.tf32_allowed()


def test_too_many_entries_for_an_index_are_refused(monkeypatch):
    monkeypatch.setattr(algorithm("implicit_gemm"), "MOST", 100)
    with pytest.raises(ValueError, match=r"counts to 100, .* smaller batch, or algorithm='direct'"):
        passes("implicit_gemm", Drawn(THREE), np.float32)


# Planted bugs


def holds(name, geometry, dtype=np.float64):
    assert_true(Truth(Drawn(geometry), dtype, plain), "cupy", name)


def parts_hold():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(algorithm("implicit_gemm"), "LEAST_PIECE", 32)
        holds("implicit_gemm", WIDE)


def relu_holds():
    test_relu_in_the_kernel_gives_the_same_bits("winograd", True)


def tensor_cores_hold():
    drawn = Drawn(WIDE)
    arrays = integers(drawn)
    moved = {key: to_backend(array) for key, array in arrays.items()}
    with tc.allow_tf32():
        made = all_passes(algorithm("implicit_gemm"), moved, WIDE)
    for right, actual in zip(all_passes(plain, arrays, WIDE), made, strict=True):
        assert np.array_equal(to_numpy(actual), right)


def each_factor_is_rounded():
    with pytest.MonkeyPatch.context() as patch:
        test_tf32_rounds_each_factor_once(WIDE, patch)


DIRECT, FOLD, GEMM, CORES, WINOGRAD = (
    f"conv_{n}" for n in ("direct", "im2col", "implicit_gemm", "implicit_gemm_tf32", "winograd")
)
SMALL = ConvGeometry(Axis(5, 3, 1, 1, 2), Axis(6, 3, 1, 2, 0), 2, 4, 4, 2)  # two groups, for Winograd too
EDGE = ConvGeometry(Axis(2, 3, 1, 3, 0), Axis(4, 3, 1, 1, 1), 2, 3, 4)  # with kernel rows that meet no input
BUGS = [
    Bug(*row, error=(AssertionError, LaunchError))
    for row in (
        ("dilation forgotten", DIRECT, "w + s * g.dilation_w", "w + s", holds, ("direct", GROUPED)),
        (
            "bias of the group's first channels",
            DIRECT,
            "sum += bias[k]",
            "sum += bias[k % K]",
            holds,
            ("direct", GROUPED),
        ),
        (
            "inputs between windows get a gradient",
            DIRECT,
            "|| (stride > 1 && start % stride)",
            "",
            holds,
            ("direct", GROUPED),
        ),
        (
            "an output too many",
            DIRECT,
            "start / stride < outputs",
            "start / stride <= outputs",
            holds,
            ("direct", THREE),
        ),
        ("half of a warp is summed", DIRECT, "int other = 16", "int other = 8", holds, ("direct", THREE)),
        ("all groups see the first", DIRECT, "k / K * C + c) * g.H", "c) * g.H", holds, ("direct", GROUPED)),
        ("rows wrap around", FOLD, "j >= 0 && j < g.W ?", "j < g.W ?", holds, ("im2col", THREE)),
        ("= for += in col2im", FOLD, "sum += first[", "sum = first[", holds, ("im2col", THREE)),
        (
            "images in the place of channels",
            FOLD,
            "((long long)k * N + n)",
            "((long long)n * g.K + k)",
            holds,
            ("im2col", THREE),
        ),
        (
            "no wait before shared memory is overwritten",
            GEMM,
            "__syncthreads();  // the piece",
            "// the piece",
            holds,
            ("implicit_gemm", WIDE),
        ),
        (
            "no wait before it is read",
            GEMM,
            "__syncthreads();\n            if (depth",
            "if (depth",
            holds,
            ("implicit_gemm", WIDE),
        ),
        ("parts overlap", GEMM, "min(first + piece, problem.depth())", "problem.depth()", parts_hold, ()),
        ("the last part is lost", GEMM, "part < count", "part < count - 1", parts_hold, ()),
        (
            "kernels of the first group",
            GEMM,
            "group * rows() + i) * depth()",
            "i) * depth()",
            holds,
            ("implicit_gemm", GROUPED),
        ),
        (
            "kernel cells by columns",
            GEMM,
            "l / g.S % g.R * g.dilation_h",
            "l % g.R * g.dilation_h",
            holds,
            ("implicit_gemm", THREE),
        ),
        (
            "a fragment's pieces exchanged",
            CORES,
            "a[i][1] = left[l + v][row + 8]",
            "a[i][2] = left[l + v][row + 8]",
            tensor_cores_hold,
            (),
        ),
        ("a result's columns exchanged", CORES, "2 * v + e % 2", "v + e % 2 * 4", tensor_cores_hold, ()),
        (
            "a factor cut off",
            CORES,
            "emulation::to_tf32(value)",
            "__float_as_uint(value) & 0xffffe000",
            test_tf32_rounds_to_the_nearest,
            (),
        ),
        (
            "a factor not rounded",
            CORES,
            "emulation::to_tf32(value)",
            "__float_as_uint(value)",
            each_factor_is_rounded,
            (),
        ),
        (
            "outputs of the next row",
            WINOGRAD,
            "p < g.end_p && q < g.end_q ? outputs",
            "p < g.end_p ? outputs",
            holds,
            ("winograd", THREE),
        ),
        (
            "a matrix not transposed",
            WINOGRAD,
            "both_sides<A, A, true>(t.BT",
            "both_sides<A, A, false>(t.BT",
            holds,
            ("winograd", THREE),
        ),
        ("tiles do not overlap", WINOGRAD, "i < a && i <= h", "i < m && i <= h", holds, ("winograd", THREE)),
        (
            "noise where a kernel cell meets nothing",
            WINOGRAD,
            "meets ? cells[i][j] : 0",
            "cells[i][j]",
            holds,
            ("winograd", EDGE),
        ),
        ("factors of the wrong group", WINOGRAD, "channel / (channels / groups)", "0", holds, ("winograd", SMALL)),
        ("negative outputs left", WINOGRAD, "relu && value <= 0", "relu && value < -1", relu_holds, ()),
    )
]


@rows(BUGS)
def test_a_planted_bug_is_caught(bug):
    assert_source_bug_caught(bug)
