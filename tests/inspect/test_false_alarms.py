"""The gradient checker calls nothing wrong that is right: every operation, in random calls and regimes of data."""

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import settings
from numpy.lib.stride_tricks import sliding_window_view

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import run
from tests.cases import LONG
from tests.inspect.right_cases import OPERATIONS, REGIMES, regime_of, right_case
from tests.numeric import assert_close
from tests.oracles import oracle
from tinycnn.inspect.gradcheck.cases import CASES

COUNT = 200 if LONG else max(3, settings.default.max_examples // 10)
"""Of seeds for each operation, by the profile: 200 for "full", 10 by default, 3 where each takes long."""


@pytest.mark.long
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_right_is_not_called_wrong(operation):
    alarms, inconclusive = [], []
    for seed in range(COUNT):
        function, inputs = right_case(operation, seed)
        with tc.use_backend("numpy") if seed % 2 == 0 else nullcontext():
            report = tc.gradcheck(function, inputs)
        told = f"{operation}, seed {seed}, {regime_of(seed)}:\n{report}"
        if report.verdict != "right":
            (inconclusive if report.verdict == "inconclusive" else alarms).append(told)
    assert not alarms, f"{len(alarms)} of {COUNT} right cases are called wrong\n" + "\n".join(alarms[:5])
    # That most of a gradient drowns in rounding may be true, in a few cases of small random data.
    assert len(inconclusive) <= COUNT // 100, "\n".join(inconclusive[:5])


# The cases themselves


def test_every_operation_that_the_library_checks_has_right_cases():
    assert set(OPERATIONS) == {case.operation for case in CASES}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_operation_that_is_named_is_called(operation, monkeypatch):
    called, theirs = [], getattr(F, operation)

    def spy(*args, **options):
        called.append(operation)
        return theirs(*args, **options)

    monkeypatch.setattr(F, operation, spy)
    function, inputs = right_case(operation, 0)
    called.clear()
    function(*(tc.Tensor(array) for array in inputs))
    assert called == [operation]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_cases_are_small_finite_and_of_float64(operation):
    for seed in range(3 * len(REGIMES)):
        function, inputs = right_case(operation, seed)
        y = function(*(tc.Tensor(array) for array in inputs))
        assert max(array.size for array in inputs) >= 4, seed
        assert all(1 <= array.size <= 60 and array.dtype == np.float64 for array in inputs), seed
        assert 1 <= y.size <= 200, seed
        assert np.isfinite(y.data).all(), seed


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_seed_always_stands_for_the_same_case(operation):
    (function, inputs), (again, the_same) = (right_case(operation, 5) for _ in range(2))
    results = []
    for f, arrays in ((function, inputs), (again, the_same)):
        tc.manual_seed(0)
        results.append(f(*(tc.Tensor(array) for array in arrays)).data)
    assert [array.tobytes() for array in inputs] == [array.tobytes() for array in the_same]
    np.testing.assert_array_equal(*results)
    others = right_case(operation, 6)[1]
    assert [array.tobytes() for array in inputs] != [array.tobytes() for array in others]


def test_all_regimes_occur_in_a_few_seeds_and_meet_both_backends():
    seeds = range(2 * len(REGIMES))
    assert {regime_of(seed) for seed in seeds[: len(REGIMES)]} == set(REGIMES)
    assert {(regime_of(seed), seed % 2) for seed in seeds} == {(regime, odd) for regime in REGIMES for odd in (0, 1)}


@pytest.mark.parametrize("regime", REGIMES)
def test_data_are_what_their_regime_says(regime):
    x = REGIMES[regime](np.random.default_rng(0), (20, 50))
    size = np.abs(x)
    holds = {
        "standard normal": 0.9 < x.std() < 1.1 and size.min() > 1e-6,
        "scaled by 1e-6": 0.9e-6 < x.std() < 1.1e-6,
        "scaled by 1e6": 0.9e6 < x.std() < 1.1e6,
        "near a kink": 0.4 < (size == 3e-6).mean() < 0.6 and 0.2 < (x == 3e-6).mean() < 0.3,
        "at a kink": 0.2 < (x == 0).mean() < 0.3,
        "ties": set(np.unique(x)) == {-2.0, -1.0, 0.0, 1.0, 2.0},
        "tiny spread": 0.9e-3 < x.std() < 1.1e-3 and 0.99 < x.mean() < 1.01,
        "one large entry": (size > 100).sum() == 1,
    }
    assert holds[regime]


def options_of(operation, count=300):
    """What the functions of many seeds were called with."""
    return [right_case(operation, seed)[0].keywords for seed in range(count)]


def test_convolutions_are_of_every_kind():
    drawn = options_of("conv2d")
    assert {options["algorithm"] for options in drawn} == {"auto", "direct", "im2col", "winograd", "fft"}
    assert {options["groups"] for options in drawn} == {1, 2}
    assert {options["flip"] for options in drawn} == {False, True}
    for axis in (0, 1):
        assert {options["stride"][axis] for options in drawn} == {1, 2, 3}
        assert {options["dilation"][axis] for options in drawn} == {1, 2}
    assert any(len(set(options["padding"])) > 2 for options in drawn)
    kernels = {right_case("conv2d", seed)[1][1].shape[2:] for seed in range(300)}
    assert {R for R, _ in kernels} == {S for _, S in kernels} == {1, 2, 3, 4}


def test_pooling_windows_overlap_hang_over_the_edge_and_tie():
    drawn = options_of("max_pool2d")
    assert {options["ceil_mode"] for options in drawn} == {False, True}
    assert any(options["kernel_size"][0] > options["stride"][0] for options in drawn)
    assert any(len(set(options["padding"])) > 2 for options in drawn)
    assert {options["count_include_pad"] for options in options_of("avg_pool2d")} == {False, True}
    tied = [seed for seed in range(100) if regime_of(seed) == "ties"]
    cases = [right_case("max_pool2d", seed) for seed in tied]
    assert any(_has_tie(pool.keywords, image) for pool, [image] in cases if not pool.keywords["ceil_mode"])


def _has_tie(options, image):
    """Whether some window holds its maximum more than once."""
    top, bottom, left, right = options["padding"]
    padded = np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=-np.inf)
    (R, S), (down, across) = options["kernel_size"], options["stride"]
    windows = sliding_window_view(padded, (R, S), (2, 3))[:, :, ::down, ::across]  # (N, C, P, Q, R, S)
    return ((windows == windows.max((4, 5), keepdims=True)).sum((4, 5)) > 1).any()


# Right is what PyTorch says, too


def _torch_conv2d(torch, x, weight, bias=None, *, padding, flip, algorithm, **options):
    top, bottom, left, right = padding
    padded = torch.nn.functional.pad(x, (left, right, top, bottom))
    return torch.nn.functional.conv2d(padded, weight.flip(2, 3) if flip else weight, bias, **options)


def _torch_max_pool2d(torch, x, *, kernel_size, padding, **options):
    top, bottom, left, right = padding
    padded = torch.nn.functional.pad(x, (left, right, top, bottom), value=-np.inf)
    return torch.nn.functional.max_pool2d(padded, kernel_size, **options)


def _torch_cross_entropy(torch, logits, *, targets, weight, **options):
    weight = None if weight is None else torch.tensor(weight)
    return torch.nn.functional.cross_entropy(logits, torch.tensor(targets), weight, **options)


@pytest.mark.parametrize(
    ("operation", "theirs"),
    [("conv2d", _torch_conv2d), ("max_pool2d", _torch_max_pool2d), ("cross_entropy", _torch_cross_entropy)],
)
def test_pytorch_gives_the_same_gradients(operation, theirs):
    torch = oracle("torch")
    for seed in range(5 * len(REGIMES)):
        function, inputs = right_case(operation, seed)
        if function.keywords.get("ceil_mode"):  # PyTorch decides by the end of the image, which padding has moved
            continue
        result = run(function, *inputs, seed=seed)
        tensors = [torch.tensor(array, requires_grad=True) for array in inputs]
        theirs(torch, *tensors, **function.keywords).backward(torch.tensor(result.upstream))
        for i, (actual, tensor) in enumerate(zip(result.gradients, tensors, strict=True)):
            assert_close(actual, tensor.grad.numpy(), 1e-10, f"seed {seed}, {regime_of(seed)}, gradient of input {i}")
