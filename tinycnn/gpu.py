"""The GPU as the rest of the engine sees it: whether it can be used, and whether it may round to TF32."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from types import TracebackType
from typing import Any

import numpy as np


@cache
def problem() -> str:
    """Why no GPU can be used here, with the nearest remedy; nothing where one can. Imports CuPy where it is installed.

    Examples
    --------
    >>> import tinycnn as tc
    >>> ("cupy" in tc.available_backends()) == (not tc.gpu.problem())
    True
    """
    if find_spec("cupy") is None:
        return (
            "CuPy is not installed: pip install 'tinycnn[cuda13]' for drivers from CUDA 13 on, 'tinycnn[cuda12]' before"
        )
    try:
        import cupy
    except ImportError as error:  # CuPy tells much; what it was raised from is one line
        return f"CuPy cannot be imported: {str(error.__cause__ or error).strip().splitlines()[0]}"
    runtime = cupy.cuda.runtime
    try:
        return "" if runtime.getDeviceCount() else "the driver finds no NVIDIA GPU"
    except runtime.CUDARuntimeError as error:
        try:
            driver = runtime.driverGetVersion()
        except runtime.CUDARuntimeError:
            driver = 0
        return _told(driver, runtime.runtimeGetVersion(), str(error))


def _told(driver: int, needed: int, error: str) -> str:
    """In words, from the CUDA version of the driver (0 for none), the one CuPy is made for, and CUDA's own words."""
    if not driver:
        return "there is no NVIDIA driver: install it, or run on a machine with an NVIDIA GPU"
    if driver < needed and "InsufficientDriver" in error:
        return (
            f"the NVIDIA driver serves CUDA {cuda_version(driver)}, and this CuPy needs {cuda_version(needed)}: "
            f"update the driver, or pip install cupy-cuda{driver // 1000}x in its place"
        )
    if "NoDevice" in error:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        return "the driver finds no NVIDIA GPU" + ("" if hidden is None else f", as CUDA_VISIBLE_DEVICES={hidden!r}")
    return f"CUDA says {error}"


def cuda_version(number: int) -> str:
    """As people write it: 13000 is 13.0."""
    return f"{number // 1000}.{number % 1000 // 10}"


_tf32 = [False]


class allow_tf32:
    """Let matrix products of float32 on a GPU round their factors to TF32: 10 bits of mantissa in place of 23.

    Tensor cores multiply such numbers several times as fast. A product is then right to about 3 decimal digits instead
    of 7; sums stay float32. It is off at first. A setter, or a context manager that restores the last choice. On a CPU,
    and on GPUs before Ampere, nothing changes.

    Parameters
    ----------
    allowed
        Whether to.

    Examples
    --------
    >>> import tinycnn as tc
    >>> with tc.allow_tf32():
    ...     tc.gpu.tf32_allowed()
    True
    >>> tc.gpu.tf32_allowed()
    False
    """

    def __init__(self, allowed: bool = True):
        self._previous = _tf32[0]
        _tf32[0] = bool(allowed)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _tf32[0] = self._previous


def tf32_allowed(dtype: Any = np.float32) -> bool:
    """Whether products of numbers of this dtype may be rounded to TF32 now."""
    return _tf32[0] and np.dtype(dtype) == np.float32


_capturing = [False]


@contextmanager
def capturing() -> Iterator[None]:
    """Tell that what is asked of the GPU in this block is recorded in a graph and not done: nobody may wait for it."""
    _capturing[0] = True
    try:
        yield
    finally:
        _capturing[0] = False


def is_capturing() -> bool:
    """Whether a graph is being recorded, so that no number can be read from the GPU to be looked at."""
    return _capturing[0]
