"""Recording arrays: what a function reads and writes, statement by statement, as it runs.

A `Recorded` array is a NumPy array that knows, for each of its entries, where in which tensor it lies: slicing,
transposing, padding and reshaping carry these places along, so that a read of a view tells which entries of the input
were meant. Every read and write is put down with the line that made it and the loop variables of that moment; what one
line did for one setting of its loops is a step. Arrays that the function makes with ``np.zeros`` and the like record
too, under the name that they are assigned to: the function runs in a copy of its module whose ``np`` makes them.

This file needs the standard library and NumPy alone: it also runs beside a learner's code, by its path.
"""

from __future__ import annotations

import ast
import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

PADDING = -1
"""The place of an entry that lies in no tensor: zeros put around an image, say."""

LIMIT = 20_000
"""Steps that are kept, at most, where nothing else is asked for."""

MOVES = frozenset(
    {np.atleast_1d, np.atleast_2d, np.atleast_3d, np.broadcast_to, np.concatenate, np.copy, np.diagonal, np.expand_dims}
    | {np.flip, np.fliplr, np.flipud, np.moveaxis, np.pad, np.ravel, np.repeat, np.reshape, np.roll, np.rollaxis}
    | {np.rot90, np.squeeze, np.stack, np.swapaxes, np.take, np.tile, np.transpose, np.tril, np.triu}
    | {np.lib.stride_tricks.sliding_window_view}
)
"""Functions that only move entries: the places move along."""

MAKERS = frozenset(["zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like"])
"""Functions that make an array, which records under the name that it is assigned to."""


LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


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


class TooManyStepsError(Exception):
    """The function has done more steps than are kept."""


class Recorder:
    """Runs a function on recording arrays.

    Attributes
    ----------
    steps
        What it did, in order.
    tensors
        Shapes of all arrays that recorded, by name: the arguments, then those that the function made.
    arrays
        The arrays themselves: the arguments as they were at the end, and what the function made.
    source
        Lines of the function as they stand in its file, from ``first_line`` on.
    expressions
        For a line that computes one entry from single entries: its formula with ``{0}``, ``{1}`` … for the entries that
        were read, in order.
    returned
        Of each recording array that the function returned: the tensor whose entries it holds, and their places in it.
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
        self.returned: list[tuple[str, list[int]]] = []
        self.raised: BaseException | None = None
        self._file = ""
        self._loops: dict[int, list[str]] = {}
        self._statements: dict[int, ast.stmt] = {}
        self._key: tuple[Any, ...] = ()

    def run(self, function: Callable[..., Any], /, **arguments: Any) -> Any:
        """Call the function; arrays among the arguments record under their names.

        Returns
        -------
        object
            What it returned, arrays as plain ones; None where it raised, see ``raised``.
        """
        self._read(function)
        alive = self._in_a_copy_of_its_module(function)
        given = {
            name: self.array(name, np.array(value, np.float64 if value.dtype.kind == "f" else None))
            if isinstance(value, np.ndarray)
            else value
            for name, value in arguments.items()
        }
        try:
            returned = alive(**given)
            self.returned = [
                (each._name, each._places.ravel().tolist())
                for each in (returned if isinstance(returned, tuple) else (returned,))
                if isinstance(each, Recorded) and each._places is not None
            ]
            return _plain(returned)
        except TooManyStepsError:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.raised = error
            return None

    def array(self, name: str, values: np.ndarray) -> Recorded:
        """An array that records under this name; of one that was used before, the later counts."""
        self.tensors[name], self.arrays[name] = values.shape, values
        recorded = values.view(Recorded)
        recorded._recorder, recorded._name = self, name
        recorded._places = np.arange(values.size).reshape(values.shape)
        return recorded

    def note(self, kind: str, tensor: str, places: Any, values: Any) -> None:
        """Put down that entries were read, or written."""
        found = self._where()
        if found is None:
            return
        line, loops = found
        key = (line, *loops.items())
        is_again = kind == "reads" and self.steps and self.steps[-1].writes
        if key != self._key or is_again:
            if len(self.steps) == self.limit:
                raise TooManyStepsError(f"more than {self.limit:,} steps")
            self.steps.append(Step(line, loops))
            self._key = key
        accesses = getattr(self.steps[-1], kind)
        for place, value in zip(np.ravel(places).tolist(), np.ravel(values).tolist(), strict=True):
            accesses.append(Access(tensor, place, value))

    def product(self, value: float) -> None:
        """Put down a product of two entries."""
        if self.steps and self._where() is not None:
            self.steps[-1].products.append(float(value))

    def _where(self) -> tuple[int, dict[str, int]] | None:
        """The line of the function that is running, and its loop variables, outermost first."""
        frame: types.FrameType | None = sys._getframe(2)
        frames = []
        while frame is not None:
            if frame.f_code.co_filename == self._file:
                frames.append(frame)
            frame = frame.f_back
        if not frames:
            return None
        loops: dict[str, int] = {}
        for frame in reversed(frames):
            for name in self._loops.get(frame.f_lineno, ()):
                value = frame.f_locals.get(name)
                if isinstance(value, (int, np.integer)):
                    loops[name] = int(value)
        line = frames[0].f_lineno
        statement = self._statements.get(line)
        return (statement.lineno if statement else line), loops

    def _read(self, function: Callable[..., Any]) -> None:
        """Read the file of the function: its lines, its statements, the formulas in them."""
        code = function.__code__
        self._file = code.co_filename
        lines = inspect.getsource(sys.modules[function.__module__]).splitlines()
        tree = ast.parse("\n".join(lines))
        for node in ast.walk(tree):  # outer loops come before inner ones
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1) if isinstance(node, LOOPS) else ():
                self._loops.setdefault(line, []).extend(_counters(node))
            if isinstance(node, ast.stmt) and not hasattr(node, "body"):
                for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                    self._statements[line] = node
                if formula := _formula(node):
                    self.expressions[node.lineno] = formula
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.lineno <= code.co_firstlineno <= (node.end_lineno or 0):
                self.first_line = node.lineno
                self.source = lines[node.lineno - 1 : node.end_lineno]

    def _in_a_copy_of_its_module(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with globals of its own, in which all functions of its file and ``np`` are others."""
        names: dict[str, Any] = dict(function.__globals__)
        for name, value in names.items():
            if isinstance(value, types.FunctionType) and value.__code__.co_filename == self._file:
                names[name] = _with_globals(value, names)
            elif value is np:
                names[name] = _Numpy(self)
            elif getattr(np, name, None) is value and name in MAKERS:
                names[name] = getattr(_Numpy(self), name)
        return _with_globals(function, names)

    def assigned_name(self) -> str | None:
        """The name that the statement now running assigns to, if it is a single one."""
        frame: types.FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename != self._file:
            frame = frame.f_back
        statement = self._statements.get(frame.f_lineno) if frame is not None else None
        targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
        return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None


class Recorded(np.ndarray):
    """An array that tells its recorder what is read from it and written to it."""

    _recorder: Recorder | None = None
    _name: str = ""
    _places: np.ndarray | None = None

    def __getitem__(self, index: Any) -> Any:
        index = _plain_index(index)
        value = super().__getitem__(index)
        if self._recorder is None or self._places is None:
            return value
        places = self._places[index]
        if isinstance(value, np.ndarray) and value.shape != ():
            return self._derived(value, places)
        self._recorder.note("reads", self._name, places, value)
        return Number(value, self._recorder) if np.asarray(value).dtype.kind == "f" else value[()]

    def __setitem__(self, index: Any, value: Any) -> None:
        index = _plain_index(index)
        places = self._places[index] if self._places is not None else None
        is_itself = (
            isinstance(value, Recorded)
            and value._name == self._name
            and value._places is not None
            and np.shares_memory(_bare(value), _bare(self))
            and np.array_equal(value._places, places)
        )
        if isinstance(value, Recorded) and not is_itself:
            value._tell_read()
        super().__setitem__(index, _plain(value))
        if not is_itself:  # a[…] += 1 has written already, in place
            self._tell_written(index)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.get("out", ())
        for given in inputs:
            if isinstance(given, Recorded):
                given._tell_read()
        if out:
            options["out"] = tuple(_bare(x) for x in out)
        result = getattr(ufunc, method)(*(_bare(x) for x in inputs), **options)
        for written in out:
            if isinstance(written, Recorded):
                written._tell_written(...)
        return out[0] if out else result

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if function in MOVES:
            moved = _mapped(args, _bare), _mapped(kwargs, _bare)
            places = _mapped(args, _places), _mapped(kwargs, _places)
            if function is np.pad and places[1].get("mode", "constant") == "constant":
                places[1]["constant_values"] = PADDING
            return self._derived(function(*moved[0], **moved[1]), function(*places[0], **places[1]))
        for found in _all_recorded((args, kwargs)):
            found._tell_read()
        return function(*_mapped(args, _bare), **_mapped(kwargs, _bare))

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """A view with another shape."""
        return self._moved(lambda array: array.reshape(*shape, **options))

    def transpose(self, *axes: Any) -> Any:
        """A view with other axes first."""
        return self._moved(lambda array: array.transpose(*axes))

    @property
    def T(self) -> Any:
        """The transpose."""
        return self._moved(lambda array: array.T)

    def ravel(self, *args: Any) -> Any:
        """All entries in a row."""
        return self._moved(lambda array: array.ravel(*args))

    def flatten(self, *args: Any) -> Any:
        """A copy of all entries in a row."""
        return self._moved(lambda array: array.flatten(*args))

    def copy(self, *args: Any) -> Any:
        """A copy, whose entries are still known to come from here."""
        return self._moved(lambda array: array.copy(*args))

    def astype(self, *args: Any, **options: Any) -> Any:
        """A copy of another dtype, whose entries are still known to come from here."""
        values = _bare(self).astype(*args, **options)
        return values if self._places is None else self._derived(values, self._places.copy())

    def squeeze(self, *args: Any) -> Any:
        """A view without axes of one."""
        return self._moved(lambda array: array.squeeze(*args))

    def swapaxes(self, *axes: int) -> Any:
        """A view with two axes exchanged."""
        return self._moved(lambda array: array.swapaxes(*axes))

    def dot(self, other: Any, *args: Any) -> Any:
        """The product of matrices."""
        return np.dot(self, other, *args)

    def argmax(self, *args: Any, **options: Any) -> Any:
        """Where the largest is."""
        self._tell_read()
        return _bare(self).argmax(*args, **options)

    def argmin(self, *args: Any, **options: Any) -> Any:
        """Where the smallest is."""
        self._tell_read()
        return _bare(self).argmin(*args, **options)

    def item(self, *args: Any) -> Any:
        """One entry as a Python number."""
        self._tell_read()
        return _bare(self).item(*args)

    def tolist(self) -> Any:
        """All entries as Python numbers."""
        self._tell_read()
        return _bare(self).tolist()

    def _moved(self, move: Callable[[np.ndarray], Any]) -> Any:
        values = move(_bare(self))
        return values if self._places is None else self._derived(values, move(self._places))

    def _derived(self, values: np.ndarray, places: np.ndarray) -> Recorded:
        derived = np.asarray(values).view(Recorded)
        derived._recorder, derived._name, derived._places = self._recorder, self._name, places
        return derived

    def _tell_read(self) -> None:
        if self._recorder is not None and self._places is not None and self.size:
            self._recorder.note("reads", self._name, self._places, _bare(self))

    def _tell_written(self, index: Any) -> None:
        if self._recorder is None or self._places is None:
            return
        if np.shares_memory(_bare(self), self._recorder.arrays[self._name]):
            self._recorder.note("writes", self._name, self._places[index], _bare(self)[index])
        else:  # a copy, which is no longer what was read
            self._places = self._places.copy()
            self._places[index] = PADDING


class Number(np.float64):
    """An entry that was read: where two of them are multiplied, the product is put down."""

    _recorder: Recorder

    def __new__(cls, value: Any, recorder: Recorder) -> Number:
        """The value, and whom to tell."""
        number = super().__new__(cls, value)
        number._recorder = recorder
        return number

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, Number):
            return np.float64(self) * other
        product = np.float64(self) * np.float64(other)
        self._recorder.product(product)
        return product

    def __rmul__(self, other: Any) -> Any:
        return other * np.float64(self)

    def __reduce__(self) -> Any:
        return np.float64, (float(self),)


class _Numpy:
    """NumPy, but arrays that are made here record."""

    def __init__(self, recorder: Recorder):
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if name not in MAKERS:
            return found

        def make(*args: Any, **options: Any) -> Any:
            made = found(*_mapped(args, _bare), **_mapped(options, _bare))
            if name.startswith("empty") and made.dtype.kind == "f":
                made.fill(np.nan)  # whatever lies in memory would be no record
            variable = self._recorder.assigned_name()
            return made if variable is None else self._recorder.array(variable, made)

        return make


def _with_globals(function: Any, names: dict[str, Any]) -> Any:
    made = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _plain_index(index: Any) -> Any:
    """An index without recording arrays: those are read."""
    return _mapped(index, _read) if isinstance(index, tuple) else _read(index)


def _read(value: Any) -> Any:
    if isinstance(value, Recorded):
        value._tell_read()
    return _bare(value)


def _bare(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Recorded) else value


def _plain(value: Any) -> Any:
    """What a function returned, without recording arrays in it."""
    if isinstance(value, (tuple, list)):
        return type(value)(_plain(x) for x in value)
    return float(value) if isinstance(value, Number) else _bare(value)


def _places(value: Any) -> Any:
    if not isinstance(value, Recorded):
        return np.full(value.shape, PADDING) if isinstance(value, np.ndarray) else value
    return value._places if value._places is not None else np.full(value.shape, PADDING)


def _mapped(values: Any, change: Callable[[Any], Any]) -> Any:
    """A nested tuple, list or dict with every leaf changed."""
    if isinstance(values, (tuple, list)):
        return type(values)(_mapped(value, change) for value in values)
    if isinstance(values, Mapping):
        return {name: _mapped(value, change) for name, value in values.items()}
    return change(values)


def _all_recorded(values: Any) -> Iterator[Recorded]:
    if isinstance(values, Recorded):
        yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from _all_recorded(value)
    elif isinstance(values, Mapping):
        yield from _all_recorded(list(values.values()))


def _counters(loop: ast.AST) -> list[str]:
    """Names that a loop counts with."""
    if isinstance(loop, ast.While):
        parts: list[ast.expr] = [loop.test]
    elif isinstance(loop, ast.For):
        parts = [loop.target]
    else:
        parts = [generator.target for generator in getattr(loop, "generators", ())]
    return [name.id for part in parts for name in ast.walk(part) if isinstance(name, ast.Name)]


def _formula(node: ast.stmt) -> str:
    """The right side of an assignment to one entry, with a number in braces for each entry that it reads, in order."""
    if not isinstance(node, (ast.Assign, ast.AugAssign)) or node.value is None:
        return ""
    target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
    if not isinstance(target, ast.Subscript):
        return ""
    count = 0

    class Slots(ast.NodeTransformer):
        def visit_Subscript(self, subscript: ast.Subscript) -> ast.expr:
            nonlocal count
            count += 1
            return ast.Name(f"_slot_{count - 1}_", ast.Load())

    is_added = isinstance(node, ast.AugAssign)
    count = int(is_added)
    text = ast.unparse(Slots().visit(ast.parse(ast.unparse(node.value), mode="eval")))
    if is_added:
        sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}.get(type(node.op))
        text = f"_slot_0_ {sign} {text}" if sign else ""
    for number in range(count):
        text = text.replace(f"_slot_{number}_", f"{{{number}}}")
    return text
