"""What a result depends on beside the recipe: versions, the BLAS, threads, the GPU."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinycnn.backend import algorithm_table, current_backend
from tinycnn.gpu import tf32_allowed
from tinycnn.threads import num_threads
from tinycnn.version import __version__


def environment() -> dict[str, Any]:
    """Versions of tinycnn, Python and NumPy, the BLAS, threads, the processor's kind, and what chooses algorithms.

    The BLAS is told with the family of processors whose kernels it has chosen, for they round differently. On the cupy
    backend also the GPU, versions of CuPy and CUDA, and whether TF32 is allowed.
    """
    from threadpoolctl import threadpool_info

    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    names = (f"{blas['internal_api']} {blas['version']} {blas.get('architecture', '')}".strip() for blas in libraries)
    return {
        "tinycnn": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": ", ".join(names) or "unknown",
        "threads": num_threads(),
        "machine": platform.machine(),
        "algorithms": algorithm_table(),
        **(_of_gpu() if current_backend() == "cupy" else {}),
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is another than it was, in words."""
    return [f"{name} was {then.get(name)} and is {now[name]}" for name in now if then.get(name) != now[name]]


def _of_gpu() -> dict[str, Any]:
    from tinycnn.kernels.cuda import device

    facts = device.facts()
    return {
        "gpu": facts["name"],
        "cupy": facts["cupy"],
        "cuda": facts["cuda"],
        "tf32": "allowed" if tf32_allowed() else "not allowed",
    }
