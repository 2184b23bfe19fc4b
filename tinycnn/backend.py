"""Which kernels run: a backend chosen by name, a convolution algorithm chosen by name, the lookup by array type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType, TracebackType
from typing import Any

import numpy as np

from tinycnn import gpu, tuning
from tinycnn.arrays import Array, on_gpu, to_cupy
from tinycnn.threads import remembered_threads_of, share_out

ALGORITHMS = ("auto", "direct", "im2col", "winograd", "fft", "implicit_gemm")
MOST_DECISIONS = 4096


class Kernels:
    """The kernels of one backend under one roof; what the backend lacks is the NumPy kernel of the same name.

    Parameters
    ----------
    name
        Name of the backend.
    package
        Package whose attributes are the kernels.
    reference
        The NumPy kernels to fall back on, None for NumPy itself.
    """

    def __init__(self, name: str, package: ModuleType, reference: Kernels | None = None):
        self.name = name
        self._package = package
        self._reference = reference
        self.decided: dict[tuple[Any, ...], ModuleType] = {}  # what `auto` has come to mean, so far
        self._dtypes: str = getattr(package, "DTYPES", np.typecodes["Float"])

    def __getattr__(self, kernel: str) -> Any:
        if hasattr(self._package, kernel):
            value = getattr(self._package, kernel)
        elif self._reference is not None:
            value = getattr(self._reference, kernel)
        else:
            raise AttributeError(f"no backend has a kernel {kernel!r}")
        setattr(self, kernel, value)  # found once, then an ordinary attribute
        return value

    def take(self, arrays: Sequence[Array]) -> bool:
        """Whether the backend's own kernels are made for floating-point numbers of these sizes."""
        others = [a for a in arrays if a.dtype.char not in self._dtypes and a.dtype.kind == "f"]
        return not others  # by a list, which takes half of the time of `all`, in every operation

    def implements(self, kernel: str) -> bool:
        """Whether the backend has this kernel of its own."""
        return hasattr(self._package, kernel)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The convolution algorithms that can run here."""
        return tuple(name for name in ALGORITHMS[1:] if hasattr(self, f"conv_{name}"))

    @property
    def fuse_relu(self) -> bool:
        """Whether any of them has ``forward_relu``; which one runs is for `fuses_relu` to say."""
        return any(hasattr(getattr(self, f"conv_{name}"), "forward_relu") for name in self.algorithms)


_PACKAGES = {
    "numpy": "tinycnn.kernels.numpy",
    "numba": "tinycnn.kernels.numba",
    "cupy": "tinycnn.kernels.cuda.launchers",
}
_in_memory = tuple(name for name in ("numpy", "numba") if find_spec(name))  # backends for arrays in main memory
_loaded: dict[str, Kernels] = {}
_chosen = {"backend": _in_memory[-1], "in_memory": _in_memory[-1], "algorithm": "auto"}


def available_backends() -> tuple[str, ...]:
    """Names of the backends that can run here.

    Examples
    --------
    >>> import tinycnn as tc
    >>> "numpy" in tc.available_backends()
    True
    """
    return _in_memory if gpu.problem() else (*_in_memory, "cupy")


def cpu_backends() -> tuple[str, ...]:
    """Names of the backends that compute on arrays in main memory."""
    return _in_memory


class _Choice:
    """A setting that is in force from now on, or, under ``with``, until the end of the block."""

    def __init__(self, **settings: str):
        self._previous = {setting: _chosen[setting] for setting in settings}
        self._set(settings)

    def _set(self, settings: dict[str, str]) -> None:
        _chosen.update(settings)
        if "in_memory" in settings:
            load_kernels(settings["backend"])
            share_out(settings["in_memory"])

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._set(self._previous)


def use_backend(name: str) -> _Choice:
    """Choose the backend: a setter, or a context manager that restores the last choice.

    ``"numpy"`` and ``"numba"`` compute on arrays in main memory. At first it is Numba where it is installed, else
    NumPy. ``"cupy"`` lets tensors made of Python numbers, and the parameters and buffers of modules, be made on the
    GPU; what is on the GPU computes there whatever is chosen here. The choice holds for all threads of the process.

    Parameters
    ----------
    name
        One of `available_backends`.

    Raises
    ------
    ValueError
        When there is no such backend here.

    Examples
    --------
    >>> import tinycnn as tc
    >>> with tc.use_backend("numpy"):
    ...     y = tc.functional.relu(tc.Tensor([-1.0, 2.0]))
    """
    require_backend(name)
    return _Choice(backend=name, in_memory=_chosen["in_memory"] if name == "cupy" else name)


def require_backend(name: str) -> None:
    """Refuse a backend that cannot run here.

    Raises
    ------
    ValueError
        With what to do about it.
    """
    if name == "cupy" and (problem := gpu.problem()):
        raise ValueError(f"backend 'cupy' is not available here: {problem}; or use {_listed(_in_memory)}")
    if name in ("cuda", "gpu", "cpu"):
        sides = f"a GPU's is 'cupy', main memory's {_listed(_in_memory)}"
        raise ValueError(f"backend {name!r} is not available here: {sides}")
    if name not in (*_in_memory, "cupy"):
        remedy = f"pip install 'tinycnn[{name}]', or use" if name in _PACKAGES else "there is"
        raise ValueError(f"backend {name!r} is not available here; {remedy} {_listed(available_backends())}")


def use_algorithm(name: str) -> _Choice:
    """Choose the algorithm for convolutions: a setter, or a context manager that restores the last choice.

    The choice holds for all threads of the process.

    Parameters
    ----------
    name
        ``"auto"`` (by geometry and pass), ``"direct"``, ``"im2col"``, ``"winograd"``, ``"fft"``, or on a GPU
        ``"implicit_gemm"``, which is im2col without the matrix. Where a backend has no such algorithm, or it cannot run
        a geometry, the convolution raises and names what can run.

    Raises
    ------
    ValueError
        When the name is none of these.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x, w = tc.Tensor([[[[1.0, 2.0, 3.0]]]]), tc.Tensor([[[[1.0, 1.0]]]])
    >>> with tc.use_algorithm("direct"):
    ...     tc.functional.conv2d(x, w).data
    array([[[[3., 5.]]]], dtype=float32)
    """
    if name not in ALGORITHMS:
        raise ValueError(f"algorithm {name!r} is unknown; the names are {_listed(ALGORITHMS)}")
    return _Choice(algorithm=name)


def current_algorithm() -> str:
    """The algorithm in force where a convolution names none."""
    return _chosen["algorithm"]


def current_backend() -> str:
    """The backend that `use_backend` chose."""
    return _chosen["backend"]


def on_chosen_side(array: Array) -> Array:
    """The array where `use_backend` says that new ones are made."""
    return to_cupy(array) if _chosen["backend"] == "cupy" else array  # never back: what is on the GPU stays there


def load_kernels(name: str) -> Kernels:
    """The kernels of the backend called ``name``, imported when first asked for."""
    if name not in _loaded:
        reference = None if name == "numpy" else load_kernels("numpy")
        _loaded[name] = Kernels(name, import_module(_PACKAGES[name]), reference)
        if name == _chosen["in_memory"]:
            share_out(name)
    return _loaded[name]


def kernels_for(arrays: Sequence[Array]) -> Kernels:
    """The kernels that run on these arrays: the chosen backend's for main memory, cupy's for a GPU.

    Raises
    ------
    TypeError
        When NumPy and CuPy arrays meet: nothing is copied silently.
    """
    chosen = load_kernels("cupy" if on_gpu(arrays) else _chosen["in_memory"])
    return chosen if chosen.take(arrays) else load_kernels("numpy")


def convolution(kernels: Kernels, algorithm: str, phase: str, geometry: Any) -> Callable[..., Array]:
    """The convolution kernel for one pass.

    Parameters
    ----------
    kernels
        The backend's kernels.
    algorithm
        A name from ``ALGORITHMS``.
    phase
        ``"forward"``, ``"backward_input"``, ``"backward_weight"``, or ``"forward_relu"`` where `fuses_relu`.
    geometry
        The convolution's `ConvGeometry`.

    Raises
    ------
    ValueError
        When the backend does not have the algorithm, or the algorithm cannot run the geometry.
    """
    return getattr(_algorithm(kernels, algorithm, phase.removesuffix("_relu"), geometry), phase)


def fuses_relu(kernels: Kernels, algorithm: str, geometry: Any) -> bool:
    """Whether the algorithm that runs forward here also has ``forward_relu``: max(w ⋆ x + b, 0) in one go.

    Raises
    ------
    ValueError
        As `convolution`.
    """
    return hasattr(_algorithm(kernels, algorithm, "forward", geometry), "forward_relu")


def tanh_pool_kernels(kernels: Kernels, algorithm: str, geometry: Any) -> ModuleType | None:
    """The kernels of the algorithm that runs here, if it can let tanh and the mean of 2x2 windows follow in one go.

    Where ``auto`` takes different algorithms for the passes, none does.

    Raises
    ------
    ValueError
        As `convolution`.
    """
    module = _algorithm(kernels, algorithm, "forward", geometry)
    if not hasattr(module, "forward_tanh_pool") or not module.fuses_tanh_pool(geometry):
        return None
    passes = ("backward_input", "backward_weight")
    return module if all(_algorithm(kernels, algorithm, phase, geometry) is module for phase in passes) else None


def _algorithm(kernels: Kernels, algorithm: str, phase: str, geometry: Any) -> ModuleType:
    """The module of the algorithm that runs one pass."""
    if algorithm == "auto":
        return _decided(kernels, phase, geometry)
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm {algorithm!r} is unknown; the names are {_listed(ALGORITHMS)}")
    return _named(kernels, algorithm, geometry)


def _named(kernels: Kernels, algorithm: str, geometry: Any) -> ModuleType:
    require_algorithm(kernels, algorithm)
    if reason := _refusal(kernels, algorithm, geometry):
        raise ValueError(
            f"{algorithm} cannot run {geometry}: {reason}; {_listed(able_algorithms(kernels, geometry))} can"
        )
    module: ModuleType = getattr(kernels, f"conv_{algorithm}")
    return module


def _decided(kernels: Kernels, phase: str, geometry: Any) -> ModuleType:
    """What ``auto`` means: what was measured here to be the fastest, else what the rules say. Decided once."""
    key = kernels.choose_convolution, phase, geometry, remembered_threads_of(kernels.name)
    module = kernels.decided.get(key)
    if module is None:
        algorithm = tuning.tuned(kernels.name, key[-1]).get((phase, geometry), "")
        if algorithm not in kernels.algorithms or _refusal(kernels, algorithm, geometry):
            algorithm = kernels.choose_convolution(phase, geometry)
        if len(kernels.decided) >= MOST_DECISIONS:
            kernels.decided.clear()
        module = kernels.decided[key] = _named(kernels, algorithm, geometry)
    return module


def auto_algorithm(kernels: Kernels, phase: str, geometry: Any) -> str:
    """The name of the algorithm that ``auto`` means for one pass, as things stand."""
    return _decided(kernels, phase, geometry).__name__.rpartition(".conv_")[2]


def able_algorithms(kernels: Kernels, geometry: Any) -> tuple[str, ...]:
    """The convolution algorithms of a backend that can run a geometry."""
    return tuple(name for name in kernels.algorithms if not _refusal(kernels, name, geometry))


def forget_choices() -> None:
    """Let ``auto`` read the table of tuned convolutions anew, where this process or another has changed it."""
    tuning.reread()
    for kernels in _loaded.values():
        kernels.decided.clear()


def algorithm_table() -> str:
    """What decides over the algorithm of convolutions now, as it is stored with a checkpoint.

    Returns
    -------
    str
        The algorithm in force; for ``auto`` ``"rules"``, or ``"tuned"`` with a digest of the stored choices that
        count for this machine, these versions, the backend in force and its threads.
    """
    if _chosen["algorithm"] != "auto":
        return _chosen["algorithm"]
    if tuning.in_use():  # else no backend need be loaded for this
        name = load_kernels(_chosen["backend"]).name
        if choices := tuning.tuned(name, remembered_threads_of(name)):
            return f"tuned {tuning.digest(choices)}"
    return "rules"


def require_algorithm(kernels: Kernels, algorithm: str) -> None:
    """Refuse a convolution algorithm that the backend does not have.

    Raises
    ------
    ValueError
        Naming those that it has.
    """
    if algorithm not in kernels.algorithms:
        raise ValueError(
            f"the {kernels.name} backend has no {algorithm} convolution; it has {_listed(kernels.algorithms)}"
        )


def _refusal(kernels: Kernels, algorithm: str, geometry: Any) -> str:
    """Why an algorithm made for some geometries cannot run this one; nothing where it can."""
    refusal = getattr(getattr(kernels, f"conv_{algorithm}"), "refusal", None)
    return refusal(geometry) if refusal else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]
