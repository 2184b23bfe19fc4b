"""Sequential: modules one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinycnn.nn.fusion import run_as_one
from tinycnn.nn.module import Module


class Sequential(Module):
    """Pass the input through modules in order.

    A Conv2d, a ReLU and perhaps a MaxPool2d in a row are run as one Function where the backend has a kernel for that,
    which moves and keeps less memory and gives the same numbers bit for bit. So are a Conv2d of stride 1, a Tanh and an
    AvgPool2d of 2x2 windows that cover its output, in float32, of 32 small images or more; there gradients may differ
    in their last bits. See `tinycnn.functional.fused`. Where something looks at what happens in between, each module is
    called as ever: while `tinycnn.hooks.watch` is in force, for a module that has a hook, and for one of a class or
    with a ``forward`` of its own.

    Parameters
    ----------
    modules
        Modules, named by their positions, or one mapping from names to modules.

    Raises
    ------
    TypeError
        For something that is no Module, such as a class or a function.
    ValueError
        For a name that every Module has, such as ``"forward"``.

    Examples
    --------
    >>> import tinycnn as tc
    >>> net = tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(4, 2))
    >>> net(tc.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).shape
    (1, 2)
    """

    def __init__(self, *modules: Module | Mapping[str, Module]):
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named: dict[str, Any] = dict(modules[0])
        else:
            named = {str(i): module for i, module in enumerate(modules)}
        for name, module in named.items():
            if not isinstance(module, Module):
                raise TypeError(f"Sequential takes modules, got {_guess(module)}")
            if hasattr(Module, name) or name in Module.__annotations__:
                raise ValueError(
                    f"Sequential: a module cannot be named {name!r}, which is an attribute of every Module"
                )
            setattr(self, name, module)

    def forward(self, x: Any) -> Any:
        """Apply each module to the result of the one before."""
        modules = tuple(self)
        while modules:
            fused = run_as_one(modules, x)
            x, ran = fused if fused else (modules[0](x), 1)
            modules = modules[ran:]
        return x

    def __iter__(self) -> Iterator[Module]:
        return (value for _, value in self._members() if isinstance(value, Module))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, index: int | slice | str) -> Module:
        children = list(self.children())
        if isinstance(index, slice):
            return Sequential(dict(children[index]))
        return dict(children)[index] if isinstance(index, str) else children[index][1]


def _guess(value: Any) -> str:
    if isinstance(value, type):
        return f"{value.__name__}: write nn.{value.__name__}() to make one"
    if isinstance(value, (list, tuple)):
        return "a list: write Sequential(*layers)"
    return f"{getattr(value, '__name__', repr(value))}: wrap a function in a Module of your own"
