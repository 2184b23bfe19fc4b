"""Module: parameters, buffers and other modules under one roof, found by walking its attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import numpy as np

from tinycnn.arrays import Array, beside, is_cupy, moved
from tinycnn.backend import on_chosen_side, require_backend
from tinycnn.tensor import Tensor

ForwardHook = Callable[["Module", tuple[Any, ...], Any], None]
ForwardPreHook = Callable[["Module", tuple[Any, ...]], None]


class Parameter(Tensor):
    """A Tensor that a Module trains: it requires a gradient, and `Module.parameters` finds it.

    It lies where `tinycnn.use_backend` says that new ones are made: after ``use_backend("cupy")`` on the GPU, as a copy
    of an array in main memory.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(on_chosen_side(Tensor(data).data), requires_grad)


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` with ``strict=False`` left out on either side."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class HookHandle:
    """Removes a hook again: call ``remove()``, or use it in a ``with`` statement."""

    def __init__(self, hooks: list[Any], hook: Callable[..., None]):
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Take the hook off; once is enough, twice does no harm."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class Module:
    """A piece of a network: set Parameters and Modules as attributes, define ``forward``, call the instance.

    Attributes may also be lists, tuples or dictionaries of Parameters or Modules; all are found, in the order they were
    set.

    Attributes
    ----------
    training
        Whether dropout drops and batch normalisation uses the batch's statistics; see `train` and `eval`.

    Examples
    --------
    >>> import tinycnn as tc
    >>> class Perceptron(tc.nn.Module):
    ...     def __init__(self):
    ...         self.hidden = tc.nn.Linear(4, 3)
    ...         self.out = tc.nn.Linear(3, 2)
    ...     def forward(self, x):
    ...         return self.out(tc.functional.tanh(self.hidden(x)))
    >>> list(Perceptron().state_dict())
    ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
    """

    training = True
    forward: Callable[..., Any]
    _buffer_names: tuple[str, ...] = ()
    _forward_hooks: Sequence[ForwardHook] = ()  # a list of its own from the first on
    _forward_pre_hooks: Sequence[ForwardPreHook] = ()

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        if not hasattr(self, "forward"):
            raise NotImplementedError(f"{type(self).__name__} has no forward method: define forward(self, x)")
        for before in tuple(self._forward_pre_hooks):
            before(self, inputs)
        output = self.forward(*inputs, **options)
        for hook in tuple(self._forward_hooks):
            hook(self, inputs, output)
        return output

    def register_buffer(self, name: str, array: Array) -> None:
        """Keep an array that is no parameter but belongs to the state, such as running statistics.

        It lies where a `Parameter` would.
        """
        self._buffer_names = (*self._buffer_names, name)
        setattr(self, name, on_chosen_side(array))

    def register_forward_hook(self, hook: ForwardHook) -> HookHandle:
        """Call ``hook(module, inputs, output)`` after each forward of this module."""
        hooks: list[ForwardHook] = vars(self).setdefault("_forward_hooks", [])
        hooks.append(hook)
        return HookHandle(hooks, hook)

    def register_forward_pre_hook(self, hook: ForwardPreHook) -> HookHandle:
        """Call ``hook(module, inputs)`` before each forward of this module."""
        hooks: list[ForwardPreHook] = vars(self).setdefault("_forward_pre_hooks", [])
        hooks.append(hook)
        return HookHandle(hooks, hook)

    @property
    def has_hooks(self) -> bool:
        """Whether a hook is registered on this module itself."""
        return bool(self._forward_hooks or self._forward_pre_hooks)

    def children(self) -> Iterator[tuple[str, Module]]:
        """Names and modules directly below this one."""
        return ((name, value) for name, value in self._members() if isinstance(value, Module))

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """All modules from here down with their dotted names, each once or, if asked, under every name it has."""
        seen: set[int] = set()
        pending: list[tuple[str, Module]] = [(prefix, self)]
        while pending:
            name, module = pending.pop()
            if remove_duplicate and id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            below = [(f"{name}.{child}" if name else child, value) for child, value in module.children()]
            pending.extend(reversed(below))

    def modules(self) -> Iterator[Module]:
        """All modules from here down, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Dotted names and parameters, in the order they were set; one that is shared comes once."""
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, value in module._members():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once, in the order they were set."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        """Dotted names and arrays of all buffers."""
        for path, module in self.named_modules():
            for name in module._buffer_names:
                yield f"{path}.{name}" if path else name, getattr(module, name)

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by dotted name, where they are: later training does not change them."""
        return {name: array.copy() for name, array in self._state_arrays().items()}

    def load_state_dict(self, mapping: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copy arrays into the parameters and buffers of the same names, casting to their dtypes.

        Parameters
        ----------
        mapping
            Arrays, in main memory or on the GPU, or anything `numpy.asarray` takes, by dotted name.
        strict
            Whether a name missing on either side is an error.

        Returns
        -------
        IncompatibleKeys
            The names missing in ``mapping`` and in the module; both empty when strict.

        Raises
        ------
        ValueError
            Naming the first missing, unexpected and mis-shaped keys. Nothing has been changed then.
        """
        own = self._state_arrays()
        keys = IncompatibleKeys([n for n in own if n not in mapping], [n for n in mapping if n not in own])
        given = {name: self._converted(name, mapping[name], own[name]) for name in own if name in mapping}
        faults = []
        if strict and keys.missing_keys:
            faults.append(_counted(keys.missing_keys, "missing"))
        if strict and keys.unexpected_keys:
            faults.append(_counted(keys.unexpected_keys, "unexpected"))
        shapes = [n for n in own if n in given and own[n].shape != given[n].shape]
        if shapes:
            n = shapes[0]
            faults.append(f"{_counted(shapes, 'mis-shaped')}, {given[n].shape} where the model has {own[n].shape}")
        if faults:
            raise ValueError(f"this state is not one of this {type(self).__name__}: {'; '.join(faults)}")
        for name, array in own.items():
            if name in given:
                array[...] = given[name]
        for parameter in self.parameters():
            parameter.data = parameter.data  # counts as a change, for a backward pass that needs the old values
        return keys

    def train(self, mode: bool = True) -> Self:
        """Set ``training`` here and in all modules below."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set everything to test behaviour: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train all parameters here and below, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def astype(self, dtype: Any) -> Self:
        """Convert all parameters and floating-point buffers, in place, and forget gradients."""
        for parameter in self.parameters():
            parameter.data = parameter.data.astype(dtype)
            parameter.zero_grad()
        for module in self.modules():
            for name in module._buffer_names:
                array = getattr(module, name)
                if array.dtype.kind == "f":
                    setattr(module, name, array.astype(dtype))
        return self

    def to(self, backend: str) -> Self:
        """Move all parameters, their gradients and all buffers, in place, to where a backend computes.

        Parameters
        ----------
        backend
            ``"cupy"`` for the GPU, ``"numpy"`` or ``"numba"`` for main memory.

        Raises
        ------
        ValueError
            When there is no such backend here, with what to do about it.
        MemoryError
            When the GPU has too little memory.

        Examples
        --------
        >>> import tinycnn as tc
        >>> net = tc.nn.Linear(3, 2).to("numpy")
        """
        require_backend(backend)
        for parameter in self.parameters():
            parameter.data = moved(parameter.data, backend)
            if parameter.grad is not None:
                parameter.grad = moved(parameter.grad, backend)
        for module in self.modules():
            for name in module._buffer_names:
                setattr(module, name, moved(getattr(module, name), backend))
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def extra_repr(self) -> str:
        """What ``repr`` shows between the brackets; layers with settings override it."""
        return ""

    def __repr__(self) -> str:
        head = f"{type(self).__name__}({self.extra_repr()}"
        below = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.children()]
        return "\n".join([head, *below, ")"]) if below else head + ")"

    def _members(self) -> Iterator[tuple[str, Any]]:
        """Attributes by name; what lists, tuples and dictionaries hold, under ``name.index`` or ``name.key``."""
        for name, value in tuple(vars(self).items()):
            if isinstance(value, (list, tuple, dict)):
                yield from _entries(name, value)
            else:
                yield name, value

    def _converted(self, name: str, value: Any, own: Array) -> Array:
        """A copy of ``value`` as the array that it shall replace: so nothing fails later, and nothing is shared."""
        array = value.data if isinstance(value, Tensor) else value
        try:
            return beside(array.astype(own.dtype) if is_cupy(array) else np.array(array, dtype=own.dtype), own)
        except (TypeError, ValueError):
            raise ValueError(
                f"{type(self).__name__}: {name!r} of the state does not hold {own.dtype} numbers"
            ) from None

    def _state_arrays(self) -> dict[str, Array]:
        """The arrays behind `state_dict`, by every name they have."""
        arrays = {}
        for path, module in self.named_modules(remove_duplicate=False):
            prefix = f"{path}." if path else ""
            arrays.update({prefix + n: v.data for n, v in module._members() if isinstance(v, Parameter)})
            arrays.update({prefix + n: getattr(module, n) for n in module._buffer_names})
        return arrays


def _entries(name: str, values: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    """What a container holds, and those in it."""
    for key, value in tuple(values.items() if isinstance(values, dict) else enumerate(values)):
        if isinstance(value, (list, tuple, dict)):
            yield from _entries(f"{name}.{key}", value)
        else:
            yield f"{name}.{key}", value


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Run a block with ``model`` in ``eval`` mode, then set every module back to the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _counted(names: list[str], what: str) -> str:
    return f"{what} {names[0]}" if len(names) == 1 else f"{what} {names[0]} and {len(names) - 1} more"
