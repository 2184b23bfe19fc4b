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

EMULATED = os.environ.get("TINYCNN_TEST_CUDA") == "emulated"  # the cupy backend on the CPU; .ci/run does so

if EMULATED:
    from tests import cupy_stand_in

    cupy_stand_in.install()

COMMON = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=100, **COMMON)
settings.register_profile("emulated", max_examples=25, **COMMON)  # where each takes long
settings.register_profile("full", max_examples=2000, **COMMON)
settings.load_profile(os.environ.get("TINYCNN_TEST_PROFILE", "default"))


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in each run."""
    return np.random.default_rng(20260101)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on a GPU, where there is one: ``-m gpu`` then selects it."""
    from tinycnn import gpu

    if not EMULATED and not gpu.problem():
        for item in items:
            parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
            if any(isinstance(value, str) and value == "cupy" for value in parameters):
                item.add_marker("gpu")


def pytest_sessionfinish() -> None:
    """Tell other processes which kernels were launched in this one."""
    if EMULATED and (folder := os.environ.get("TINYCNN_TEST_LAUNCHES")):
        from tests import launches

        launches.write(folder)
