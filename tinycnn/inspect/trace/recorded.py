"""Arrays that record: a NumPy array that knows, for each of its entries, where in which tensor it lies.

Slicing, transposing, padding and reshaping carry these places along, so that a read of a view tells which entries of
the tensor were meant. What is computed from such arrays are plain ones, and always the same as without recording:
whatever cannot be followed is done by NumPy on the plain array.

Like the other files of the recorder, this needs the standard library and NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from .number import Number
from .places import MOVES, UNKNOWN, WRITERS, by_address, data_arguments, moved


class Notes(Protocol):
    """Where reads and writes are put down."""

    def note(self, kind: str, tensor: str, places: Any, values: Any) -> None:
        """Put down that entries were read, or written."""

    def product(self, value: float) -> None:
        """Put down a product of two entries that were read."""

    def variable(self, values: np.ndarray) -> Recorded | None:
        """The array as a tensor of its own, where it is assigned to a variable that is no argument."""


class Recorded(np.ndarray):
    """An array that tells its recorder what is read from it and written to it."""

    _notes: Notes | None = None
    _name: str = ""
    _tensor: np.ndarray | None = None
    """The whole array of that name."""
    _places: np.ndarray | None = None

    @classmethod
    def whole(cls, notes: Notes, name: str, values: np.ndarray) -> Recorded:
        """A tensor."""
        made = values.view(cls)
        made._notes, made._name, made._tensor = notes, name, values
        made._places = np.arange(values.size).reshape(values.shape)
        return made

    def __array_finalize__(self, source: Any) -> None:
        """A view that NumPy itself has made lies in the same tensor, or is a copy of which nothing is known."""
        if isinstance(source, Recorded):
            self._notes, self._name, self._tensor = source._notes, source._name, source._tensor

    @property
    def places(self) -> np.ndarray | None:
        """Of each entry within its tensor; None where nothing is known of them."""
        if self._places is None and self._tensor is not None:
            self._places = by_address(bare(self), self._tensor)
        return self._places

    def __getitem__(self, index: Any) -> Any:
        index = _plain_index(index)
        value = bare(self)[index]
        places = self.places
        if places is None or self._notes is None:
            return value
        if isinstance(value, np.ndarray):
            return self.derived(value, places[index])
        self._notes.note("reads", self._name, places[index], value)
        return Number(value, self._notes) if isinstance(value, np.float64) else value

    def __setitem__(self, index: Any, value: Any) -> None:
        index = _plain_index(index)
        is_itself = isinstance(value, Recorded) and self._is_same(bare(self)[index], value)
        if not is_itself:
            for found in all_recorded(value):
                found.tell_read()
        bare(self)[index] = plain(value)
        if not is_itself:  # a[…] += 1 has written already, in place
            self.tell_written(index)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", ())
        for found in all_recorded((inputs, options)):
            found.tell_read()
        if out:
            options["out"] = tuple(bare(x) for x in out)
        index = mapped(inputs[1], bare) if method == "at" else None
        result = getattr(ufunc, method)(*mapped(inputs, bare), **mapped(options, bare))
        if method == "at":
            if isinstance(inputs[0], Recorded):
                inputs[0].tell_written(index)
            return result
        for written in out:
            if isinstance(written, Recorded):
                written.tell_written(...)
        if not out:
            return result
        if isinstance(result, tuple):
            return tuple(made if given is None else given for given, made in zip(out, result, strict=True))
        return out[0]

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        out = kwargs.get("out")
        if function is np.copy and args and isinstance(args[0], Recorded):
            return args[0].copied(np.copy(bare(args[0]), *args[1:], **kwargs))
        if function in WRITERS and args and isinstance(args[0], Recorded):
            out = args[0]
        elif function in MOVES and args and out is None:
            values = function(*mapped(args, bare), **mapped(kwargs, bare))
            data, others = args[: data_arguments(function)], args[data_arguments(function) :]
            places = moved(function, mapped(data, _one_more), mapped(others, bare), mapped(kwargs, bare))
            names = {found._name for found in all_recorded(data)}
            if places is not None and len(names) == 1 and np.shape(places) == np.shape(values):
                return next(all_recorded(args)).derived(values, places)
        given = {name: value for name, value in kwargs.items() if name != "out"}
        read = [found for found in all_recorded((args, given)) if found is not out or function not in WRITERS]
        before = bare(out).copy() if isinstance(out, Recorded) else None
        if isinstance(out, Recorded):
            for found in read:
                found.tell_read()
        result = function(*mapped(args, bare), **mapped(kwargs, bare))
        if isinstance(out, Recorded):
            out.tell_written(bare(out) != before if function in WRITERS else ...)
            return out if result is not None else None
        shown = mapped(result, self._still_recorded)
        if not all(isinstance(part, Recorded) for part in _leaves(shown)):  # more than views
            for found in read:
                found.tell_read()
        return shown

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return repr(bare(self))

    def __str__(self) -> str:
        return str(bare(self))

    def __format__(self, how: str) -> str:
        return format(bare(self), how)

    def __float__(self) -> float:
        self.tell_read()
        return float(bare(self))

    def __int__(self) -> int:
        self.tell_read()
        return int(bare(self))

    def __bool__(self) -> bool:
        self.tell_read()
        return bool(bare(self))

    @property
    def flat(self) -> Any:
        """All entries in a row."""
        return Flat(self)

    @flat.setter
    def flat(self, values: Any) -> None:
        for found in all_recorded(values):
            found.tell_read()
        bare(self).flat = plain(values)
        self.tell_written(...)

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """A view with another shape."""
        return self._moved(lambda array: array.reshape(*shape, **options))

    def transpose(self, *axes: Any) -> Any:
        """A view with other axes first."""
        return self._moved(lambda array: array.transpose(*axes))

    def ravel(self, *args: Any, **options: Any) -> Any:
        """All entries in a row."""
        return self._moved(lambda array: array.ravel(*args, **options))

    def flatten(self, *args: Any, **options: Any) -> Any:
        """A copy of all entries in a row."""
        return self._moved(lambda array: array.flatten(*args, **options))

    def repeat(self, *args: Any, **options: Any) -> Any:
        """A copy in which entries come several times."""
        return self._moved(lambda array: array.repeat(*args, **options))

    def take(self, *args: Any, **options: Any) -> Any:
        """A copy of some entries."""
        return np.take(self, *args, **options)

    def copy(self, *args: Any, **options: Any) -> Any:
        """A copy, whose entries are still known to come from here."""
        return self.copied(bare(self).copy(*args, **options))

    def astype(self, *args: Any, **options: Any) -> Any:
        """A copy of another dtype, whose entries are still known to come from here."""
        return self.copied(bare(self).astype(*args, **options))

    def copied(self, values: np.ndarray) -> Any:
        """A copy: a tensor of its own where it has a name, else entries that are known to come from here."""
        if self.places is None or self._notes is None or self.places.shape != values.shape:
            return values
        if np.may_share_memory(values, bare(self)):  # no copy after all
            return self.derived(values, self.places)
        variable = self._notes.variable(values)
        if variable is None:
            return self.derived(values, self.places.copy())
        self.tell_read()
        variable.tell_written(...)
        return variable

    def dot(self, other: Any, *args: Any) -> Any:
        """The product of matrices."""
        return np.dot(self, other, *args)

    def argmax(self, *args: Any, **options: Any) -> Any:
        """Where the largest is."""
        return np.argmax(self, *args, **options)

    def argmin(self, *args: Any, **options: Any) -> Any:
        """Where the smallest is."""
        return np.argmin(self, *args, **options)

    def nonzero(self) -> Any:
        """Where entries are not 0."""
        return np.nonzero(self)

    def argsort(self, *args: Any, **options: Any) -> Any:
        """How the entries would be sorted."""
        return np.argsort(self, *args, **options)

    def item(self, *args: Any) -> Any:
        """One entry as a Python number."""
        value = bare(self).item(*args)
        if self.places is not None and self._notes is not None:
            self._notes.note("reads", self._name, self.places.item(*args), value)
        return value

    def tolist(self) -> Any:
        """All entries as Python numbers."""
        self.tell_read()
        return bare(self).tolist()

    def fill(self, value: Any) -> None:
        """Write one number everywhere."""
        bare(self).fill(plain(value))
        self.tell_written(...)

    def sort(self, *args: Any, **options: Any) -> None:
        """Sort in place."""
        self.tell_read()
        bare(self).sort(*args, **options)
        self.tell_written(...)

    def put(self, *args: Any, **options: Any) -> None:
        """Write at flat places."""
        np.put(self, *args, **options)

    def derived(self, values: np.ndarray, places: np.ndarray) -> Recorded:
        """An array whose entries lie at these places of the tensor, or come from there."""
        derived = values.view(Recorded)
        derived._notes, derived._name, derived._tensor, derived._places = self._notes, self._name, self._tensor, places
        return derived

    def tell_read(self) -> None:
        """All entries are read."""
        if self._notes is not None and self.places is not None and self.size:
            self._notes.note("reads", self._name, self.places, bare(self))

    def tell_written(self, index: Any) -> None:
        """Entries have been written."""
        if self._notes is None or self.places is None or self._tensor is None:
            return
        if np.may_share_memory(bare(self), self._tensor):
            self._notes.note("writes", self._name, self.places[index], bare(self)[index])
        else:  # a copy, which is no longer what was read
            self._places = self.places.copy()
            self._places[index] = UNKNOWN

    def _is_same(self, here: Any, value: Recorded) -> bool:
        """Whether a value is what lies there already: it has been changed in place."""
        return (
            isinstance(here, np.ndarray)
            and here.shape == value.shape
            and here.strides == value.strides
            and here.__array_interface__["data"] == value.__array_interface__["data"]
        )

    def _moved(self, move: Callable[[np.ndarray], Any]) -> Any:
        values = move(bare(self))
        return values if self.places is None else self.derived(values, move(self.places))

    def _still_recorded(self, value: Any) -> Any:
        is_inside = type(value) is np.ndarray and self._tensor is not None and value.dtype == self._tensor.dtype
        if is_inside and np.may_share_memory(value, self._tensor):
            view = value.view(Recorded)
            view._notes, view._name, view._tensor = self._notes, self._name, self._tensor
            return view
        return value


class Flat:
    """The iterator ``x.flat`` of an array that records."""

    def __init__(self, array: Recorded):
        self._array, self._real = array, bare(array).flat

    def __iter__(self) -> Flat:
        return self

    def __next__(self) -> Any:
        coordinates = self._real.coords if self._real.index < len(self._real) else ()
        value = next(self._real)
        return self._array[coordinates] if self._array.ndim else value

    def __len__(self) -> int:
        return len(self._real)

    def __getitem__(self, index: Any) -> Any:
        return self._array.ravel()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        for found in all_recorded(value):
            found.tell_read()
        self._real[_plain_index(index)] = plain(value)
        self._array.tell_written(np.unravel_index(np.arange(len(self))[_plain_index(index)], self._array.shape))

    def __array__(self, *args: Any, **options: Any) -> Any:
        self._array.tell_read()
        return np.array(bare(self._array).ravel(), *args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def bare(value: Any) -> Any:
    """The plain array that a recording one is."""
    return value.view(np.ndarray) if isinstance(value, Recorded) else value


def plain(value: Any) -> Any:
    """What a function returned, without recording arrays in it."""
    return mapped(value, lambda leaf: np.float64(leaf) if isinstance(leaf, Number) else bare(leaf))


def mapped(values: Any, change: Callable[[Any], Any]) -> Any:
    """A nested tuple, list or dict with every leaf changed."""
    if type(values) in (tuple, list):
        return type(values)(mapped(value, change) for value in values)
    if isinstance(values, tuple) and hasattr(values, "_fields"):
        return type(values)(*(mapped(value, change) for value in values))
    if type(values) is dict:
        return {name: mapped(value, change) for name, value in values.items()}
    return change(values)


def all_recorded(values: Any) -> Iterator[Recorded]:
    """The recording arrays in nested tuples, lists and dicts."""
    if isinstance(values, Recorded):
        yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from all_recorded(value)
    elif type(values) is dict:
        yield from all_recorded(list(values.values()))


def _leaves(values: Any) -> Iterator[Any]:
    if isinstance(values, (tuple, list)):
        for value in values:
            yield from _leaves(value)
    else:
        yield values


def _plain_index(index: Any) -> Any:
    """An index without recording arrays: those are read."""
    if isinstance(index, (bool, int, slice)):
        return index
    for found in all_recorded(index):
        found.tell_read()
    return mapped(index, bare)


def _one_more(value: Any) -> Any:
    """Than the place of each entry; 0 for entries that have none."""
    if isinstance(value, Recorded) and value.places is not None:
        return value.places + 1
    return np.zeros(np.shape(value), np.intp) if isinstance(value, np.ndarray) else value
