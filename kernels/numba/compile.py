"""Compile kernels with Numba: for this processor's widest vectors, kept on disk, and never silently for long.

Numba keeps machine code beside the source and notices when that one file changes, but not when a function changes that
was inlined from another file. So the kernels of a module are kept in a folder of the user's whose name is a hash of its
source and of all sources here that it draws on (and of whether bounds are checked, which Numba's own cache ignores).
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from llvmlite import binding

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

HOST = binding.get_host_cpu_features()
if HOST.get("avx512f") and "numba" not in sys.modules:  # LLVM would split 512-bit vectors in two on most processors
    os.environ.setdefault("NUMBA_CPU_FEATURES", HOST.flatten() + ",-prefer-256-bit")

import numba  # noqa: E402
from numba import config  # noqa: E402
from numba.core import event  # noqa: E402

SPINS = "2000"
"""How often a thread of GNU's OpenMP looks for work before it sleeps: some 10 µs.

By its default it looks for milliseconds, and where another process has a core, keeps out the very thread that all wait
for: LeNet-5's step then took 144 ms on two busy cores, and 14 to 19 ms with this.
"""


def _start_threads() -> None:
    """Load Numba's threading layer, which reads its settings then, and leave the environment as it was."""
    ours = not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys()
    if ours:
        os.environ["GOMP_SPINCOUNT"] = SPINS
    numba.get_num_threads()
    if ours:
        del os.environ["GOMP_SPINCOUNT"]


_start_threads()


def kernel(function: Kernel) -> Kernel:
    """Compile a function when it is first called with arguments of some types; never under the interpreter's lock."""
    return _compiled(function, parallel=False)


def fusing_kernel(function: Kernel) -> Kernel:
    """As `kernel`, but a product is added to in the same instruction where the processor has one: rounded once."""
    return _compiled(function, parallel=False, fastmath={"contract"})


def parallel_kernel(function: Kernel) -> Kernel:
    """As `kernel`, with the iterations of ``numba.prange`` shared among threads."""
    return _compiled(function, parallel=True)


def inlined(function: Kernel) -> Kernel:
    """Compile as a part of the kernels that call it, and keep nothing on disk by itself."""
    made: Kernel = numba.njit(error_model="numpy", nogil=True)(function)
    return made


def fusing_inlined(function: Kernel) -> Kernel:
    """As `inlined`, with products added to in the same instruction as in a `fusing_kernel`."""
    made: Kernel = numba.njit(error_model="numpy", nogil=True, fastmath={"contract"})(function)
    return made


def _compiled(function: Kernel, **options: Any) -> Kernel:
    options |= {"error_model": "numpy", "nogil": True}
    folder = cache_folder(function.__module__.rpartition(".")[2])
    kept, config.CACHE_DIR = config.CACHE_DIR, folder
    try:
        made: Any = numba.njit(cache=True, **options)(function)
        is_kept = made.stats.cache_path.startswith(folder)  # else beside the source, where it would be found stale
    except RuntimeError:  # no folder can be written
        is_kept = False
    finally:
        config.CACHE_DIR = kept
    if not is_kept:
        _say_that_nothing_is_kept(os.path.dirname(folder))
        made = numba.njit(**options)(function)
    return cast(Kernel, made)


@cache
def cache_folder(module: str) -> str:
    """Where machine code of a module is kept: under NUMBA_CACHE_DIR, or in the user's cache."""
    digest = hashlib.sha256(f"{numba.__version__} {config.BOUNDSCHECK}".encode())
    for source in sorted(_sources(module)):
        digest.update(source.encode())
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if not os.path.isabs(home):  # nobody knows the home folder
        home = tempfile.gettempdir()
    return os.path.join(config.CACHE_DIR or os.path.join(home, "tinycnn"), f"{module}-{digest.hexdigest()[:16]}")


def _sources(module: str) -> set[str]:
    """The source of a module here, and of all modules of kernels that it names, directly or not."""
    found: dict[Path, str] = {}
    waiting: list[tuple[str, ...]] = [("numba", module)]
    while waiting:
        path = Path(__file__).parents[1].joinpath(*waiting.pop()).with_suffix(".py")
        if path not in found and path.exists():
            found[path] = path.read_text(encoding="utf-8")
            named = re.findall(r"tinycnn\.kernels\.(\w+)(?:\.(\w+))?(?: import (\([^)]*\)|.*))?", found[path])
            for package, inside, names in named:
                waiting += [(package,), *((package, name) for name in (inside, *re.findall(r"\w+", names)) if name)]
    return set(found.values())


@cache
def _say_that_nothing_is_kept(folder: str) -> None:
    warnings.warn(
        f"the folder {folder} cannot be written, so the Numba kernels are compiled again in each process; "
        "set NUMBA_CACHE_DIR to a folder that can be",
        RuntimeWarning,
        stacklevel=2,
    )


class _Announcement(event.Listener):
    """Says once a process that kernels are being compiled, as it takes seconds in which nothing else happens."""

    said = False

    def on_start(self, event: Any) -> None:
        """Called by Numba before it compiles anything, not where it finds it on disk."""
        if not self.said and event.data["dispatcher"].py_func.__module__.startswith(__package__):
            self.said = True
            print("tinycnn: compiling kernels for this processor, once; later runs start at once", file=sys.stderr)

    def on_end(self, event: Any) -> None:
        """Nothing to say."""


_ANNOUNCEMENT = _Announcement()
event.register("numba:compile", _ANNOUNCEMENT)


def has_compiled() -> bool:
    """Whether this process has compiled kernels that were not on disk; the compiler's memory stays with it."""
    return _ANNOUNCEMENT.said
