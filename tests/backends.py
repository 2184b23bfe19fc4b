"""Run an operation on every backend: arrays go in as NumPy's and come out as NumPy's, and nothing else may change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinycnn as tc
from tests.cases import laid_out
from tests.numeric import STEP, assert_close, central_difference
from tinycnn import gpu
from tinycnn.arrays import is_cupy
from tinycnn.backend import load_kernels
from tinycnn.function import Function
from tinycnn.hooks import Call, watch

Array = np.ndarray

_running = {"backend": "numpy"}


def _algorithms(*also: str) -> pytest.MarkDecorator:
    """Parametrise over the convolution algorithms of every backend; ``backend`` is the fixture of conftest.py."""
    pairs = [
        (name, algorithm) for name in tc.available_backends() for algorithm in (*also, *load_kernels(name).algorithms)
    ]
    return pytest.mark.parametrize(("backend", "algorithm"), pairs, indirect=["backend"])


every_algorithm = _algorithms("auto")
every_named_algorithm = _algorithms()


on_gpu = [pytest.param("cupy", marks=pytest.mark.skipif("cupy" not in tc.available_backends(), reason=gpu.problem()))]


@pytest.fixture(params=on_gpu)
def chosen(request: pytest.FixtureRequest) -> Iterator[str]:
    """The cupy backend is chosen."""
    with tc.use_backend(request.param):
        yield request.param


@pytest.fixture(params=on_gpu)
def there(request: pytest.FixtureRequest) -> Iterator[Callable[[Array], Any]]:
    """Copies an array to the GPU, while a backend of main memory is chosen."""
    with tc.use_backend("numpy"):
        yield lambda array: tc.Tensor(array).to(request.param).data


@contextmanager
def running(backend: str) -> Iterator[str]:
    """Compute on this backend until the end of the block."""
    previous = _running["backend"]
    _running["backend"] = backend
    try:
        with tc.use_backend(backend):
            yield backend
    finally:
        _running["backend"] = previous


def running_backend() -> str:
    """The one that computes now."""
    return _running["backend"]


def to_backend(array: Array) -> Any:
    """The array where the running backend computes: itself, or a copy on the GPU."""
    if _running["backend"] != "cupy":
        return array
    import cupy

    there = cupy.asarray(array.astype(array.dtype.newbyteorder("=")))
    if not array.ndim or array.flags.c_contiguous or array.flags.f_contiguous:
        return there
    wide = cupy.asarray(np.full((*array.shape[:-1], 2 * array.shape[-1] + 1), np.nan, there.dtype))
    wide[..., 1::2] = there
    return wide[..., 1::2]


def to_numpy(array: Any) -> Array:
    """The array in main memory."""
    return array.get() if is_cupy(array) else array


class Result(NamedTuple):
    """What an operation gave, and the gradients that it gave back for a random upstream gradient."""

    y: Array
    upstream: Array
    gradients: list[Array]


class Upstream(Function):
    """Identity whose backward hands on one given array: the very memory that the operation's backward then sees."""

    def __init__(self, upstream: Any):
        self.held = (upstream,)  # not an attribute of its own: the engine copies a gradient that a Function keeps

    def forward(self, y: Any) -> Any:
        return y

    def backward(self, grad: Any) -> Any:
        return self.held[0]


def run(
    operation: Callable[..., tc.Tensor],
    *arrays: Array,
    seed: int = 0,
    upstream: Array | None = None,
    layout: str = "contiguous",
) -> Result:
    """Forward and backward of ``operation`` on Tensors of these arrays, each of which requires its gradient.

    The upstream gradient is random, or as given, and has a memory ``layout`` from `cases.LAYOUTS`. Whatever is run here
    is also held to three promises: inputs and upstream gradient stay unchanged, and float32 stays float32.
    """
    moved = [to_backend(array) for array in arrays]
    before = [to_numpy(array).tobytes() for array in moved]
    tensors = [tc.Tensor(array, requires_grad=True) for array in moved]
    with watch(_same_dtype_throughout):
        y = operation(*tensors)
        if upstream is None:
            upstream = np.random.default_rng([seed, 1]).standard_normal(y.shape)
        # A gradient is made by the engine, so its byte order is always native.
        upstream = laid_out(upstream.astype(y.dtype), "contiguous" if layout == "byte_swapped" else layout)
        handed = to_backend(upstream)
        bytes_handed = upstream.tobytes()
        Upstream(handed)(y).backward(to_backend(np.zeros(y.shape, y.dtype)))
    assert [to_numpy(array).tobytes() for array in moved] == before, "an input was changed"
    assert to_numpy(handed).tobytes() == bytes_handed, "the upstream gradient was changed"
    return Result(to_numpy(y.data), upstream, [to_numpy(tensor.grad) for tensor in tensors])


def forward_only(operation: Callable[..., tc.Tensor]) -> Callable[..., Array]:
    """The operation as a function of plain arrays, as finite differences take it."""

    def plain(*arrays: Array) -> Array:
        with tc.no_grad():
            return to_numpy(operation(*(tc.Tensor(to_backend(array)) for array in arrays)).data)

    return plain


def assert_gradients_hold(
    operation: Callable[..., tc.Tensor],
    *arrays: Array,
    seed: int = 0,
    h: float = STEP,
    tolerance: float = 1e-8,
    layout: str = "contiguous",
) -> None:
    """Every gradient of the operation, in float64, equals central differences under a random upstream gradient."""
    result = run(operation, *arrays, seed=seed, layout=layout)
    expected = central_difference(forward_only(operation), arrays, result.upstream, h)
    for i, (actual, wanted) in enumerate(zip(result.gradients, expected, strict=True)):
        # A derivative near 0 is a difference of outputs whose rounding does not shrink with it: hence the scale.
        assert_close(actual, wanted, tolerance, f"gradient of input {i}", scale=np.abs(result.upstream).max(initial=0))


def _same_dtype_throughout(call: Call) -> None:
    """No Function may widen: the walk back would cast its gradient again, and hide it."""
    given = {array.dtype for array in call.inputs if array is not None and array.dtype.kind == "f"}
    made = {array.dtype for array in call.outputs if array is not None and array.dtype.kind == "f"}
    name = f"{type(call.function).__name__}.{call.phase}"
    assert len(given) != 1 or made <= given or name.startswith("Cast."), f"{name} made {made} of {given}"
