"""What a result depends on beside the recipe: versions, the BLAS, threads."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinycnn.backend import algorithm_table
from tinycnn.threads import num_threads
from tinycnn.version import __version__


def environment() -> dict[str, Any]:
    """Versions of tinycnn, Python and NumPy, the BLAS, threads, the processor's kind, and what chooses algorithms.

    The BLAS is told with the family of processors whose kernels it has chosen, for they round differently.
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
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is another than it was, in words."""
    return [f"{name} was {then.get(name)} and is {now[name]}" for name in now if then.get(name) != now[name]]
