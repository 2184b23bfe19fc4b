"""Recording: what a function reads and writes, statement by statement, as it runs.

Every read and write of a recording array is put down with the line that made it and the loop variables of that moment;
what one line did for one setting of its loops is a step. Arrays that the function makes with ``np.zeros`` and the like
record too, under the name that they are assigned to: for as long as it runs, the ``np`` of its file makes them.

This file and those that it imports (recorded.py, number.py, places.py, source.py) need the standard library and NumPy
alone: they also run beside a learner's code, loaded from their folder without the library around them. That is why they
import each other by relative names.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .places import PADDING, UNKNOWN
from .recorded import Recorded, all_recorded, bare, mapped, plain
from .source import Source

__all__ = ["LIMIT", "PADDING", "Access", "Recorder", "Step", "TooManyStepsError"]

LIMIT = 20_000
"""Steps that are kept, at most, where nothing else is asked for."""

ACCESSES = 50
"""Reads and writes of a step, on average, beyond which a function does too much to be shown."""

EMPTY = frozenset(["zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like"])
"""Functions that make an array, which records under the name that it is assigned to."""

FILLED = frozenset(["array", "asarray", "asanyarray", "ascontiguousarray"])
"""Functions that make an array of what has been computed, or copy one."""

COPIES = frozenset(["copy", "astype"])
"""Methods and functions that copy an array."""


class Access(NamedTuple):
    """One entry that was read or written: its tensor, its place in it (flat, or `PADDING`), its value."""

    tensor: str
    place: int
    value: float


class Step:
    """What one line did, for one setting of its loop variables.

    Attributes
    ----------
    line
        Of the source, counted from 1 within the file.
    loops
        Loop variables by name, the outermost first.
    reads, writes
        Accesses, in order.
    products
        Of two entries that were read, in order, as they were computed.
    """

    __slots__ = ("line", "loops", "products", "reads", "writes")

    def __init__(self, line: int, loops: dict[str, int]):
        self.line, self.loops = line, loops
        self.reads: list[Access] = []
        self.writes: list[Access] = []
        self.products: list[float] = []

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "line": self.line,
            "loops": self.loops,
            "reads": [list(access) for access in self.reads],
            "writes": [list(access) for access in self.writes],
            "products": self.products,
        }


class TooManyStepsError(BaseException):
    """The function has done more steps than are kept; no ``except Exception`` of its own holds this up."""


class Recorder:
    """Runs a function on recording arrays.

    What it returns is the same as without, to the last bit, but for what an array of ``np.empty`` held before.

    Parameters
    ----------
    limit
        Steps that are kept.

    Attributes
    ----------
    steps
        What it did, in order.
    tensors
        Shapes of all arrays that recorded, by name: the arguments, then those that the function made.
    arrays
        The arrays themselves: the arguments as they were at the end, and what the function made.
    arguments
        Names of those that were given.
    file
        What the text of the function's file tells.
    source
        Lines of the function as they stand in its file, from ``first_line`` on.
    expressions
        For a line that computes one entry from single entries: its formula with ``{0}``, ``{1}`` … for the entries that
        were read, in order.
    returned
        For each array that the function returned: the tensor whose entries it holds, and their places in it; None where
        it was computed.
    raised
        What stopped the function, if anything did.

    Examples
    --------
    >>> import numpy as np
    >>> from tinycnn.inspect.trace.recorder import Recorder
    >>> from tinycnn.kernels.loops import activation
    >>> recorder = Recorder()
    >>> y = recorder.run(activation.relu_forward, x=np.array([-1.0, 2.0]))
    >>> [step.writes for step in recorder.steps]
    [[Access(tensor='y', place=0, value=0.0)], [Access(tensor='y', place=1, value=2.0)]]
    """

    def __init__(self, limit: int = LIMIT):
        self.limit = limit
        self.steps: list[Step] = []
        self.tensors: dict[str, tuple[int, ...]] = {}
        self.arrays: dict[str, np.ndarray] = {}
        self.source: list[str] = []
        self.first_line = 1
        self.expressions: dict[int, str] = {}
        self.returned: list[tuple[str, list[int]] | None] = []
        self.raised: BaseException | None = None
        self.file = Source(None)
        self.arguments: tuple[str, ...] = ()
        self._key: tuple[Any, ...] = ()
        self._accesses = 0

    def run(self, function: Callable[..., Any], /, *args: Any, **arguments: Any) -> Any:
        """Call the function; arrays among the arguments record under their names.

        Returns
        -------
        object
            What it returned, arrays as plain ones; None where it raised, see ``raised``.

        Raises
        ------
        TooManyStepsError
            When there are more than the limit; those up to it are kept.
        """
        function = getattr(function, "py_func", function)  # what Numba compiles is run as Python
        code, names = _code_and_globals(function)
        self.file = Source(code)
        self.source, self.first_line = self.file.function, self.file.first_line
        given, options = self._recording(function, args, arguments)
        try:
            with self._makers_record(names):
                returned = function(*given, **options)
            self.returned = [self._entries(each) for each in (returned if isinstance(returned, tuple) else (returned,))]
            return plain(returned)
        except (KeyboardInterrupt, TooManyStepsError):
            raise
        except BaseException as error:
            self.raised = error
            return None
        finally:
            self._keep_formulas_that_hold()

    def array(self, name: str, values: np.ndarray) -> Recorded:
        """An array that records under this name, or one like it where that is another's."""
        base, number = name, 2
        while name in self.tensors and (name in self.arguments or self.tensors[name] != values.shape):
            name, number = f"{base}_{number}", number + 1
        self.tensors[name], self.arrays[name] = values.shape, values
        return Recorded.whole(self, name, values)

    def note(self, kind: str, tensor: str, places: Any, values: Any) -> None:
        """Put down that entries were read, or written."""
        found = self._where()
        places, values = np.ravel(places), np.ravel(values)
        known = places != UNKNOWN
        if found is None or not known.any():
            return
        line, loops = found
        key = (line, *loops.items())
        is_again = kind == "reads" and self.steps and self.steps[-1].writes
        self._accesses += len(places)
        if key != self._key or is_again or not self.steps:
            if len(self.steps) == self.limit:
                raise TooManyStepsError(f"more than {self.limit:,} steps")
            self.steps.append(Step(line, loops))
            self._key = key
        if self._accesses > ACCESSES * self.limit:
            raise TooManyStepsError(f"more than {ACCESSES * self.limit:,} reads and writes")
        accesses = getattr(self.steps[-1], kind)
        for place, value in zip(places[known].tolist(), values[known].tolist(), strict=True):
            accesses.append(Access(tensor, place, value))

    def product(self, value: float) -> None:
        """Put down a product of two entries."""
        if self.steps and self._where() is not None:
            self.steps[-1].products.append(float(value))

    def variable(self, values: np.ndarray) -> Recorded | None:
        """The array as a tensor of its own, where it is assigned to a variable that is no argument."""
        name = self._assigned_name(COPIES | FILLED)
        return None if name is None or name in self.arguments else self.array(name, values)

    def _recording(self, function: Any, args: Any, arguments: Any) -> tuple[list[Any], dict[str, Any]]:
        """Positional and named arguments with arrays that record in the place of arrays."""
        parameters = _parameters(function, len(args))
        named = {**dict(zip(parameters, args, strict=False)), **arguments}
        seen: dict[int, Recorded] = {}  # an array that is given twice stays one
        for name, value in named.items():
            if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and id(value) not in seen:
                seen[id(value)] = self.array(name, np.array(value))
        self.arguments = tuple(self.tensors)
        return (
            [seen.get(id(value), value) for value in args],
            {name: seen.get(id(value), value) for name, value in arguments.items()},
        )

    def _where(self) -> tuple[int, dict[str, int]] | None:
        """The line of the function that is running, and its loop variables, outermost first."""
        frames = list(self._frames())
        if not frames:
            return None
        loops: dict[str, int] = {}
        for frame in reversed(frames):
            loops.update(self.file.loops(frame))
        return self.file.statement(frames[0].f_lineno), loops

    def _frames(self) -> Iterator[types.FrameType]:
        """What runs of the function's file, innermost first."""
        frame: types.FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename == self.file.file:
                yield frame
            frame = frame.f_back

    def _assigned_name(self, makers: frozenset[str]) -> str | None:
        frame = next(self._frames(), None)
        return None if frame is None else self.file.assigned_name(frame, makers)

    @contextmanager
    def _makers_record(self, names: dict[str, Any]) -> Iterator[None]:
        """Let what the function's file calls ``np`` make arrays that record, and let what Numba compiled be Python."""
        numpy = _Numpy(self)
        stand_ins = {id(getattr(np, name)): getattr(numpy, name) for name in EMPTY | FILLED}
        before = dict(names)
        for name, value in before.items():
            if value is np:
                names[name] = numpy
            elif id(value) in stand_ins:
                names[name] = stand_ins[id(value)]
            elif hasattr(value, "py_func"):
                names[name] = value.py_func
        changed = {name: value for name, value in names.items() if value is not before[name]}
        try:
            yield
        finally:
            names.update({name: before[name] for name, value in changed.items() if names.get(name) is value})

    def made(self, name: str, function: Callable[..., Any], args: Any, options: Any) -> Any:
        """What one of NumPy's functions that make an array gives, so that it records."""
        if name in FILLED and args and isinstance(args[0], Recorded):
            values = function(bare(args[0]), *args[1:], **options)
            is_no_copy = np.may_share_memory(values, args[0]) and values.shape == args[0].shape
            return args[0] if is_no_copy else args[0].copied(values)
        if name in FILLED:
            for found in all_recorded(args):
                found.tell_read()
        values = function(*mapped(args, bare), **mapped(options, bare))
        if name.startswith("empty") and values.dtype.kind == "f":
            values.fill(np.nan)  # whatever lies in memory would be no record
        is_its_own = isinstance(values, np.ndarray) and not any(values is given for given in args)
        variable = self._assigned_name(EMPTY | FILLED) if is_its_own and values.dtype.kind in "fiub" else None
        if variable is None:
            return values
        recorded = self.array(variable, values)
        if name in FILLED:
            recorded.tell_written(...)
        return recorded

    def _entries(self, returned: Any) -> tuple[str, list[int]] | None:
        if not isinstance(returned, Recorded) or returned.places is None or not returned.size:
            return None
        is_alive = returned._tensor is self.arrays.get(returned._name)
        is_known = bool((returned.places != UNKNOWN).all())
        return (returned._name, returned.places.ravel().tolist()) if is_alive and is_known else None

    def _keep_formulas_that_hold(self) -> None:
        """Formulas of lines that read one entry for each number in braces, whenever they ran."""
        counts: dict[int, set[int]] = {}
        for step in self.steps:
            counts.setdefault(step.line, set()).add(len(step.reads))
        for line, formula in self.file.expressions.items():
            slots = sum(formula.count(f"{{{number}}}") for number in range(formula.count("{")))
            if counts.get(line) == {slots}:
                self.expressions[line] = formula


class _Numpy:
    """NumPy, but arrays that are made here record."""

    def __init__(self, recorder: Recorder):
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if name == "ndenumerate":
            return _enumerated
        if name not in EMPTY | FILLED:
            return found
        return lambda *args, **options: self._recorder.made(name, found, args, options)


def _enumerated(array: Any) -> Iterator[Any]:
    """As np.ndenumerate, one entry after the other."""
    array = array if isinstance(array, Recorded) else np.asarray(array)
    return ((index, array[index]) for index in np.ndindex(array.shape))


def _code_and_globals(function: Any) -> tuple[types.CodeType | None, dict[str, Any]]:
    """The code that a reader would look at, and the names that the function sees."""
    inner = inspect.unwrap(function)
    for found in (inner, getattr(inner, "func", None), getattr(inner, "__init__", None), type(inner).__call__):
        code = getattr(found, "__code__", None)
        if code is not None:
            return code, getattr(found, "__globals__", {})
    return None, {}


def _parameters(function: Any, count: int) -> list[str]:
    """Names for positional arguments."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return (names + [f"argument {number}" for number in range(len(names) + 1, count + 1)])[:count]
