"""CUDA kernels on the CPU: the same sources, compiled by g++, on NumPy arrays.

For trusting kernels where there is no GPU, and for learning to write them. Each launch runs twice, with threads and
blocks in ascending and in descending order: results must be the same bit for bit, else threads depend on one another
without a barrier. `emulation.h` tells how threads run.

Examples
--------
>>> import numpy as np
>>> from tinycnn.kernels.cuda import emulate
>>> module = emulate.RawModule(code='''
... extern "C" __global__ void twice(const float* x, float* y, int size) {
...     int i = blockIdx.x * blockDim.x + threadIdx.x;
...     if (i < size) y[i] = 2 * x[i];
... }''')
>>> x, y = np.arange(5, dtype=np.float32), np.empty(5, np.float32)
>>> module.get_function("twice")((1,), (32,), (x, y, np.int32(5)))
>>> y
array([0., 2., 4., 6., 8.], dtype=float32)
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.kernels.cuda.source import FOLDER, kernels_in
from tinycnn.storage import replace, user_cache

HEADERS = FOLDER / "intrinsics.h", FOLDER / "emulation.h"
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fsanitize-sections=emulated_shared")
FLAGS = "-std=c++20", "-g1", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unknown-pragmas"
SANITIZE = "TINYCNN_EMULATE_SANITIZE"  # environment variable that `sanitized_environment` sets

Size = tuple[int, ...]


class CompileError(ValueError):
    """A source that g++ does not take; the message names the file and the line of the first error."""


class LaunchError(ValueError):
    """A launch that would go wrong on a GPU, or not be the same twice; the message says why."""


class RawModule:
    """A compiled source, as ``cupy.RawModule``.

    Parameters
    ----------
    code
        CUDA C++ with kernels declared ``extern "C" __global__ void name(…)``.

    Raises
    ------
    CompileError
        Where g++ refuses it, with the file and line of the first error.
    ModuleNotFoundError
        Where there is no g++.
    """

    def __init__(self, code: str):
        self._kernels = kernels_in(code)
        real = _REAL.search(code)
        self._dtypes = _DTYPES | ({"real": _DTYPES[real[1]]} if real else {})
        self._library = ctypes.CDLL(str(_compiled(_as_cpp(code, tuple(self._kernels)), _sanitized())))

    def get_function(self, name: str) -> Kernel:
        """The kernel of this name.

        Raises
        ------
        ValueError
            When there is none.
        """
        if name not in self._kernels:
            raise ValueError(
                f'the source has no kernel {name!r} (extern "C" __global__ void {name}(…)); it has '
                + (", ".join(self._kernels) or "none")
            )
        return Kernel(name, getattr(self._library, f"emulated_{name}"), self._kernels[name], self._dtypes)


class Kernel:
    """A kernel that runs on NumPy arrays; called as CuPy's are."""

    def __init__(self, name: str, entry: Any, types: list[str], dtypes: Mapping[str, np.dtype[Any]]):
        self.name, self._entry, self._types, self._dtypes = name, entry, types, dtypes
        self._entry.restype = ctypes.c_char_p

    def __call__(self, grid: Size, block: Size, args: Sequence[Any], *, shared_mem: int = 0) -> None:
        """Launch it twice, in either order, and keep the result where both agree.

        Parameters
        ----------
        grid, block
            Blocks, and threads of a block, along up to three axes.
        args
            NumPy arrays for pointers (None for a null pointer), NumPy scalars for numbers, a structured array of one
            element for a struct.
        shared_mem
            Bytes of shared memory that the kernel declares as ``extern __shared__``.

        Raises
        ------
        LaunchError
            For arguments that are not what the kernel takes, sizes that no GPU takes, a barrier that not every thread
            comes to, and results that depend on the order of threads.
        """
        self._check_sizes(grid, block, shared_mem)
        if len(args) != len(self._types):
            raise LaunchError(f"{self.name}: it takes {len(self._types)} arguments, and got {len(args)}")
        for number, (arg, type_) in enumerate(zip(args, self._types, strict=True)):
            self._check(number, arg, type_)
        written = [a for a, type_ in zip(args, self._types, strict=True) if _is_written(a, type_)]
        before = [array.copy() for array in written]
        self._launch(grid, block, args, shared_mem, descending=False)
        ascending = [array.copy() for array in written]
        for array, old in zip(written, before, strict=True):
            array[...] = old
        self._launch(grid, block, args, shared_mem, descending=True)
        for array, other in zip(written, ascending, strict=True):
            if array.tobytes() != other.tobytes():
                differing = int((_bits(array) != _bits(other)).any(-1).sum())
                raise LaunchError(
                    f"{self.name}: {differing} of {array.size} entries of a result depend on which thread runs first: "
                    "let one thread alone write an entry, and put __syncthreads() between writing shared memory and "
                    "another thread's reading it, and before it is written again"
                )

    def _launch(self, grid: Size, block: Size, args: Sequence[Any], shared: int, descending: bool) -> None:
        launch = _Launch(_Dim3(*grid), _Dim3(*block), shared, descending)
        values = [_value(arg, type_) for arg, type_ in zip(args, self._types, strict=True)]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        sizes = (ctypes.c_ulonglong * len(values))(*(ctypes.sizeof(value) for value in values))
        if wrong := self._entry(ctypes.byref(launch), pointers, sizes, len(values)):
            raise LaunchError(f"{self.name}: {wrong.decode()}")

    def _check_sizes(self, grid: Size, block: Size, shared: int) -> None:
        for what, sizes, most in (("grid", grid, (2**31 - 1, 65535, 65535)), ("block", block, (1024, 1024, 64))):
            if not 1 <= len(sizes) <= 3 or not all(1 <= s <= m for s, m in zip(sizes, most, strict=False)):
                raise LaunchError(f"{self.name}: a {what} has one to three sizes from 1 to {most}, got {tuple(sizes)}")
        if int(np.prod(block)) > 1024:
            raise LaunchError(f"{self.name}: a block has at most 1024 threads, got {tuple(block)}")
        if shared > MOST_SHARED:
            raise LaunchError(f"{self.name}: a block has at most {MOST_SHARED} bytes of shared memory, got {shared}")

    def _check(self, number: int, arg: Any, type_: str) -> None:
        pointed = type_.removeprefix("const ").rstrip("* ")
        if type_.endswith("*"):
            if arg is None:
                return
            if not isinstance(arg, np.ndarray) or not arg.flags.c_contiguous:
                raise LaunchError(f"{self.name}: argument {number} is a {type_}: pass a contiguous array")
            if pointed in self._dtypes and arg.dtype != self._dtypes[pointed]:
                raise LaunchError(f"{self.name}: argument {number} is a {type_}, and the array is {arg.dtype}")
        elif arg is None or np.size(arg) != 1:
            raise LaunchError(f"{self.name}: argument {number} is a {type_}: pass one number")


def sanitized_environment() -> dict[str, str]:
    """Environment variables of a Python process whose kernels run under the address and undefined-behaviour sanitizers.

    There a kernel that reads or writes outside an array ends the process, with a report of the file and line.

    Examples
    --------
    >>> import os, subprocess, sys
    >>> from tinycnn.kernels.cuda import emulate
    >>> run = subprocess.run([sys.executable, "-c", "pass"], env=os.environ | emulate.sanitized_environment())
    >>> run.returncode
    0
    """
    libraries = [_gxx("-print-file-name=libasan.so"), _gxx("-print-file-name=libubsan.so")]
    return {
        SANITIZE: "1",
        "LD_PRELOAD": ":".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",  # Python keeps what it has to the end
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def is_available() -> bool:
    """Whether there is a g++ to compile with."""
    return shutil.which("g++") is not None


MOST_SHARED = 232448  # bytes a block can ask for on sm_90, the most of all
_DTYPES = {
    name: np.dtype(dtype)
    for name, dtype in {
        "float": "f4",
        "double": "f8",
        "int": "i4",
        "unsigned": "u4",
        "long long": "i8",
        "unsigned long long": "u8",
        "signed char": "i1",
        "unsigned char": "u1",
        "short": "i2",
        "unsigned short": "u2",
        "bool": "?",
    }.items()
}
_REAL = re.compile(r"^typedef (float|double) real;", re.MULTILINE)


class _Dim3(ctypes.Structure):
    _fields_ = (("x", ctypes.c_uint), ("y", ctypes.c_uint), ("z", ctypes.c_uint))

    def __init__(self, *sizes: int):
        super().__init__(*sizes, *(1,) * (3 - len(sizes)))


class _Launch(ctypes.Structure):
    """As in emulation.h."""

    _fields_ = (("grid", _Dim3), ("block", _Dim3), ("shared", ctypes.c_ulonglong), ("descending", ctypes.c_int))


def _value(arg: Any, type_: str) -> Any:
    """What a kernel's parameter is made of: an address for a pointer, else the bytes of the number or the struct."""
    if type_.endswith("*"):
        return ctypes.c_void_p(None if arg is None else arg.ctypes.data)
    number = np.asarray(arg)
    return (ctypes.c_char * number.itemsize).from_buffer_copy(number.tobytes())


def _is_written(arg: Any, type_: str) -> bool:
    return arg is not None and type_.endswith("*") and not type_.startswith("const ")


def _bits(array: Array) -> Array:
    return array.reshape(-1, 1).view(np.uint8)


def _sanitized() -> bool:
    return bool(os.environ.get(SANITIZE))


def _as_cpp(code: str, kernels: Sequence[str]) -> str:
    """The source as C++: behind the emulation, in a namespace of its own, and with a plain entry for each kernel."""
    shared = re.compile(r"extern\s+__shared__\s+([\w ]+?)\s+(\w+)\[\]\s*;")
    body = shared.sub(r"\1* \2 = (\1*)emulation::shared_memory();", code).replace('extern "C" __global__', "__global__")
    entries = (
        f'extern "C" __attribute__((visibility("default"))) const char* emulated_{name}('
        "const emulation::Launch& launch, void** arguments, const unsigned long long* sizes, int given) "
        f"{{ return emulation::run_kernel(kernels::{name}, launch, arguments, sizes, given); }}"
        for name in kernels
    )
    parts = ('#include "intrinsics.h"', "namespace kernels {", '#line 1 "kernel.cu"', body, "}", *entries, "")
    return "\n".join(parts)


@cache
def _compiled(code: str, sanitized: bool) -> Path:
    """The library made of a text, from the user's cache where it has been made before."""
    flags = (*FLAGS, *(("-O0", *SANITIZERS) if sanitized else ("-O1",)))  # compiling is most of what a test takes
    made_of = "\0".join((code, *(header.read_text() for header in HEADERS), *flags, _gxx("-dumpfullversion")))
    library = user_cache() / "emulated" / f"{sha256(made_of.encode()).hexdigest()[:32]}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        replace(library, lambda temporary: _compile(code, flags, temporary))
    return library


def _compile(code: str, flags: Sequence[str], library: Path) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "emulated.cpp")
        path.write_text(code)
        command = ["g++", *flags, f"-I{FOLDER}", str(path), "-o", str(library)]
        run = subprocess.run(command, capture_output=True, text=True, env=_unsanitized())
    if run.returncode:
        errors = [line for line in run.stderr.splitlines() if "error" in line]
        raise CompileError(f"g++ does not take the kernel: {errors[0] if errors else run.stderr.strip()}")


@cache
def _gxx(question: str) -> str:
    """What g++ says of itself."""
    if not is_available():
        raise ModuleNotFoundError("CUDA kernels run on the CPU by way of g++, and there is none: install g++")
    return subprocess.run(
        ["g++", question], capture_output=True, text=True, check=True, env=_unsanitized()
    ).stdout.strip()


def _unsanitized() -> dict[str, str]:
    """The process's environment without the sanitizer's library, which the compiler need not run under; in English."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"} | {"LC_ALL": "C"}
