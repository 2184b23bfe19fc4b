"""Whether anything ran on a GPU: said by a test that is skipped, with the reason, where nothing did."""

import os

import numpy as np
import pytest

import tinycnn as tc
from tests.backends import run, running
from tinycnn.kernels.cuda.source import reals, sources


@pytest.mark.gpu
def test_tests_run_on_a_gpu(record_property):
    problem = tc.gpu.problem()
    if os.environ.get("TINYCNN_TEST_CUDA") == "emulated":
        problem = "what is called CuPy is a stand-in, whose kernels run on the CPU"
    if problem:
        pytest.skip(f"nothing ran on a GPU: {problem}")

    from tinycnn.kernels.cuda import device, launch

    record_property("gpu", device.facts()["name"])
    for name in sources():
        for real in reals(name):
            if device.has_tensor_cores() or not name.endswith("_tf32"):
                launch._module(name, real).compile()
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 7))
    with running("cupy"):
        assert (run(tc.functional.relu, x).y == np.maximum(x, 0)).all()
