"""Convolution, ReLU and pooling as one Function: bit for bit what they give one after the other."""

import weakref
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import (
    assert_gradients_hold,
    every_algorithm,
    every_named_algorithm,
    run,
    running_backend,
    to_backend,
    to_numpy,
)
from tests.cases import ConvCase, conv_cases, examples, laid_out, normal
from tests.functional.test_convolution import EVERYDAY, STRIDED, unless_refused
from tests.fusing import assert_same_bits, fusing, one_after_the_other
from tinycnn.arrays import is_array
from tinycnn.backend import Kernels, kernels_for, load_kernels
from tinycnn.functional import fused as functions
from tinycnn.functional.fused import Pool

POOL = Pool(2)
OVERLAPPING = Pool((3, 2), (2, 1), (1, 0, 1, 1), ceil_mode=True)


@pytest.fixture(autouse=True, scope="module")
def _kernels_that_fuse(backend: str) -> Iterator[None]:
    with fusing(backend):
        yield


def chain(x, weight, bias=None, pool: Pool | None = None, **options) -> tc.Tensor:
    """The three operations one after the other."""
    y = F.relu(F.conv2d(x, weight, bias, **options))
    return y if pool is None else F.max_pool2d(y, *pool)


def fused(*operands, pool: Pool | None = None, **options) -> tc.Tensor:
    """The one Function, under a backend that is known to fuse."""
    y = functions.conv2d_relu(*operands, pool=pool, **options)
    assert y is not None, "not fused"
    return y


def everyday() -> list[tc.Tensor]:
    """Operands of the everyday convolution, where the running backend computes."""
    return [tc.Tensor(to_backend(array), requires_grad=True) for array in EVERYDAY.arrays()]


@dataclass(frozen=True)
class ChainCase:
    """A convolution, the pooling after it, if there is one, and what kind of numbers go in."""

    conv: ConvCase
    pool: Pool | None
    values: str
    with_bias: bool

    def operands(self, dtype=np.float64) -> list[np.ndarray]:
        """x, weight and perhaps bias.

        Coarse: small integers, whose sums tie, and are often 0 or the same in a whole window. Special: with NaN and
        both infinities among the inputs.
        """
        operands = list(self.conv.arrays(dtype, layout="contiguous"))
        rng = np.random.default_rng([self.conv.seed, 2])
        if self.values == "coarse":
            operands = [rng.integers(-1, 2, array.shape).astype(dtype) for array in operands]
        if self.values == "special":
            cells = rng.integers(0, operands[0].size, 3)
            operands[0].reshape(-1)[cells] = rng.permutation([np.nan, np.inf, -np.inf])
        return [laid_out(array, self.conv.layout) for array in operands[: 2 + self.with_bias]]


@st.composite
def _window(draw: st.DrawFn, size: int) -> tuple[int, int, int, int]:
    """Kernel, stride, leading and trailing pad of a window that fits."""
    kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    lead, trail = draw(st.integers(0, kernel - 1)), draw(st.integers(0, kernel - 1))
    return (kernel, stride, lead, trail) if size + lead + trail >= kernel else (kernel, stride, kernel - 1, kernel - 1)


@st.composite
def chain_cases(draw: st.DrawFn, most_terms: int = 4000, pooled: bool | None = None, values=None) -> ChainCase:
    """Any convolution, with or without a pooling of its output."""
    conv, pool = draw(conv_cases(most_terms=most_terms)), None
    if draw(st.booleans()) if pooled is None else pooled:
        R, down, top, bottom = draw(_window(conv.geometry.P))
        S, across, left, right = draw(_window(conv.geometry.Q))
        pool = Pool((R, S), (down, across), (top, bottom, left, right), draw(st.booleans()))
    return ChainCase(conv, pool, values or draw(st.sampled_from(("normal", "coarse", "special"))), draw(st.booleans()))


def assert_fused_equals_the_chain(case: ChainCase, algorithm: str, dtype) -> None:
    options = {**case.conv.options, "algorithm": algorithm, "pool": case.pool}
    told = {"seed": case.conv.seed, "layout": case.conv.layout}
    operands = case.operands(dtype)
    with np.errstate(all="ignore"):
        expected = run(lambda *t: chain(*t, **options), *operands, **told)
        one_window = operands[0].shape[2:] == operands[1].shape[2:]  # which numba leaves to BLAS
        repeats = running_backend() != "numpy" and not one_window
        assert_same_bits(run(lambda *t: fused(*t, **options), *operands, **told), expected, repeats)


@every_algorithm
@given(case=chain_cases())
@examples(150)
def test_output_and_gradients_are_those_of_the_chain_bit_for_bit(algorithm, case):
    with unless_refused(algorithm):
        assert_fused_equals_the_chain(case, algorithm, np.float32)
        assert_fused_equals_the_chain(case, algorithm, np.float64)


@every_algorithm
@pytest.mark.parametrize("values", ["normal", "coarse", "special"])
@pytest.mark.parametrize("pool", [None, POOL, OVERLAPPING], ids=["no pool", "pool", "overlapping"])
def test_the_everyday_chain_is_the_same_bit_for_bit(algorithm, pool, values):
    # No refusal is let pass here.
    assert_fused_equals_the_chain(ChainCase(EVERYDAY, pool, values, True), algorithm, np.float32)


@every_named_algorithm
@given(case=chain_cases(most_terms=600, values="normal"))
@examples(20)
def test_gradients_equal_central_differences(algorithm, case):
    options = {**case.conv.options, "algorithm": algorithm}
    operands = case.operands()
    with unless_refused(algorithm):
        y = np.sort(run(lambda *t: F.conv2d(*t, **options), *operands).y.ravel())
        gaps = np.diff(y)
        # Not within a step of a kink; outputs of padding alone are equal to the bias, and stay so.
        assume(np.abs(y).min() > 1e-4)
        assume(gaps[gaps > 0].min(initial=1) > 1e-4)
        assert_gradients_hold(
            lambda *t: fused(*t, **options, pool=case.pool), *operands, seed=case.conv.seed, layout=case.conv.layout
        )


# What the numbers are, read off one by one: x through a kernel of one cell.


def of_one_cell(x, pool: Pool | None, upstream=None, weight=1.0):
    x = np.array(x).reshape(1, 1, -1, 4)
    kernel, bias = np.full((1, 1, 1, 1), weight), np.zeros(1)
    with np.errstate(all="ignore"):
        return run(lambda *t: fused(*t, pool=pool), x, kernel, bias, upstream=upstream)


def test_relu_passes_what_is_above_0_and_its_gradient_alone():
    y, grad, (dx, dw, db) = of_one_cell([-2.0, 0.0, 1e-300, 3.0], None)
    assert y.ravel().tolist() == [0, 0, 1e-300, 3]
    assert dx.ravel().tolist() == [0, 0, *grad.ravel()[2:]]
    assert dw.ravel() == pytest.approx(3 * grad.ravel()[3])
    assert db == pytest.approx(grad.ravel()[2:].sum())


def test_a_window_without_anything_above_0_gives_0_and_gets_no_gradient():
    y, grad, (dx, dw, db) = of_one_cell([[-1.0, -2.0, 5.0, 4.0], [-3.0, -0.5, 5.0, 0.0]], POOL)
    assert y.ravel().tolist() == [0, 5]
    expected = np.zeros((2, 4))
    expected[0, 2] = grad.ravel()[1]  # the first of two that tie
    np.testing.assert_array_equal(dx[0, 0], expected)
    assert dw.ravel() == pytest.approx(5 * grad.ravel()[1])
    assert db == pytest.approx(grad.ravel()[1])


def test_the_padding_of_the_pool_never_wins_and_never_counts():
    y, grad, (dx, _, _) = of_one_cell([-1.0, 2.0, -3.0, -4.0], Pool((1, 2), 2, (0, 0, 1, 1)))
    assert y.ravel().tolist() == [0, 2, 0]
    assert dx.ravel().tolist() == [0, grad.ravel()[1], 0, 0]


def test_windows_that_overlap_add_their_gradients():
    _, grad, (dx, _, _) = of_one_cell([-1.0, 7.0, 3.0, 4.0], Pool((1, 2), 1))
    assert dx.ravel().tolist() == [0, grad.ravel()[:2].sum(), 0, grad.ravel()[2]]


@pytest.mark.parametrize("pool", [None, Pool((1, 2))], ids=["no pool", "pool"])
def test_nan_stays_nan_and_lets_no_gradient_pass_while_infinity_does(pool):
    y, grad, (dx, _, _) = of_one_cell([np.nan, 9.0, np.inf, -np.inf], pool)
    last = grad.ravel()[2 if pool is None else 1]
    if pool is None:
        np.testing.assert_array_equal(y.ravel(), [np.nan, 9, np.inf, 0])
        assert dx.ravel().tolist() == [0, grad.ravel()[1], last, 0]
    else:
        np.testing.assert_array_equal(y.ravel(), [np.nan, np.inf])
        assert dx.ravel().tolist() == [0, 0, last, 0]


def test_an_upstream_gradient_that_is_not_finite_is_masked_not_multiplied():
    _, _, (dx, _, _) = of_one_cell([-1.0, 2.0, -3.0, -4.0], None, upstream=np.array([[[[np.inf, 1, np.nan, -np.inf]]]]))
    assert dx.ravel().tolist() == [0, 1, 0, 0]


@every_named_algorithm
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_kernel_is_convolution_then_relu_bit_for_bit(backend, algorithm, dtype):
    # A bias of −0 and weights of 0 make a sum of −0, of which ReLU makes 0.
    kernels = load_kernels(backend)
    module = getattr(kernels, f"conv_{algorithm}")
    refusal = getattr(module, "refusal", lambda geometry: "")
    for case in (case for case in (EVERYDAY, STRIDED) if not refusal(case.geometry)):
        x, weight, bias = map(to_backend, case.arrays(dtype))
        for b in (bias, to_backend(np.array([-0.0, 0.0, np.nan, np.inf, -np.inf, -1.0], dtype)), None):
            for w in (weight, 0 * np.abs(weight)):
                with np.errstate(all="ignore"):
                    plain = to_numpy(one_after_the_other(kernels, module)(-np.abs(x), w, b, case.geometry))
                    found = to_numpy(module.forward_relu(-np.abs(x), w, b, case.geometry))
                np.testing.assert_array_equal(found, plain)
                assert found.tobytes() == plain.tobytes(), "a zero has another sign"


# Which kernels run, and when nothing is fused


def running_kernels() -> Kernels:
    """The kernels that the arrays of these tests run on."""
    return kernels_for([to_backend(np.zeros(1))])


def recorded(monkeypatch) -> list[tuple[str, str]]:
    """What is asked of `tinycnn.backend.convolution` from now on: algorithm and pass."""
    asked = []

    def convolution(kernels, algorithm, phase, geometry):
        asked.append((algorithm, phase))
        return tc.backend.convolution(kernels, algorithm, phase, geometry)

    monkeypatch.setattr("tinycnn.functional.convolution.convolution", convolution)
    return asked


def test_the_algorithm_in_force_and_the_argument_choose_as_for_conv2d(monkeypatch):
    asked = recorded(monkeypatch)
    x, weight, _ = EVERYDAY.arrays()
    phases = "forward_relu", "backward_input", "backward_weight"
    with tc.use_algorithm("direct"):
        run(fused, x, weight)
        run(lambda x, w: fused(x, w, algorithm="im2col"), x, weight)
    run(fused, x, weight)
    assert asked == [(name, phase) for name in ("direct", "im2col", "auto") for phase in phases]


def test_auto_fuses_the_algorithm_that_it_chooses_for_forward(monkeypatch):
    kernels, ran = running_kernels(), []
    chosen = {"forward": "im2col", "backward_input": "direct", "backward_weight": "direct"}
    monkeypatch.setattr(kernels, "choose_convolution", lambda phase, geometry: chosen[phase])
    kernel = kernels.conv_im2col.forward_relu
    monkeypatch.setattr(kernels.conv_im2col, "forward_relu", lambda *a: ran.append("im2col") or kernel(*a))
    x, weight, bias = EVERYDAY.arrays()
    run(lambda *t: fused(*t, pool=POOL), x, weight, bias)
    assert ran == ["im2col"]
    monkeypatch.delattr(kernels.conv_im2col, "forward_relu")
    there = [to_backend(array) for array in (x, weight, bias)]
    assert functions.conv2d_relu(*there) is None
    assert functions.conv2d_relu(*there, algorithm="direct") is not None


def test_numbers_of_another_size_fuse_where_numpys_kernels_do(backend, monkeypatch):
    monkeypatch.undo()
    halves = [to_backend(array) for array in EVERYDAY.arrays(np.float16)]
    with fusing("numpy"):
        assert fused(*halves).dtype == np.float16
    if backend != "numpy":
        assert functions.conv2d_relu(*halves) is None


@pytest.mark.parametrize(
    ("needs", "phases"),
    [
        ((False, True, True), ["forward_relu", "backward_weight"]),
        ((True, False, False), ["forward_relu", "backward_input"]),
        ((False, False, True), ["forward_relu"]),
    ],
    ids=["first layer", "frozen", "bias alone"],
)
@pytest.mark.parametrize("pool", [None, POOL], ids=["no pool", "pool"])
def test_only_the_gradients_that_are_asked_for_are_computed(monkeypatch, pool, needs, phases):
    asked = recorded(monkeypatch)
    arrays = map(to_backend, EVERYDAY.arrays())
    tensors = [tc.Tensor(array, requires_grad=need) for array, need in zip(arrays, needs, strict=True)]
    fused(*tensors, pool=pool).sum().backward()
    assert [phase for _, phase in asked] == phases
    assert [tensor.grad is not None for tensor in tensors] == list(needs)


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({}, {"pool": Pool(20)}),
        ({}, {"pool": Pool(2, padding=2)}),
        ({}, {"algorithm": "fast"}),
        ({}, {"algorithm": "fast", "pool": Pool(20)}),
        ({}, {"groups": 3}),
        ({0: np.zeros((9, 7))}, {}),
        ({0: np.zeros((2, 4, 9, 7), np.uint8)}, {}),
        ({1: normal(1, 6, 4, 3, 3, dtype=np.float32)}, {}),
        ({2: np.zeros(5)}, {}),
    ],
)
def test_what_the_operations_refuse_is_refused_in_the_same_words(change, options):
    operands = list(EVERYDAY.arrays())
    for i, array in change.items():
        operands[i] = array
    messages = []
    for operation in (chain, fused):
        with pytest.raises((ValueError, TypeError)) as caught:
            operation(*operands, **options)
        messages.append((caught.type, str(caught.value)))
    assert messages[0] == messages[1]


# What is kept


@pytest.mark.parametrize("pool", [None, POOL], ids=["no pool", "pool"])
def test_no_array_of_the_convolutions_size_outlives_forward_where_pooling_follows(monkeypatch, pool):
    made = []
    module = running_kernels().conv_direct
    kernel = module.forward_relu

    def noted(*operands):
        y = kernel(*operands)
        made.append(weakref.ref(y))
        return y

    monkeypatch.setattr(module, "forward_relu", noted)
    y = fused(*everyday(), pool=pool, algorithm="direct")
    (large,) = made
    assert (large() is None) == (pool is not None)
    kept = {name: value.shape for name, value in vars(y.creator).items() if is_array(value)}
    rest = {"y": y.shape} if pool is None else {"pooled": y.shape, "winner": y.shape}
    assert kept == {"x": (2, 4, 9, 7), "weight": (6, 4, 3, 3), **rest}
    if pool is not None:
        assert y.creator.winner.dtype == (np.int32 if running_backend() == "cupy" else np.uint8)
    y.sum().backward()
    del y
    assert large() is None


@pytest.mark.parametrize("pool", [None, POOL], ids=["no pool", "pool"])
def test_its_multiply_adds_are_the_convolutions(pool):
    y = fused(*everyday(), pool=pool)
    assert y.creator.multiply_adds == 2 * 6 * 7 * 5 * 4 * 9
    assert y.creator.geometry == ConvCase(**{**vars(EVERYDAY), "padding": (0, 0, 0, 0)}).geometry


@pytest.mark.parametrize("pool", [None, POOL], ids=["no pool", "pool"])
def test_an_output_changed_in_place_is_seen(pool):
    y = fused(*everyday(), pool=pool)
    y.data = y.data + 1
    with pytest.raises(RuntimeError, match=r"the output of Conv2dReLU\w* was changed in place"):
        y.sum().backward()


@pytest.mark.parametrize("pool", [None, POOL], ids=["no pool", "pool"])
def test_a_batch_of_none_gives_none(pool):
    operands = np.zeros((0, 4, 9, 7)), normal(1, 6, 4, 3, 3), normal(2, 6)
    expected = run(lambda *t: chain(*t, pool=pool), *operands)
    assert_same_bits(run(lambda *t: fused(*t, pool=pool), *operands), expected)
