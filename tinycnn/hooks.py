"""Hooks: watch every forward and backward of every Function, with its time, bytes and shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tinycnn.arrays import Array

if TYPE_CHECKING:
    from tinycnn.function import Function


@dataclass(frozen=True)
class Call:
    """One forward or backward of a Function, as a watcher sees it when it is over."""

    function: Function
    phase: str
    inputs: tuple[Array | None, ...]
    outputs: tuple[Array | None, ...]
    seconds: float

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the results."""
        return tuple(array.shape for array in self.outputs if array is not None)

    @property
    def bytes(self) -> int:
        """Bytes read and written at the least: the arguments and the results, each once."""
        return sum(array.nbytes for array in (*self.inputs, *self.outputs) if array is not None)


_watchers: list[Callable[[Call], None]] = []


@contextmanager
def watch(watcher: Callable[[Call], None]) -> Iterator[None]:
    """Call ``watcher`` with a `Call` after each forward and each backward of every Function.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x = tc.Tensor([1.0, -2.0], requires_grad=True)
    >>> with tc.hooks.watch(lambda call: print(call.phase, type(call.function).__name__, call.shapes)):
    ...     tc.functional.relu(x).sum().backward()
    forward ReLU ((2,),)
    forward Sum ((),)
    backward Sum ((2,),)
    backward ReLU ((2,),)
    """
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def watching() -> bool:
    """Whether anyone watches, and Functions that could be one must be run one by one."""
    return bool(_watchers)


def watched(function: Function, phase: str, run: Callable[..., Any], arguments: tuple[Array, ...]) -> Any:
    """Run one pass of a Function and report it to whoever watches."""
    if not _watchers:
        return run(*arguments)
    start = perf_counter()
    results = run(*arguments)
    seconds = perf_counter() - start
    call = Call(function, phase, arguments, results if isinstance(results, tuple) else (results,), seconds)
    for watcher in tuple(_watchers):
        watcher(call)
    return results
