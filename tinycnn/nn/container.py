"""Sequential: modules one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinycnn.nn.module import Module


class Sequential(Module):
    """Pass the input through modules in order.

    Parameters
    ----------
    modules
        Modules, named by their positions, or one mapping from names to modules.

    Raises
    ------
    TypeError
        For something that is no Module, such as a class or a function.

    Examples
    --------
    >>> import tinycnn as tc
    >>> net = tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(4, 2))
    >>> net(tc.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).shape
    (1, 2)
    """

    def __init__(self, *modules: Module | Mapping[str, Module]):
        first = modules[0] if modules else {}
        named = first.items() if isinstance(first, Mapping) else ((str(i), m) for i, m in enumerate(modules))
        for name, module in named:
            if not isinstance(module, Module):
                shown = module.__name__ if isinstance(module, type) else repr(module)
                raise TypeError(f"Sequential takes modules, got {shown}: write nn.{shown}() to make one")
            setattr(self, name, module)

    def forward(self, x: Any) -> Any:
        """Apply each module to the result of the one before."""
        for module in self:
            x = module(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self.children())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, index: int | slice | str) -> Module:
        children = list(self.children())
        if isinstance(index, slice):
            return Sequential(dict(children[index]))
        return dict(children)[index] if isinstance(index, str) else children[index][1]
