"""A training step on the numba backend allocates no large array after the first steps, and holds no more memory."""

import tracemalloc

import numpy as np
import pytest

pytest.importorskip("numba")

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.kernels.numba.workspace import WORKSPACE

LARGE = 1 << 15  # bytes: what smaller arrays take, the allocator keeps by itself


def step_of_lenet():
    tc.manual_seed(0)
    model = tc.models.lenet5()
    optimiser = tc.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    rng = np.random.default_rng(0)
    x, targets = rng.standard_normal((64, 1, 32, 32)).astype(np.float32), rng.integers(0, 10, 64)

    def step() -> None:
        optimiser.zero_grad()
        loss = F.cross_entropy(model(tc.Tensor(x)), targets)
        loss.backward()
        optimiser.step()

    return step


def peaks(step, steps):
    """How far the memory that Python and NumPy allocate rises above where it was, in each step."""
    found = []
    for _ in range(steps):
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        step()
        found.append(tracemalloc.get_traced_memory()[1] - before)
    return found


def test_from_the_third_step_on_no_large_array_is_allocated():
    tracemalloc.start()
    try:
        with tc.use_backend("numba"):
            step = step_of_lenet()
            WORKSPACE.release()  # what earlier tests left would serve the first step
            first, *_ = peaks(step, 2)
            held = WORKSPACE.bytes
            later = peaks(step, 5)
        with tc.use_backend("numpy"):
            plain = peaks(step_of_lenet(), 3)[-1]
    finally:
        tracemalloc.stop()
    assert max(later) < LARGE
    assert WORKSPACE.bytes == held
    assert min(first, plain) > 20 * LARGE  # or this would measure nothing: the same arrays, allocated
