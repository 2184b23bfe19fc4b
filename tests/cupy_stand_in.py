"""A stand-in for CuPy where there is no GPU: arrays that are as strict as CuPy's, kernels by `kernels.cuda.emulate`.

An array here holds a NumPy array and lets nobody see it: it does not turn into one by itself, takes no NumPy array as a
partner, gives 0-d arrays where NumPy gives scalars, and reaches NumPy's functions only by NumPy's protocols, as CuPy's
do. New memory holds NaN. Streams, graphs and pools of memory are in `tests.cupy_streams`.

What is written down in ``CALLED`` is what the engine asks of CuPy, for a test to look up in the real one.
"""

from __future__ import annotations

import importlib.machinery
import operator
import re
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests import cupy_streams as streams
from tests.cupy_streams import LIMIT, CUDARuntimeError, OutOfMemoryError, capture, do, wait
from tinycnn.kernels.cuda import emulate

CALLED: set[tuple[str, frozenset[str]]] = set()
"""Names of CuPy's functions that were called, each with the names of its keyword arguments."""

CUBLAS = {"matmul", "dot", "tensordot", "inner", "vdot"}  # what CuPy does by cuBLAS
WAITING = {"nonzero", "argwhere", "flatnonzero", "unique", "array_equal", "allclose"}  # for what is in the array
WRITING = {"fill", "sort", "put", "partition", "copyto", "put_along_axis", "putmask", "place", "fill_diagonal"}


def install() -> None:
    """Let ``import cupy`` find the stand-in."""
    module = _Module("cupy")
    module.__spec__ = importlib.machinery.ModuleSpec("cupy", None)
    module.ndarray, module.RawModule = ndarray, RawModule
    module.asarray = module.array = asarray
    module.asnumpy = lambda array: array.get()
    module.empty = empty
    module.get_default_memory_pool = lambda: streams.Pool()
    module._core = types.SimpleNamespace(get_compute_type=lambda dtype: 1, set_compute_type=lambda dtype, kind: None)
    module.cuda = _cuda()
    sys.modules["cupy"] = module


class Flags(types.SimpleNamespace):
    """The three that CuPy has."""


class ndarray:
    """An array on the GPU that is not there."""

    __module__ = "cupy"
    __array_priority__ = 100

    def __init__(self, host: np.ndarray, base: ndarray | None = None):
        self._memory, self.base = host, base
        self.pool = streams.allocated(self, host) if base is None else base.pool
        self.born = streams.now()

    @property
    def _host(self) -> np.ndarray:
        if self.pool is not None and self.pool() is None:
            raise CUDARuntimeError("cudaErrorIllegalAddress: an array was used whose memory pool is gone")
        return self._memory

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(self._host, name):
            raise AttributeError(f"cupy.ndarray has no {name}")
        value = getattr(self._host, name)
        if not callable(value):
            return _out(value, self)
        return lambda *args, **options: self._do(name, *args, **options)

    def _do(self, name: str, *args: Any, **options: Any) -> Any:
        CALLED.add((f"ndarray.{name}", frozenset(options)))
        return _run(getattr(np.ndarray, name), (self, *args), options, name)

    @property
    def flags(self) -> Flags:
        """Of the memory."""
        f = self._host.flags
        return Flags(c_contiguous=f.c_contiguous, f_contiguous=f.f_contiguous, owndata=self.base is None)

    @property
    def data(self) -> Any:
        """Where it lies."""
        return types.SimpleNamespace(ptr=self._host.ctypes.data)

    @property
    def T(self) -> ndarray:
        return self.transpose()

    def get(self, out: Any = None) -> np.ndarray:
        """A copy in main memory."""
        wait("get")
        if out is None:
            return self._host.copy(order="K")
        out[...] = self._host
        return out

    def set(self, array: np.ndarray, stream: Any = None) -> None:
        """Copy from main memory, at once, or in the order of a stream."""
        assert isinstance(array, np.ndarray)
        assert (self.dtype, self.shape) == (array.dtype, array.shape)
        if stream is None:
            wait("set")
            self._host[...] = array
            return
        assert streams.is_pinned(array), "from other memory a copy does not go on by itself"
        owner = self if self.base is None else self.base
        assert stream.waited >= owner.born, "the stream must wait until nothing is computed in this memory any more"
        memory = self._host
        stream.ask(lambda: memory.__setitem__(..., array))

    def item(self, *args: int) -> Any:
        wait("item")
        return self._host.item(*args)

    def tolist(self) -> Any:
        wait("tolist")
        return self._host.tolist()

    def __array__(self, *args: Any, **options: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or set(options) - {"out", "dtype", "casting"}:
            raise TypeError(f"cupy's {ufunc.__name__} takes no {method} with {sorted(options)}")
        if not all(isinstance(entry, (ndarray, np.ndarray, np.generic, int, float)) for entry in inputs):
            return NotImplemented
        CALLED.add((ufunc.__name__, frozenset(options)))
        return _run(ufunc, inputs, options)

    def __array_function__(self, function: Any, types_: Any, args: Any, options: Any) -> Any:
        if not set(types_) <= {ndarray, np.ndarray}:
            return NotImplemented
        name = f"{function.__module__}.{function.__name__}".removeprefix("numpy.")
        CALLED.add((name, frozenset(options)))
        options.pop("like", None)
        if function in (np.asarray, np.array):
            return asarray(*args, **options)
        if function.__name__ in ("empty_like", "full_like", "zeros_like", "ones_like") and options.get("order") is None:
            options.pop("order", None)
        if function.__name__ == "empty_like":
            function = _poisoned_like
        return _run(function, args, options)

    def __getitem__(self, index: Any) -> Any:
        if any(isinstance(i, ndarray) and i.dtype == bool for i in _parts(index)):
            wait("how many entries a mask selects")
        return _run(_item if _has_positions(index) else operator.getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        memory, plain_index, plain_value = self._host, _in(index), _in(value)
        assign = _set_item if _has_positions(index) else operator.setitem
        do(lambda: assign(memory, plain_index, plain_value), _arrays((self, index, value)))

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        wait("bool")
        return bool(self._host)

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        return operator.index(self.item())

    def __repr__(self) -> str:
        wait("repr")
        return repr(self._host)

    __hash__ = None  # type: ignore[assignment]


def _has_positions(index: Any) -> bool:
    """Whether an index holds an array of whole numbers."""
    return any(isinstance(part, ndarray) and part.dtype.kind in "iu" for part in _parts(index))


def _parts(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _item(memory: np.ndarray, index: Any) -> np.ndarray:
    try:
        return memory[index]
    except IndexError as error:
        if "out of bounds" in str(error):
            raise AssertionError("CuPy refuses no position in an array, it wraps round") from None
        raise


def _set_item(memory: np.ndarray, index: Any, value: Any) -> None:
    written = _item(np.arange(memory.size).reshape(memory.shape), index)
    assert np.size(value) == 1 or np.unique(written).size == written.size, "which of the values stays is undefined"
    memory[index] = value


def _operator(name: str, ufunc: np.ufunc, swapped: bool = False, in_place: bool = False) -> None:
    def apply(self: ndarray, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        if not isinstance(other, (ndarray, np.generic, int, float)):
            return NotImplemented
        inputs = (other, self) if swapped else (self, other)
        return _run(ufunc, inputs, {"out": self} if in_place else {})

    setattr(ndarray, name, apply)


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "matmul": np.matmul,
}.items():  # fmt: skip
    _operator(f"__{_name}__", _ufunc)
    _operator(f"__r{_name}__", _ufunc, swapped=True)
    _operator(f"__i{_name}__", _ufunc, in_place=True)
for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "eq": np.equal, "ne": np.not_equal, "ge": np.greater_equal, "gt": np.greater,
}.items():  # fmt: skip
    _operator(f"__{_name}__", _ufunc)
for _name, _ufunc in {"neg": np.negative, "abs": np.absolute, "invert": np.invert}.items():
    setattr(ndarray, f"__{_name}__", lambda self, _ufunc=_ufunc: _run(_ufunc, (self,), {}))


class RawModule:
    """Kernels that `emulate` runs on the memory behind the arrays."""

    def __init__(self, code: str, options: tuple[str, ...] = ()):
        self._file = (re.findall(r'^#line 1 "(\w+)\.cu"', code, re.MULTILINE) or ["kernel"])[0]
        self._real = (re.findall(r"^typedef (\w+) real;", code, re.MULTILINE) or [""])[0]
        try:
            self._module = emulate.RawModule(code)
        except emulate.CompileError as error:
            raise CompileException(str(error)) from None

    def get_function(self, name: str) -> Callable[..., None]:
        kernel = self._module.get_function(name)
        counted = self._file, name, self._real

        def call(grid: Any, block: Any, args: Any, *, shared_mem: int = 0, stream: Any = None) -> None:
            assert all(isinstance(size, int) for size in (*grid, *block)), "CuPy takes Python ints"
            LAUNCHED[counted] += 1
            plain = tuple(np.atleast_1d(arg._host) if isinstance(arg, ndarray) else _not_an_array(arg) for arg in args)
            do(lambda: kernel(grid, block, plain, shared_mem=shared_mem), _arrays(args))

        return call


LAUNCHED = Counter[tuple[str, str, str]]()
"""How often each kernel was launched, by its file, its name and what ``real`` is."""


def asarray(value: Any, dtype: Any = None, **options: Any) -> ndarray:
    """A copy on the GPU, or the array that is there."""
    if isinstance(value, ndarray):
        return value if dtype in (None, value.dtype) else value.astype(dtype)
    array = np.array(value, dtype, order="K")
    array = array.astype(array.dtype.newbyteorder("="))
    if capture() is None:
        return ndarray(array)
    if array.ndim:
        wait("a copy from main memory that the next launch would not find there")
    made = empty((), array.dtype)
    made[...] = array[()]
    return made


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Memory that holds NaN."""
    return ndarray(_poisoned(np.empty(shape, dtype, order)))


class CompileException(Exception):
    """CuPy's."""


def _cuda() -> Any:
    runtime = types.SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13000,
        memGetInfo=lambda: (LIMIT.get("bytes", 1 << 30), 1 << 31),
        deviceSynchronize=lambda: wait("deviceSynchronize"),
        getDeviceProperties=lambda device: {
            "name": b"a stand-in for a GPU",
            "multiProcessorCount": 2,
            "l2CacheSize": 1 << 20,
        },
    )
    return types.SimpleNamespace(
        runtime=runtime,
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        compiler=types.SimpleNamespace(CompileException=CompileException),
        Stream=streams.Stream,
        Event=streams.Event,
        get_elapsed_time=streams.elapsed,
        MemoryPool=streams.Pool,
        using_allocator=streams.using_allocator,
        get_current_stream=streams.current_stream,
        alloc_pinned_memory=streams.alloc_pinned_memory,
        Device=lambda number=0: types.SimpleNamespace(
            compute_capability="80", id=0, attributes={"MultiProcessorCount": 2}
        ),
    )


class _Module(types.ModuleType):
    """Whatever NumPy has by that name, on arrays of the stand-in."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if not callable(function) or isinstance(function, type):
            return function

        def call(*args: Any, **options: Any) -> Any:
            CALLED.add((name, frozenset(options)))
            return _run(function, args, options)

        return call


def _run(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any], name: str = "") -> Any:
    """Run a function of NumPy's on what the arrays hold, now, or whenever the graph that is captured is launched."""
    name = name or function.__name__
    arrays = list(_arrays((*args, *options.values())))
    plain_args, plain_options = _in(args), _in(options)

    def run() -> Any:
        if capture() is None:
            streams.current_stream().catch_up()
        with np.errstate(all="ignore"):
            return function(*plain_args, **plain_options)

    out = options.get("out")
    if out is not None or name in WRITING:
        do(run, arrays)
        return out[0] if isinstance(out, tuple) else out
    capturing = capture()
    if capturing is not None and (name in CUBLAS or (name == "einsum" and len(arrays) > 1)):
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    if capturing is not None and name in WAITING:
        wait(name)
    result = _out(run(), arrays[0] if arrays else None)
    made = list(_arrays([result]))
    if capturing is not None and any(array.base is None for array in made):
        kept = [array._host for array in made]
        for array in kept:
            array[...] = np.frombuffer(b"\xff" * array.itemsize, array.dtype)[0] if array.dtype != bool else True

        def again() -> None:
            once_more = run()
            for array, value in zip(kept, once_more if len(kept) > 1 else [once_more], strict=True):
                array[...] = value

        capturing.keep(again, [*arrays, *made])
    return result


def _in(value: Any) -> Any:
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
        return type(value)(map(_in, value))
    if isinstance(value, dict):
        return {name: _in(entry) for name, entry in value.items()}
    return _not_an_array(value)


def _not_an_array(value: Any) -> Any:
    if isinstance(value, np.ndarray) and not value.dtype.names:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return value


def _out(value: Any, holder: ndarray | None) -> Any:
    if isinstance(value, (tuple, list)) and any(isinstance(entry, np.ndarray) for entry in value):
        return type(value)(_out(entry, holder) for entry in value)
    if isinstance(value, np.generic):
        return ndarray(np.array(value))
    if not isinstance(value, np.ndarray):
        return value
    if holder is not None and np.may_share_memory(value, holder._host):
        return ndarray(value, holder if holder.base is None else holder.base)
    return ndarray(value if value.flags.owndata or value.base is None else value.copy(order="K"))


def _arrays(values: Any) -> Iterator[ndarray]:
    """Those among values, and in tuples and lists among them."""
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _arrays(value)
        elif isinstance(value, ndarray):
            yield value


def _poisoned(array: np.ndarray) -> np.ndarray:
    array.reshape(-1).view(np.uint8)[...] = 0xFF
    return array


def _poisoned_like(prototype: np.ndarray, dtype: Any = None, order: str = "K", shape: Any = None) -> Any:
    return _poisoned(np.empty_like(prototype, dtype, "C" if shape is not None else order, shape=shape).copy(order="C"))
