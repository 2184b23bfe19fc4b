"""What the leaves of a graph are called in the code that made it."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tinycnn.function import Function
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def leaf_names(fn: Callable[..., Any], given: Sequence[Any], uses: Iterable[tuple[Function, int]]) -> dict[Tensor, str]:
    """A name for each tensor that a node uses as its input, arguments first; no two that ask for a gradient are alike.

    Arguments are called as the function calls them, tensors and the parameters of modules as the names by which it
    reaches them, constants of one number by their value, and all else as the operation calls it.

    Examples
    --------
    >>> import tinycnn as tc
    >>> x, w = tc.Tensor([1.0], True), tc.Tensor([3.0], True)
    >>> product = (x * w * 2).creator
    >>> uses = [(product, 1), (product.inputs[0].creator, 0), (product.inputs[0].creator, 1)]
    >>> list(leaf_names(lambda x: x * w * 2, [x], uses).values())
    ['x', 'w', '2']
    """
    known: dict[Tensor, str] = {}
    for name, tensor in (*_arguments(fn, given), *_reached(fn)):
        known.setdefault(tensor, name)
    leaves = {function.inputs[place]: (function, place) for function, place in uses}
    names: dict[Tensor, str] = {}
    taken: Counter[str] = Counter()
    for leaf in (*(tensor for tensor in known if tensor in leaves), *(leaf for leaf in leaves if leaf not in known)):
        name = known.get(leaf) or _unknown(leaf, *leaves[leaf])
        taken[name] += leaf.requires_grad
        names[leaf] = f"{name} ({taken[name]})" if leaf.requires_grad and taken[name] > 1 else name
    return names


def _arguments(fn: Callable[..., Any], given: Sequence[Any]) -> Iterator[tuple[str, Tensor]]:
    names = _parameters(fn.forward if isinstance(fn, Module) else fn)
    for place, argument in enumerate(given):
        if isinstance(argument, Tensor):
            yield names[place] if place < len(names) else f"input {place}", argument


def _parameters(fn: Callable[..., Any]) -> list[str]:
    """Names of those that are given by their place, as far as each has one."""
    try:
        parameters = inspect.signature(fn).parameters
    except (TypeError, ValueError):  # compiled functions tell none
        return []
    return [name for name, parameter in parameters.items() if parameter.kind in BY_PLACE]


def _reached(fn: Callable[..., Any]) -> Iterator[tuple[str, Tensor]]:
    """Tensors and parameters of modules that a function finds around it, or that belong to its object."""
    owner = fn if isinstance(fn, Module) else getattr(fn, "__self__", None)
    if isinstance(owner, Module):
        yield from owner.named_parameters()
    elif inspect.isfunction(fn):
        around = inspect.getclosurevars(fn)
        for name, value in {**around.globals, **around.nonlocals}.items():
            if isinstance(value, Tensor):
                yield name, value
            elif isinstance(value, Module):
                yield from ((f"{name}.{key}", parameter) for key, parameter in value.named_parameters())


def _unknown(leaf: Tensor, function: Function, place: int) -> str:
    if leaf.size == 1 and not leaf.requires_grad:
        return f"{leaf.data.item():.5g}"
    names = _parameters(function.forward)
    return names[place] if place < len(names) else f"input {place}"
