"""The function under check, run again and again: on copies of its inputs, with the same random numbers, traceless."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import RLock, get_ident
from typing import Any

import numpy as np

from tinycnn import functional
from tinycnn.arrays import Array, beside, to_numpy
from tinycnn.function import Function, no_grad
from tinycnn.functional.normalization import frozen_statistics
from tinycnn.hooks import Call, watch
from tinycnn.inspect.gradcheck.draws import Draw, stream
from tinycnn.random import default_generator
from tinycnn.tensor import Tensor

_one_at_a_time = RLock()  # tensors that threads share hold copies while they are checked

LIBRARIES = (Path(np.__file__).parent, Path(traceback.__file__).parent)


@dataclass(frozen=True)
class Point:
    """What the function gave at one place.

    Attributes
    ----------
    values
        The result in float64, flat.
    branches
        Which branch won, of each Function that has several.
    """

    values: Array
    branches: tuple[Array, ...]

    def flips(self, *others: Point) -> int:
        """How many branches are others at one of these points, each counted once."""
        if any(len(self.branches) != len(other.branches) for other in others):
            return self.values.size
        kinds = zip(self.branches, *(other.branches for other in others), strict=True)
        return sum(_unequal(mine, *theirs) for mine, *theirs in kinds)


class UnsteadyShapeError(ValueError):
    """The result's shape depends on the values of the inputs."""


class Replay:
    """Runs a function on its tensors; a context, after which the tensors, their gradients and all state are as before.

    Parameters
    ----------
    fn
        From ``given`` to one Tensor.
    given
        Its arguments.
    checked
        The tensors whose gradients are asked for; they hold copies of their data meanwhile.
    """

    def __init__(self, fn: Callable[..., Any], given: Sequence[Tensor], checked: Sequence[Tensor]):
        self.fn, self.given, self.checked = fn, given, checked
        self.shape: tuple[int, ...] | None = None
        self.functions = 0  # in the graph

    def __enter__(self) -> Replay:
        _one_at_a_time.acquire()
        self._before = [(t, t.data, t.requires_grad, t.grad, t.creator, t.changes[0]) for t in self.checked]
        self._others: dict[Tensor, Array | None] = {}
        self._state = default_generator.seed, default_generator.calls
        self._elsewhere, self._draws_elsewhere = _random_state(), True
        for tensor in self.checked:
            tensor.data, tensor.requires_grad, tensor.grad = tensor.data.copy(), True, None
            tensor.creator = None  # gradients end here, whatever it was computed from
        self._frozen = frozen_statistics()
        self._frozen.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._frozen.__exit__(*error)
        for tensor, grad in self._others.items():
            tensor.grad = grad
        for tensor, data, asked, grad, creator, changes in self._before:
            tensor.data, tensor.requires_grad, tensor.grad, tensor.creator = data, asked, grad, creator
            tensor.changes[0] = changes  # as if nothing had happened, for graphs that were recorded before
        default_generator.seed, default_generator.calls = self._state
        np.random.set_state(self._elsewhere[0])  # noqa: NPY002
        random.setstate(self._elsewhere[1])
        _one_at_a_time.release()

    def output(self) -> Tensor:
        """Run the function once.

        Raises
        ------
        TypeError
            When it returns no Tensor, or one of integers.
        ValueError
            When the result has no entries, is not finite, or changes its shape.
        RuntimeError
            When it raises; the sentence says where.
        """
        default_generator.seed, default_generator.calls = self._state
        if self._draws_elsewhere:  # not always: it takes longer than most functions
            np.random.set_state(self._elsewhere[0])  # noqa: NPY002
            random.setstate(self._elsewhere[1])
        with _explained("forward"):
            output = self.fn(*self.given)
        if self.shape is None:  # the first time
            self._draws_elsewhere = not _is_same(_random_state(), self._elsewhere)
        if not isinstance(output, Tensor):
            raise TypeError(f"gradcheck needs a function that returns one Tensor, got {_told(output)}")
        if output.dtype.kind != "f":
            raise TypeError(
                f"gradcheck needs a result of floats, got {output.dtype}: a count, an argmax or a comparison has no "
                "gradient, so return what comes before it"
            )
        if output.size == 0:
            raise ValueError(f"gradcheck: the result of shape {output.shape} has no entries, so nothing can be checked")
        if self.shape is not None and output.shape != self.shape:
            raise UnsteadyShapeError(
                f"gradcheck: the result had shape {self.shape}, and {output.shape} for inputs of the same shapes: "
                "its shape must not depend on the values of the inputs"
            )
        if self.shape is None and output.dtype.itemsize < self.checked[0].dtype.itemsize:
            raise TypeError(
                f"gradcheck: the result is {output.dtype}, of inputs of {self.checked[0].dtype}: a cast loses the "
                "digits that the check needs, so keep the input's dtype, such as np.zeros_like(x)"
            )
        self.shape = output.shape
        return output

    def draw_upstream(self, seed: int) -> Array:
        """Draw a random upstream gradient, after a look at the result.

        Raises
        ------
        ValueError
            When the result is not finite, or does not depend on the tensors through the graph.
        """
        output = self._recorded()
        if not np.isfinite(to_numpy(output.data)).all():
            raise ValueError(
                "gradcheck: the result is not finite at these inputs, so it has no gradient there: give others, such "
                "as positive numbers for a logarithm"
            )
        upstream: Array = stream(seed, Draw.UPSTREAM).standard_normal(output.shape)
        return upstream.astype(output.dtype)

    def gradients(self, upstream: Array, supervise: Callable[[Function], None] | None = None) -> list[Array | None]:
        """Run forward and backward: a gradient for each checked tensor, None where it got none."""
        for tensor in self.checked:
            tensor.grad = None
        return self.backward(upstream, supervise)

    def backward(self, upstream: Array, supervise: Callable[[Function], None] | None = None) -> list[Array | None]:
        """As `gradients`, added to the gradients that are there; ``supervise`` is given each Function before."""
        output = self._recorded()
        functions, leaves = _graph(output)
        self.functions = len(functions)
        for leaf in leaves:
            self._others.setdefault(leaf, leaf.grad)
        if supervise:
            for function in functions:
                supervise(function)
        with _explained("backward"):
            output.backward(beside(upstream, output.data))
        return [None if t.grad is None else to_numpy(t.grad).copy() for t in self.checked]

    def recorded_values(self) -> Array:
        """What the function gives where its graph is recorded, flat."""
        return to_numpy(self._recorded().data).reshape(-1)

    def _recorded(self) -> Tensor:
        output = self.output()
        if not output.requires_grad:
            raise ValueError(
                "gradcheck: the result does not depend on the inputs through the graph; does the function return a "
                "constant, detach them, use .data, or run under no_grad()?"
            )
        return output

    def away(self) -> Point:
        """As `point`, away from where the check is, where the function may refuse to go: then nothing but NaN."""
        try:
            return self.point()
        except UnsteadyShapeError:
            raise
        except Exception:
            return Point(np.full(int(np.prod(self.shape or ())), np.nan), ())

    def point(self) -> Point:
        """Run the function without recording, watching its branches."""
        branches: list[Array] = []
        thread = get_ident()

        def note(call: Call) -> None:
            if call.phase == "forward" and get_ident() == thread and (branch := call.function.branches()) is not None:
                branches.append(np.array(to_numpy(branch)))

        with no_grad(), watch(note), np.errstate(all="ignore"):  # a step may leave the domain, such as a logarithm's
            values = to_numpy(self.output().data)
        return Point(values.astype(np.float64).reshape(-1), tuple(branches))


@contextmanager
def _explained(phase: str) -> Iterator[None]:
    """Say where a function under check raised; what tinycnn itself refuses is a sentence already."""
    try:
        yield
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [
            Path(module.__file__ or "").parents[1] for module in (functional, import_module("tinycnn.kernels.numpy"))
        ]
        last = [frame for frame in frames if _is_of(ours, frame) or not _is_of(LIBRARIES, frame)][-1]
        if last.filename != __file__ and _is_of(ours, last):
            raise
        what = f"{type(error).__name__}: {error}"
        if last.filename == __file__:
            raise TypeError(f"gradcheck could not call the function with these inputs: {what}") from error
        raise RuntimeError(
            f"gradcheck: the {phase} pass raised {what}, in {last.name} at line {last.lineno} of "
            f"{Path(last.filename).name}: mend that first"
        ) from error


def _is_of(folders: Sequence[Path], frame: traceback.FrameSummary) -> bool:
    return any(folder in Path(frame.filename).parents for folder in folders)


def _told(value: Any) -> str:
    if value is None:
        return "None: does it end without return?"
    if isinstance(value, (tuple, list)):
        return f"{len(value)} values in a {type(value).__name__}: check one at a time, lambda *x: fn(*x)[0]"
    if isinstance(value, (int, float, np.generic, np.ndarray)):
        return f"{type(value).__name__}: it leaves the graph, so work with the Tensors and not with their .data"
    return type(value).__name__


def _graph(output: Tensor) -> tuple[Collection[Function], Collection[Tensor]]:
    """The Functions that ``output`` came from, and the tensors whose ``grad`` a backward from it fills."""
    functions: dict[Function, None] = {}
    leaves: dict[Tensor, None] = {}
    pending = [output]
    while pending:
        tensor = pending.pop()
        function = tensor.creator
        if function is None:
            leaves[tensor] = None
        elif function not in functions:
            functions[function] = None
            pending += [t for t, needed in zip(function.inputs, function.needs_input_grad, strict=True) if needed]
    return functions, leaves


def _random_state() -> tuple[Any, Any]:
    """Of the generators that NumPy and Python share among all who ask."""
    return np.random.get_state(), random.getstate()  # noqa: NPY002


def _is_same(mine: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    (_, words, position, *_), (_, other_words, other_position, *_) = mine[0], other[0]
    return bool(mine[1] == other[1] and position == other_position and (words == other_words).all())


def _unequal(mine: Array, *theirs: Array) -> int:
    if any(other.shape != mine.shape for other in theirs):
        return mine.size
    return int(np.any([other != mine for other in theirs], axis=0).sum())
