"""Optimizer: a list of parameters, a learning rate, and the state that goes with each parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Any

import numpy as np

from tinycnn import checks
from tinycnn.arrays import Array, is_array, is_cupy
from tinycnn.tensor import Tensor


class Optimizer:
    """Moves parameters against their gradients; subclass it and define ``update`` to add a rule.

    ``update(self, index, parameter, grad)`` changes the array ``parameter`` in place. What a rule keeps from step to
    step it asks of ``self.buffer(name, index)``, with the names listed in ``slots``. Its hyper-parameters go to
    ``super().__init__`` as keywords; ``checked(self, **options)`` returns them checked, and they become attributes.

    Parameters
    ----------
    params
        Tensors, usually ``model.parameters()``. One that comes twice is kept once. One without a gradient, such as a
        frozen one, is skipped by `step`. Data that is not C-contiguous is replaced by a contiguous copy.
    lr
        Learning rate, positive.
    **options
        Hyper-parameters of the rule.

    Attributes
    ----------
    params : list of Tensor
        The parameters, in the order given.
    lr : float
        May be assigned at any time, as schedules do; 0 is where some of them end.
    steps : int
        Number of calls of `step`.
    updates : list of int
        For each parameter, in how many of them it had a gradient.

    Raises
    ------
    TypeError
        When ``params`` are not tensors, or not floating-point, or ``lr`` is no number.
    ValueError
        When there are none, when one is computed from others or read-only, or when ``lr`` is not positive.

    Examples
    --------
    >>> import numpy as np, tinycnn as tc
    >>> class SignDescent(tc.optim.Optimizer):
    ...     def update(self, index, parameter, grad):
    ...         parameter -= self.lr * np.sign(grad)
    >>> w = tc.Tensor([3.0, -4.0], requires_grad=True)
    >>> optimizer = SignDescent([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([ 2.5, -3.5], dtype=float32)
    """

    update: Callable[[int, Array, Array], None]
    checked: Callable[..., dict[str, Any]] = dict  # a rule that checks nothing keeps its options as they are

    def __init__(self, params: Iterable[Tensor], lr: float, **options: Any):
        self.params = _distinct(self._name, params)
        self.lr = checks.positive(self._name, "lr", lr, "0.01 is a usual first try")
        options = self.checked(**options)
        vars(self).update(options)
        self._options = tuple(options)
        for index in range(len(self.params)):
            self._make_writable(index)
        self._kinds = [_kind(tensor.data) for tensor in self.params]
        self.steps = 0
        self.updates = [0] * len(self.params)
        self._buffers: dict[str, Array] = {}

    @property
    def lr(self) -> float:
        """Learning rate."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = checks.not_negative(self._name, "lr", value)

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays of a parameter's shape that the rule keeps for each of them."""
        return ()

    def step(self) -> None:
        """Move every parameter that has a gradient, once. Where anything is refused, none has moved.

        Raises
        ------
        TypeError
            When a gradient, set by hand, is no array.
        ValueError
            When a gradient has another shape than its parameter, or a parameter's array was exchanged for one of
            another shape, dtype or side, or for a read-only one.
        """
        moving = [(index, tensor, tensor.grad) for index, tensor in enumerate(self.params) if tensor.grad is not None]
        for index, tensor, grad in moving:
            self._check(index, tensor, grad)
            self._make_writable(index)
        for index, tensor, grad in moving:
            self.updates[index] += 1
            self.update(index, tensor.data, grad)
            tensor.changes[0] += 1  # so that a backward that still needs the old values says so
        self.steps += 1

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for tensor in self.params:
            tensor.zero_grad()

    def buffer(self, name: str, index: int) -> Array:
        """The array called ``name`` that is kept for parameter ``index``: zeros when first asked for.

        Parameters
        ----------
        name
            One of ``slots``; others would not be saved.
        index
            Position in ``params``.
        """
        key = f"{name}.{index}"
        if key not in self._buffers:
            self._buffers[key] = np.zeros_like(self.params[index].data)
        return self._buffers[key]

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on: numbers (and lists of them) for JSON, and copies of the arrays.

        Returns
        -------
        dict
            ``lr``, ``steps``, ``updates``, the hyper-parameters, and, for each parameter that was updated, arrays with
            names like ``velocity.0`` (slot, position in ``params``). The parameters themselves are the model's to save.
        """
        numbers = {name: getattr(self, name) for name in self._numbers}
        numbers = {name: list(value) if isinstance(value, (list, tuple)) else value for name, value in numbers.items()}
        return numbers | {f"{slot}.{index}": self.buffer(slot, index).copy() for slot, index in self._buffers_in_use()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, hyper-parameters included. Where anything is refused, nothing has changed.

        Parameters
        ----------
        state
            What `state_dict` of the same class, for parameters of the same shapes, returned. Arrays are copied.

        Raises
        ------
        ValueError, TypeError
            Naming the first entry that is missing, or else unexpected, or else of a value, shape or dtype that does not
            fit.
        """
        owner = f"{self._name}.load_state_dict"
        checks.keys(owner, state, self._numbers, allow_more=True)
        loaded = copy(self)  # takes every value that passes; self takes them all at the end
        loaded.lr = state["lr"]
        vars(loaded).update(loaded.checked(**{name: state[name] for name in self._options}))
        loaded.steps = checks.count(owner, "steps", state["steps"])
        loaded.updates = self._checked_updates(owner, state["updates"])
        arrays = {f"{slot}.{index}": self.params[index].data for slot, index in loaded._buffers_in_use()}
        checks.keys(owner, state, (*self._numbers, *arrays))
        loaded._buffers = {key: checks.array_like(owner, key, state[key], like) for key, like in arrays.items()}
        vars(self).update(vars(loaded))

    def __repr__(self) -> str:
        options = "".join(f", {name}={getattr(self, name)}" for name in ("lr", *self._options))
        return f"{self._name}({len(self.params)} parameters{options})"

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def _numbers(self) -> tuple[str, ...]:
        return ("lr", *self._options, "steps", "updates")

    def _buffers_in_use(self) -> list[tuple[str, int]]:
        return [(slot, index) for slot in self.slots for index, updates in enumerate(self.updates) if updates]

    def _checked_updates(self, owner: str, updates: Any) -> list[int]:
        if not isinstance(updates, (list, tuple)):
            raise TypeError(f"{owner}: updates must be a list with a number for each parameter, got {updates!r}")
        if len(updates) != len(self.params):
            raise ValueError(
                f"{owner}: the state is of {len(updates)} parameters, this optimizer has {len(self.params)}: "
                "make the model that the state was saved with"
            )
        return [checks.count(owner, f"updates[{index}]", value) for index, value in enumerate(updates)]

    def _check(self, index: int, tensor: Tensor, grad: Any) -> None:
        if not is_array(grad):
            raise TypeError(
                f"{self._name}: the gradient of parameter {index} must be an array, got {type(grad).__name__}"
            )
        if grad.shape != tensor.shape:
            raise ValueError(
                f"{self._name}: the gradient of parameter {index} has shape {grad.shape}, "
                f"the parameter {tensor.shape}: leave setting grad to backward()"
            )
        kind = _kind(tensor.data)
        if kind != self._kinds[index]:
            raise ValueError(
                f"{self._name}: parameter {index} was {_told(self._kinds[index])} when the optimizer was made and is "
                f"now {_told(kind)}: convert the model first, then make the optimizer"
            )

    def _make_writable(self, index: int) -> None:
        """See to it that kernels can write to a flat view: a reshape of anything else would be a copy, and lost."""
        tensor = self.params[index]
        flags = tensor.data.flags
        if not getattr(flags, "writeable", True):  # CuPy's are always, and have no such flag
            raise ValueError(
                f"{self._name}: parameter {index} of shape {tensor.shape} is read-only: set its data to data.copy()"
            )
        if not flags.c_contiguous:
            tensor.data = tensor.data.copy(order="C")


def _distinct(owner: str, params: Any) -> list[Tensor]:
    """The parameters as a list, each once."""
    if hasattr(params, "parameters") or not isinstance(params, Iterable):
        advice = "call it, with parentheses" if callable(params) else "pass a list of tensors"
        advice = "add .parameters()" if hasattr(params, "parameters") else advice
        raise TypeError(f"{owner} takes model.parameters(), got {type(params).__name__}: {advice}")
    if isinstance(params, (Tensor, Mapping)) or is_array(params):
        advice = "pass its values()" if isinstance(params, Mapping) else "put it in a list"
        raise TypeError(f"{owner} takes model.parameters() or a list of tensors, got {type(params).__name__}: {advice}")
    distinct: dict[int, Tensor] = {}
    for index, tensor in enumerate(params):
        if not isinstance(tensor, Tensor):
            advice = "use parameters(), not named_parameters()" if isinstance(tensor, tuple) else "pass Tensors"
            raise TypeError(f"{owner}: parameter {index} is no Tensor but {type(tensor).__name__}: {advice}")
        if tensor.dtype.kind != "f":
            raise TypeError(
                f"{owner}: parameter {index} is {tensor.dtype}, and only floating-point tensors are trained"
            )
        if tensor.creator is not None:
            raise ValueError(
                f"{owner}: parameter {index} was computed by {type(tensor.creator).__name__}, and a step would not "
                "reach what it came from: pass the tensors that it was computed from"
            )
        distinct.setdefault(id(tensor), tensor)
    if not distinct:
        raise ValueError(f"{owner} got no parameters: does the model have layers, and was a generator used up before?")
    return list(distinct.values())


def _kind(array: Array) -> tuple[Any, ...]:
    """Where an array is, its dtype and its shape."""
    return "cupy" if is_cupy(array) else "numpy", array.dtype, array.shape


def _told(kind: tuple[Any, ...]) -> str:
    side, dtype, shape = kind
    return f"{side} {dtype} of shape {shape}"
