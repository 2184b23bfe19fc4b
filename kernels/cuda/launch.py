"""How a kernel is called: found in its source by name, compiled for this GPU at its first call, given its arguments.

A number that a kernel takes as `int` is passed as an int here, `long long` as a `Long`, `real` as a float: what the
declaration in the source says decides. Arrays go as they are, and must lie in one piece; None is a null pointer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import cupy
import numpy as np

from tinycnn.arrays import Array
from tinycnn.geometry import ConvGeometry, PoolGeometry
from tinycnn.kernels.cuda.device import explained
from tinycnn.kernels.cuda.source import kernels_in, real_of, source

THREADS = 256  # of a block, where a kernel does not ask for a number of its own; not tuned
MOST_BLOCKS = 1 << 16  # where threads take several entries each
OPTIONS = ("-std=c++17",)

Size = tuple[int, ...]

RECORD = np.dtype(
    [
        (name, np.int32)
        for name in (
            *("N", "C", "H", "W", "K", "R", "S", "P", "Q", "groups"),
            *("stride_h", "stride_w", "top", "bottom", "left", "right", "dilation_h", "dilation_w"),
        )
    ]
)
"""`Geometry` of common.cuh."""


def launch(file: str, kernel: str, like: Array, grid: Size, block: Size, *arguments: Any, shared: int = 0) -> None:
    """Start a kernel on the current stream.

    Parameters
    ----------
    file, kernel
        The source without ``.cu``, and the kernel in it.
    like
        An array of the dtype that ``real`` shall be.
    grid, block
        Blocks, and threads of a block, along up to three axes. A grid of none starts nothing.
    arguments
        The kernel's.
    shared
        Bytes of dynamic shared memory.

    Raises
    ------
    RuntimeError
        When the source does not compile for this GPU, with file and line.
    """
    if not all(grid):
        return
    with explained():
        function, types = _function(file, kernel, real_of(like.dtype))
        numbers = [_number(argument, type_, like) for argument, type_ in zip(arguments, types, strict=True)]
        function(grid, block, tuple(numbers), shared_mem=shared)


def for_entries(size: int) -> tuple[Size, Size]:
    """Grid and block for FOR_EACH_ENTRY."""
    return (min(-(-size // THREADS), MOST_BLOCKS),), (THREADS,)


def for_cells(planes: int, cells: int) -> tuple[Size, Size]:
    """Grid and block for FOR_EACH_CELL: a warp or more a plane, and as many planes a block as there is room for."""
    if not cells:
        return (0,), (1,)
    across = min(THREADS, -(-cells // 32) * 32)
    down = THREADS // across
    return (-(-planes // down),), (across, down)


def contiguous(array: Array) -> Array:
    """The array, or a copy that lies in one piece."""
    return cupy.ascontiguousarray(array)


def empty(shape: Sequence[int], like: Array, dtype: Any = None) -> Array:
    """Memory on the GPU, not set to anything.

    Raises
    ------
    MemoryError
        Where there is not enough: how much was asked for, and how much is free.
    """
    with explained():
        return cupy.empty(shape, dtype or like.dtype)


@lru_cache(maxsize=1024)
def record(geometry: ConvGeometry | PoolGeometry) -> Array:
    """A geometry as kernels take it. Planes of a pooling count as images of one channel; their number is not in it."""
    g = geometry
    N, C, K, groups = (g.N, g.C, g.K, g.groups) if isinstance(g, ConvGeometry) else (1, 1, 1, 1)
    numbers = (N, C, g.H, g.W, K, g.R, g.S, g.P, g.Q, groups, *g.stride, *g.padding, *g.dilation)
    return np.array([numbers], RECORD)


def _number(argument: Any, type_: str, like: Array) -> Any:
    """An argument as CuPy takes it: with the size that the kernel's declaration says."""
    if type_.endswith("*") or isinstance(argument, np.ndarray):
        return argument
    if type_ == "real":
        return like.dtype.type(argument)
    return {"int": np.int32, "unsigned": np.uint32, "unsigned long long": np.uint64, "double": np.float64}.get(
        type_, np.int64
    )(argument)


@cache
def _function(file: str, kernel: str, real: str) -> tuple[Any, list[str]]:
    """A kernel and the types of its parameters."""
    return _module(file, real).get_function(kernel), kernels_in(source(file, real))[kernel]


@cache
def _module(file: str, real: str) -> Any:
    return cupy.RawModule(code=source(file, real), options=OPTIONS)
