"""Which kernels run: a backend chosen by name, a convolution algorithm chosen by name, the lookup by array type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType, TracebackType
from typing import Any

from tinycnn.arrays import Array, is_cupy

ALGORITHMS = ("auto", "direct", "im2col", "winograd", "fft")


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

    def __getattr__(self, kernel: str) -> Any:
        if hasattr(self._package, kernel):
            value = getattr(self._package, kernel)
        elif self._reference is not None:
            value = getattr(self._reference, kernel)
        else:
            raise AttributeError(f"no backend has a kernel {kernel!r}")
        setattr(self, kernel, value)  # found once, then an ordinary attribute
        return value

    def implements(self, kernel: str) -> bool:
        """Whether the backend has this kernel of its own."""
        return hasattr(self._package, kernel)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The convolution algorithms that can run here."""
        return tuple(name for name in ALGORITHMS[1:] if hasattr(self, f"conv_{name}"))


_PACKAGES = {"numpy": "tinycnn.kernels.numpy"}
_loaded: dict[str, Kernels] = {}
_chosen = {"backend": "numpy", "algorithm": "auto"}


def available_backends() -> tuple[str, ...]:
    """Names of the backends that can run here.

    Examples
    --------
    >>> import tinycnn as tc
    >>> "numpy" in tc.available_backends()
    True
    """
    return tuple(_PACKAGES)


class _Choice:
    """A setting that is in force from now on, or, under ``with``, until the end of the block."""

    def __init__(self, setting: str, value: str):
        self._setting, self._previous = setting, _chosen[setting]
        _chosen[setting] = value

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _chosen[self._setting] = self._previous


def use_backend(name: str) -> _Choice:
    """Choose the backend for arrays in main memory: a setter, or a context manager that restores the last choice.

    The choice holds for all threads of the process.

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
    if name not in _PACKAGES:
        raise ValueError(f"backend {name!r} is not available here; there is {_listed(available_backends())}")
    return _Choice("backend", name)


def use_algorithm(name: str) -> _Choice:
    """Choose the algorithm for convolutions: a setter, or a context manager that restores the last choice.

    The choice holds for all threads of the process.

    Parameters
    ----------
    name
        ``"auto"`` (by geometry and pass), ``"direct"``, ``"im2col"``, ``"winograd"`` or ``"fft"``. Where a backend
        has no such algorithm, the convolution raises and names what can run.

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
    return _Choice("algorithm", name)


def current_algorithm() -> str:
    """The algorithm in force where a convolution names none."""
    return _chosen["algorithm"]


def load_kernels(name: str) -> Kernels:
    """The kernels of the backend called ``name``, imported when first asked for."""
    if name not in _loaded:
        reference = None if name == "numpy" else load_kernels("numpy")
        _loaded[name] = Kernels(name, import_module(_PACKAGES[name]), reference)
    return _loaded[name]


def kernels_for(arrays: Sequence[Array]) -> Kernels:
    """The kernels that run on these arrays: the chosen backend's for main memory, CuPy's for a GPU.

    Raises
    ------
    TypeError
        When NumPy and CuPy arrays meet: nothing is copied silently.
    """
    on_gpu = [is_cupy(array) for array in arrays]
    if not any(on_gpu):
        return load_kernels(_chosen["backend"])
    if not all(on_gpu):
        kinds = ["cupy" if gpu else "numpy" for gpu in on_gpu]
        raise TypeError(f"one operation got arrays of {_listed(kinds)}: move them to one side first, nothing is copied")
    return load_kernels("cupy" if "cupy" in _PACKAGES else "numpy")


def convolution(kernels: Kernels, algorithm: str, phase: str, geometry: Any) -> Callable[..., Array]:
    """The convolution kernel for one pass.

    Parameters
    ----------
    kernels
        The backend's kernels.
    algorithm
        A name from ``ALGORITHMS``.
    phase
        ``"forward"``, ``"backward_input"`` or ``"backward_weight"``.
    geometry
        The convolution's `ConvGeometry`.

    Raises
    ------
    ValueError
        When the backend does not have the algorithm.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm {algorithm!r} is unknown; the names are {_listed(ALGORITHMS)}")
    if algorithm == "auto":
        algorithm = kernels.choose_convolution(phase, geometry)
    require_algorithm(kernels, algorithm)
    return getattr(getattr(kernels, f"conv_{algorithm}"), phase)


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


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]
