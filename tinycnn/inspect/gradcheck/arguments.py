"""What is checked: the inputs as tensors with names, and the refusal of those that cannot be."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import is_array, to_numpy
from tinycnn.function import Function
from tinycnn.nn import Module
from tinycnn.tensor import Tensor


class Arguments(NamedTuple):
    """What a function is called with, and the tensors whose gradients are checked.

    Attributes
    ----------
    given
        The function's arguments.
    checked
        By name: those, and the parameters where the function is a Module.
    dtype
        Of all that is checked.
    """

    given: tuple[Tensor, ...]
    checked: dict[str, Tensor]
    dtype: np.dtype[Any]


def gathered(fn: Callable[..., Any], inputs: Any, demonstration: bool) -> Arguments:
    """Make tensors of the inputs and name them.

    Parameters
    ----------
    fn
        Names its arguments; a Module adds its parameters.
    inputs
        An array or Tensor, or a sequence of them.
    demonstration
        Whether float32 is admitted.

    Raises
    ------
    TypeError
        For another dtype than float64.
    ValueError
        When there is nothing to check, or it is not finite.
    """
    values = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    given = tuple(_tensor(value) for value in values)
    named = list(zip(_names(fn, len(given)), given, strict=True))
    if isinstance(fn, Module):
        named = [(name, tensor) for name, tensor in named if tensor.dtype.kind not in "iub"]  # labels
        named += fn.named_parameters()
    checked: dict[str, Tensor] = {}
    for name, tensor in named:
        _require_dtype(name, tensor, demonstration)
        if not np.isfinite(to_numpy(tensor.data)).all():
            raise ValueError(f"gradcheck: {name} holds nan or infinity: give finite numbers")
        if not any(tensor is other for other in checked.values()):
            checked[f"{name}, the parameter" if name in checked else name] = tensor
    empty = next((name for name, tensor in checked.items() if tensor.size == 0), None)
    if empty is not None or not checked:
        what = "no inputs" if empty is None else f"{empty} of shape {checked[empty].shape}, which has no entries"
        raise ValueError(f"gradcheck got {what}: give at least one entry to check")
    dtypes = {str(tensor.dtype): name for name, tensor in checked.items()}
    if len(dtypes) > 1:
        told = " and ".join(f"{name} is {dtype}" for dtype, name in dtypes.items())
        raise TypeError(f"gradcheck needs inputs of one dtype, {told}: use .astype(np.float64) for all")
    return Arguments(given, checked, next(iter(checked.values())).dtype)


def as_function(fn: Any) -> Callable[..., Any]:
    """What is called: a Function class makes an instance for each call.

    Raises
    ------
    TypeError
        For what cannot be called again and again.
    """
    if isinstance(fn, type) and issubclass(fn, Function):

        def call(*tensors: Tensor) -> Tensor:
            return fn()(*tensors)

        parameters = list(inspect.signature(fn.forward).parameters.values())[1:]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return call
    if isinstance(fn, Function):
        name = type(fn).__name__
        raise TypeError(f"gradcheck calls the function often, and a {name} is one call: pass lambda x: {name}(…)(x)")
    if not callable(fn):
        raise TypeError(f"gradcheck needs a function that takes Tensors and returns one, got {type(fn).__name__}")
    return fn


def in_float64(fn: Callable[..., Any], inputs: Any) -> tuple[Callable[..., Any], Arguments]:
    """The same function and inputs with more digits."""
    values = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    wide = [Tensor(_tensor(value).data.astype(np.float64)) for value in values]
    function = copy.deepcopy(fn).astype(np.float64) if isinstance(fn, Module) else fn
    return function, gathered(function, wide, demonstration=False)


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(value.copy() if is_array(value) else np.array(value))


def _require_dtype(name: str, tensor: Tensor, demonstration: bool) -> None:
    dtype = tensor.dtype
    if dtype == np.float64 or (dtype == np.float32 and demonstration):
        return
    if dtype.kind == "f":
        fix = (
            "a difference quotient loses half of the digits, and of float32's seven that leaves three, fewer than most "
            "mistakes need: use x.astype(np.float64), for a model model.astype(np.float64), or sweep=True to see it"
        )
    else:
        fix = "integers have no gradient: bind them in the function, lambda x: fn(x, labels)"
    raise TypeError(f"gradcheck works in float64, {name} is {dtype}: {fix}")


def _names(fn: Callable[..., Any], count: int) -> Sequence[str]:
    """The names of the function's arguments where they can be told, else their numbers."""
    try:
        signature = inspect.signature(fn.forward if isinstance(fn, Module) else fn)
        names = [p.name for p in signature.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    except (AttributeError, TypeError, ValueError):
        names = []
    return [names[i] if i < len(names) else f"input {i}" for i in range(count)]
