"""conv2d: every algorithm of every backend against the seven loops, finite differences, and its own promises."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import hypothesis
import numpy as np
import pytest
from hypothesis import given

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import assert_gradients_hold, every_algorithm, run, to_backend
from tests.cases import LAYOUTS, ConvCase, conv_cases, examples, laid_out, normal
from tests.numeric import assert_close
from tinycnn.kernels.loops import convolution as conv_loops

EVERYDAY = ConvCase(2, 4, 6, 1, 9, 7, 3, 3, (1, 1), (1, 1, 1, 1), (1, 1), "contiguous", 5)
STRIDED = ConvCase(2, 4, 6, 2, 9, 12, 3, 2, (2, 3), (1, 0, 2, 1), (1, 2), "contiguous", 6)


@contextmanager
def unless_refused(algorithm: str) -> Iterator[None]:
    """Let an algorithm made for some geometries refuse another, in those words; "auto" must find one that can."""
    try:
        yield
    except ValueError as error:
        if algorithm == "auto" or "cannot run" not in str(error):
            raise
        if hypothesis.currently_in_test_context():
            hypothesis.event(f"{algorithm} refused")


@lru_cache(maxsize=4096)
def by_definition(case: ConvCase) -> list[np.ndarray]:
    """y, dx, dw and db of the case, each product by itself."""
    x, weight, bias = case.arrays(layout="contiguous")
    grad, geometry = case.upstream(), case.geometry
    dx, dw = conv_loops.backward_input(grad, weight, geometry), conv_loops.backward_weight(grad, x, geometry)
    return [conv_loops.forward(x, weight, bias, geometry), dx, dw, grad.sum((0, 2, 3))]


def assert_equals_the_loops(case: ConvCase, algorithm: str, dtype=np.float64, tolerance: float = 1e-12) -> None:
    upstream = case.upstream(dtype)
    result = run(
        lambda x, weight, bias: F.conv2d(x, weight, bias, **case.options, algorithm=algorithm),
        *case.arrays(dtype),
        upstream=upstream,
        layout=case.layout,
    )
    given_back = [result.y, *result.gradients]
    terms = {"db": np.abs(upstream).max(initial=0)}  # of one kernel, all of db may be the little that these leave
    for what, actual, expected in zip(("y", "dx", "dw", "db"), given_back, by_definition(case), strict=True):
        assert_close(actual, expected.astype(dtype), tolerance, what, terms.get(what, 0.0))


@every_algorithm
@given(case=conv_cases(most_terms=4000))
@examples(200)
def test_forward_and_gradients_equal_the_seven_loops(algorithm, case):
    with unless_refused(algorithm):
        assert_equals_the_loops(case, algorithm)


@every_algorithm
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_algorithm_runs_the_everyday_convolution_in_any_layout_and_dtype(algorithm, layout, dtype):
    # No refusal is let pass here: 3x3, stride 1, padding 1 is what each algorithm must be able to run.
    case = ConvCase(**{**vars(EVERYDAY), "layout": layout})
    assert_equals_the_loops(case, algorithm, dtype, {np.float32: 1e-5, np.float64: 1e-12}[dtype])


@every_algorithm
@given(case=conv_cases(most_terms=600))
@examples(40)
def test_gradients_equal_central_differences(algorithm, case):
    def convolve(x, weight, bias):
        return F.conv2d(x, weight, bias, **case.options, algorithm=algorithm)

    with unless_refused(algorithm):
        assert_gradients_hold(convolve, *case.arrays(), seed=case.seed, layout=case.layout)


@every_algorithm
@pytest.mark.parametrize("case", [EVERYDAY, STRIDED], ids=["everyday", "strided"])
def test_without_bias_nothing_else_changes(algorithm, case):
    x, weight, bias = case.arrays()
    with unless_refused(algorithm):
        bare = run(lambda x, weight: F.conv2d(x, weight, **case.options, algorithm=algorithm), x, weight, seed=1)
        full = run(lambda *t: F.conv2d(*t, **case.options, algorithm=algorithm), x, weight, bias, seed=1)
        assert_close(bare.y + bias.reshape(-1, 1, 1), full.y, 1e-14)
        assert [g.tobytes() for g in bare.gradients] == [g.tobytes() for g in full.gradients[:2]]


@every_algorithm
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_the_bias_is_added_once_an_output_not_once_a_product(algorithm, kernel):
    x, weight, bias = normal(1, 1, 3, 6, 8), normal(2, 4, 3, kernel, kernel), normal(3, 4)
    with unless_refused(algorithm):
        nothing = run(lambda *t: F.conv2d(*t, algorithm=algorithm), 0 * x, weight, bias).y
        assert_close(nothing, np.broadcast_to(bias.reshape(-1, 1, 1), nothing.shape), 1e-14)


@every_algorithm
@pytest.mark.parametrize("case", [EVERYDAY, STRIDED], ids=["everyday", "strided"])
def test_input_weight_bias_and_upstream_stay_unchanged(algorithm, case):
    # Marking them read-only proves more than comparing bytes: a write would raise even where it is undone later.
    x, weight, bias = case.arrays(layout="read_only")
    copies = [array.tobytes() for array in (x, weight, bias)]
    with unless_refused(algorithm):
        run(lambda *t: F.conv2d(*t, **case.options, algorithm=algorithm), x, weight, bias, layout="read_only")
    assert [array.tobytes() for array in (x, weight, bias)] == copies


@every_algorithm
@pytest.mark.parametrize("case", [EVERYDAY, STRIDED], ids=["everyday", "strided"])
def test_an_upstream_broadcast_from_one_number_is_read_right(algorithm, case):
    # y.mean().backward() sends back a read-only array whose strides are all 0.
    x, weight, bias = case.arrays()
    with unless_refused(algorithm):
        mean = run(lambda *t: F.conv2d(*t, **case.options, algorithm=algorithm).mean(), x, weight, bias)
        grad = np.full(case.geometry.output_shape, mean.upstream / np.prod(case.geometry.output_shape))
        assert_close(mean.gradients[0], conv_loops.backward_input(grad, weight, case.geometry), 1e-12, "dx")
        assert_close(mean.gradients[1], conv_loops.backward_weight(grad, x, case.geometry), 1e-12, "dw")


@every_algorithm
def test_a_batch_of_none_gives_an_empty_output_and_zero_weight_gradients(algorithm):
    x, weight, bias = np.zeros((0, 4, 9, 7)), normal(1, 6, 4, 3, 3), normal(2, 6)
    with unless_refused(algorithm):
        y, _, (dx, dw, db) = run(lambda *t: F.conv2d(*t, padding=1, algorithm=algorithm), x, weight, bias)
        assert y.shape == (0, 6, 9, 7)
        assert dx.shape == x.shape
        np.testing.assert_array_equal(dw, np.zeros_like(weight))
        np.testing.assert_array_equal(db, np.zeros_like(bias))


@pytest.mark.parametrize(
    ("needs", "phases"),
    [
        ((False, True, True), ("forward", "backward_weight")),
        ((True, False, False), ("forward", "backward_input")),
        ((False, False, True), ("forward",)),
        ((True, True, True), ("forward", "backward_input", "backward_weight")),
    ],
    ids=["first layer", "frozen", "bias alone", "all"],
)
def test_only_the_gradients_that_are_asked_for_are_computed(monkeypatch, needs, phases):
    ran = []

    def recorded(kernels, algorithm, phase, geometry):
        ran.append(phase)
        return tc.backend.convolution(kernels, algorithm, phase, geometry)

    monkeypatch.setattr("tinycnn.functional.convolution.convolution", recorded)
    tensors = [tc.Tensor(to_backend(a), requires_grad=n) for a, n in zip(EVERYDAY.arrays(), needs, strict=True)]
    y = F.conv2d(*tensors, padding=1)
    y.backward(to_backend(EVERYDAY.upstream()))
    assert tuple(ran) == phases
    assert [tensor.grad is not None for tensor in tensors] == list(needs)


def explicit_pads(word: str, kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int, int, int]:
    down, across = (d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
    if word == "same":
        return down // 2, down - down // 2, across // 2, across - across // 2
    return {"valid": (0, 0, 0, 0), "full": (down, down, across, across)}[word]


@every_algorithm
@pytest.mark.parametrize("dilation", [(1, 1), (2, 3)])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 4), (1, 5)])
@pytest.mark.parametrize("word", ["valid", "same", "full"])
def test_a_word_for_the_padding_means_these_pads(algorithm, word, kernel, dilation):
    pads = explicit_pads(word, kernel, dilation)
    case = ConvCase(2, 2, 3, 1, 11, 13, *kernel, (1, 1), pads, dilation, "contiguous", 3)
    with unless_refused(algorithm):
        options = {"padding": word, "dilation": dilation, "algorithm": algorithm}
        y = run(lambda *t: F.conv2d(*t, **options), *case.arrays()).y
        assert_close(y, by_definition(case)[0], 1e-12)
        assert (word == "same") <= (y.shape[2:] == (11, 13))


@pytest.mark.parametrize("word", ["valid", "same", "full"])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 5)])
def test_flip_is_convolution_with_the_kernel_rotated_by_hand(word, kernel):
    R, S = kernel
    x, weight = normal(1, 2, 3, 7, 8), normal(2, 4, 3, R, S)
    rotated = np.empty_like(weight)
    for r in range(R):
        for s in range(S):
            rotated[:, :, r, s] = weight[:, :, R - 1 - r, S - 1 - s]
    flipped = run(lambda x, w: F.conv2d(x, w, padding=word, flip=True), x, weight, seed=4)
    straight = run(lambda x, w: F.conv2d(x, w, padding=word), x, rotated, seed=4)
    assert_close(flipped.y, straight.y, 1e-13)
    assert_close(flipped.gradients[0], straight.gradients[0], 1e-13, "dx")
    for r in range(R):
        for s in range(S):
            turned_back = straight.gradients[1][:, :, R - 1 - r, S - 1 - s]
            assert_close(flipped.gradients[1][:, :, r, s], turned_back, 1e-13, f"dw at {r, s}")


@pytest.mark.parametrize("padding", [0, (2, 1), (2, 1, 0, 3)])
def test_padding_of_one_two_or_four_numbers_pads_these_sides(padding):
    top, bottom, left, right = {0: (0, 0, 0, 0), (2, 1): (2, 2, 1, 1)}.get(padding, padding)
    x, weight = normal(1, 2, 3, 5, 6), normal(2, 4, 3, 3, 3)
    padded = np.zeros((2, 3, 5 + top + bottom, 6 + left + right))
    padded[:, :, top : top + 5, left : left + 6] = x
    inside = run(lambda x, w: F.conv2d(x, w, padding=padding), x, weight, seed=2)
    before = run(F.conv2d, padded, weight, seed=2)
    assert_close(inside.y, before.y, 1e-13)
    assert_close(inside.gradients[0], before.gradients[0][:, :, top : top + 5, left : left + 6], 1e-13, "dx")


def test_use_algorithm_and_the_argument_choose_the_same_kernels(monkeypatch):
    asked = []

    def recorded(kernels, algorithm, phase, geometry):
        asked.append(algorithm)
        return tc.backend.convolution(kernels, algorithm, phase, geometry)

    monkeypatch.setattr("tinycnn.functional.convolution.convolution", recorded)
    x, weight, _ = EVERYDAY.arrays()
    with tc.use_algorithm("direct"):
        run(F.conv2d, x, weight)
        run(lambda x, w: F.conv2d(x, w, algorithm="im2col"), x, weight)
    run(F.conv2d, x, weight)
    assert asked == ["direct"] * 3 + ["im2col"] * 3 + ["auto"] * 3


def test_byte_swapped_input_next_to_native_weights_is_no_mixture():
    x, weight, bias = EVERYDAY.arrays(np.float32)
    swapped = run(F.conv2d, laid_out(x, "byte_swapped"), weight, bias)
    native = run(F.conv2d, x, weight, bias)
    assert swapped.y.tobytes() == native.y.tobytes()
    assert swapped.y.dtype.isnative


def test_an_unknown_algorithm_and_mixed_dtypes_are_refused():
    x, weight, bias = EVERYDAY.arrays()
    with pytest.raises(ValueError, match=r"algorithm 'fast' is unknown.*direct.*fft"):
        F.conv2d(x, weight, bias, algorithm="fast")
    with pytest.raises(TypeError, match=r"input float64, weight float32, bias float64.*one dtype"):
        F.conv2d(x, weight.astype(np.float32), bias)
    with pytest.raises(TypeError, match=r"floating-point input, got uint8.*/ 255"):
        F.conv2d(np.zeros((1, 4, 9, 7), np.uint8), weight)
