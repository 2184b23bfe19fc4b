"""The GPU: whether there is one that can be used, and what went wrong on it, in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import cupy

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
            f"the GPU has too little memory: {readable_bytes(asked)} asked for, {readable_bytes(free)} of {readable_bytes(total)} free"
        ) from None
    except cupy.cuda.compiler.CompileException as error:
        raise RuntimeError(f"a kernel does not compile for this GPU: {_first_error(str(error))}") from None


def memory() -> tuple[int, int]:
    """Bytes of the GPU that can be had, what CuPy keeps for reuse among them, and bytes in all."""
    free, total = cupy.cuda.runtime.memGetInfo()
    return free + cupy.get_default_memory_pool().free_bytes(), total


def _first_error(log: str) -> str:
    """``pooling.cu(12): error: …`` out of a compiler's log."""
    lines = [line.strip() for line in log.splitlines()]
    return next((line for line in lines if ": error:" in line), lines[0] if lines else "no reason given")
