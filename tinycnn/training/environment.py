"""What a result depends on beside the recipe: versions, the BLAS, threads."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinycnn.threads import num_threads
from tinycnn.version import __version__


def environment() -> dict[str, Any]:
    """Versions of tinycnn, Python and NumPy, the BLAS that NumPy calls and its threads, and the processor's kind."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "tinycnn": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas['version']}",
        "threads": num_threads(),
        "machine": platform.machine(),
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is another than it was, in words."""
    return [f"{name} was {then.get(name)} and is {now[name]}" for name in now if then.get(name) != now[name]]
