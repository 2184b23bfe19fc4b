"""The GPU: whether there is one that can be used, and what went wrong on it, in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import cupy

from tinycnn.gpu import cuda_version
from tinycnn.wording import readable_bytes


@contextmanager
def explained() -> Iterator[None]:
    """Turn what CuPy raises into what a user can act on.

    Raises
    ------
    MemoryError
        When the GPU has too little memory: how much was asked for, how much is free, of how much.
    RuntimeError
        When a source does not compile, with file and line.
    """
    try:
        yield
    except cupy.cuda.memory.OutOfMemoryError as error:
        asked = int((re.findall(r"[\d,]+", str(error)) or ["0"])[0].replace(",", ""))
        free, total = memory()
        raise MemoryError(
            f"the GPU has too little memory: {readable_bytes(asked)} asked for, {readable_bytes(free)} of "
            f"{readable_bytes(total)} free"
        ) from None
    except cupy.cuda.compiler.CompileException as error:
        raise RuntimeError(f"a kernel does not compile for this GPU: {_first_error(str(error))}") from None


@cache
def has_tensor_cores() -> bool:
    """Whether the GPU multiplies TF32: from Ampere, compute capability 8.0, on."""
    return int(cupy.cuda.Device().compute_capability) >= 80


def memory() -> tuple[int, int]:
    """Bytes of the GPU that can be had, what CuPy keeps for reuse among them, and bytes in all."""
    free, total = cupy.cuda.runtime.memGetInfo()
    return free + cupy.get_default_memory_pool().free_bytes(), total


def used() -> int:
    """Bytes of the GPU that hold arrays now."""
    return int(cupy.get_default_memory_pool().used_bytes())


def facts() -> dict[str, Any]:
    """What results depend on: the GPU's ``name``, its ``memory`` in bytes, and versions of CuPy and CUDA."""
    runtime = cupy.cuda.runtime
    return {
        "name": runtime.getDeviceProperties(runtime.getDevice())["name"].decode(),
        "memory": memory()[1],
        "cupy": cupy.__version__,
        "cuda": cuda_version(runtime.runtimeGetVersion()),
        "driver": cuda_version(runtime.driverGetVersion()),
    }


def _first_error(log: str) -> str:
    """``pooling.cu(12): error: …`` out of a compiler's log."""
    lines = [line.strip() for line in log.splitlines()]
    return next((line for line in lines if ": error:" in line), lines[0] if lines else "no reason given")
