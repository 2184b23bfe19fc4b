"""Settings shared by all tests."""

import os
import tempfile

# Small products gain nothing from threads, and two libraries' threads on the same cores wait for each other.
# Before the first import of NumPy, which reads it once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

# Choices that a user has stored are neither read nor written: there is no such file. See tests/tuned.py.
os.environ["TINYCNN_TUNED"] = os.path.join(tempfile.gettempdir(), f"tinycnn-tests-{os.getpid()}", "convolutions.json")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

CUDA = os.environ.get("TINYCNN_TEST_CUDA", "")
EMULATED = CUDA == "emulated"  # the cupy backend on the CPU; .ci/run does so

if EMULATED:
    from tests import cupy_stand_in

    cupy_stand_in.install()
elif CUDA == "unpooled":  # for compute-sanitizer: what lies beside an array on the GPU belongs to nobody
    import cupy

    cupy.cuda.set_allocator(None)

COMMON = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=100, **COMMON)
settings.register_profile("emulated", max_examples=10, **COMMON)  # where each takes long
settings.register_profile("few", max_examples=3, **COMMON)  # where each takes very long
settings.register_profile("full", max_examples=500, **COMMON)  # as many as .ci/run full has time for
settings.load_profile(os.environ.get("TINYCNN_TEST_PROFILE", "default"))


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in each run."""
    return np.random.default_rng(20260101)


NEED_NO_GPU = ("test_cuda_compile.py", "test_cuda_emulation.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on a GPU, where there is one: ``-m gpu`` then selects it."""
    from tinycnn import gpu

    if not EMULATED and not gpu.problem():
        for item in items:
            parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
            on_cupy = any(isinstance(value, str) and value == "cupy" for value in parameters)
            if on_cupy or (item.path.name.startswith("test_cuda_") and item.path.name not in NEED_NO_GPU):
                item.add_marker("gpu")


def pytest_sessionfinish() -> None:
    """Tell other processes which kernels were launched in this one."""
    if EMULATED and (folder := os.environ.get("TINYCNN_TEST_LAUNCHES")):
        from tests import launches

        launches.write(folder)
