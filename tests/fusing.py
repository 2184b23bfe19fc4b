"""What tests of fused Functions share: kernels that fuse on every backend, and a look at the graph that was made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinycnn as tc
from tests.backends import Result
from tinycnn.arrays import is_array, owner
from tinycnn.backend import Kernels, load_kernels
from tinycnn.function import Function

Array = np.ndarray


@contextmanager
def fusing(backend: str) -> Iterator[None]:
    """Give each convolution algorithm of the backend that has no ``forward_relu`` one: ReLU after convolution, plainly.

    So the fused Functions are tested on a machine without Numba too, and with algorithms that no backend fuses.
    """
    kernels = load_kernels(backend)
    with pytest.MonkeyPatch.context() as patch:
        for name in kernels.algorithms:
            module = getattr(kernels, f"conv_{name}")
            if not hasattr(module, "forward_relu"):
                patch.setattr(module, "forward_relu", one_after_the_other(kernels, module), raising=False)
        yield


def one_after_the_other(kernels: Kernels, module: ModuleType) -> Callable[..., Array]:
    """A ``forward_relu`` for an algorithm that has none."""

    def forward_relu(x: Array, weight: Array, bias: Array | None, geometry: Any) -> Array:
        return kernels.relu_forward(module.forward(x, weight, bias, geometry))

    return forward_relu


def assert_same_bits(actual: Result, expected: Result, repeats: bool = True) -> None:
    """Output and all gradients are equal in every bit, the sign of zeros and of NaN with them.

    Unless the kernels do not even repeat their own bits: einsum adds in an order that depends on where in memory its
    operands begin, and BLAS in one that depends on whether rows or columns lie side by side (72 of 192 small products
    by OpenBLAS for AVX-512 differ in a bit).
    """
    pairs = zip(("y", "dx", "dw", "db"), [actual.y, *actual.gradients], [expected.y, *expected.gradients], strict=False)
    assert len(actual.gradients) == len(expected.gradients)
    for what, a, b in pairs:
        assert (a.shape, a.dtype) == (b.shape, b.dtype), what
        if not repeats:
            largest = np.abs(b[np.isfinite(b)]).max(initial=0)
            np.testing.assert_allclose(a, b, 0, 16 * np.finfo(b.dtype).eps * largest, err_msg=what)
            continue
        np.testing.assert_array_equal(a, b, err_msg=what)  # says where, if more than the sign of a zero differs
        assert a.tobytes() == b.tobytes(), f"{what} differs in its bits"


def functions_behind(y: tc.Tensor) -> list[Function]:
    """The Functions that a Tensor was made by, the first first; for a chain in which none forks."""
    found: list[Function] = []
    tensor: tc.Tensor | None = y
    while tensor is not None and tensor.creator is not None:
        found.insert(0, tensor.creator)
        tensor = tensor.creator.inputs[0]
    return found


def names_behind(y: tc.Tensor) -> str:
    """The names of these Functions' classes, with spaces between."""
    return " ".join(type(function).__name__ for function in functions_behind(y))


def bytes_alive(y: tc.Tensor) -> int:
    """Memory that the graph behind a Tensor holds: what its Functions keep, and the Tensors that join them."""
    arrays: list[Array] = [y.data]
    for function in functions_behind(y):
        arrays += [value for value in vars(function).values() if is_array(value)]
        arrays += [tensor.data for tensor in function.inputs]
    return sum({id(owner(array)): array.nbytes for array in arrays}.values())
