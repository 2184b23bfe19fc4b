"""Which layers in a row `Sequential` runs as one Function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard, TypeVar

from tinycnn.functional.fused import Pool, conv2d_relu, conv2d_tanh_avg_pool2d
from tinycnn.hooks import watching
from tinycnn.nn.activation import ReLU, Tanh
from tinycnn.nn.convolution import Conv2d
from tinycnn.nn.module import Module
from tinycnn.nn.pooling import AvgPool2d, MaxPool2d
from tinycnn.tensor import Tensor

Layer = TypeVar("Layer", bound=Module)


def run_as_one(modules: Sequence[Module], x: Any) -> tuple[Tensor, int] | None:
    """Run the first two or three modules as one Function: Conv2d, ReLU and perhaps MaxPool2d; Conv2d, Tanh, AvgPool2d.

    A layer that is also used elsewhere makes no difference: here, nobody but the next layer gets what it returns.

    Parameters
    ----------
    modules
        Layers in the order they run.
    x
        What the first of them is given.

    Returns
    -------
    tuple or None
        The result and the number of modules that it is of; None where the first must be called by itself, because
        these layers are others, because somebody looks at what passes between them, or for want of a kernel.
    """
    c = modules[0]
    if not _is_plain(c, Conv2d) or len(modules) < 2 or watching():
        return None
    activation, third = modules[1], modules[2] if len(modules) > 2 else None
    operands, options = (x, c.weight, c.bias), (c.stride, c.padding, c.dilation, c.groups)
    if _is_plain(activation, Tanh) and third is not None and _is_plain(third, AvgPool2d):
        y, ran = conv2d_tanh_avg_pool2d(*operands, *options, pool=_window(third)), 3
    elif _is_plain(activation, ReLU):
        pool, ran = None, 2
        if third is not None and _is_plain(third, MaxPool2d) and not third.return_indices:
            pool, ran = _window(third), 3
        y = conv2d_relu(*operands, *options, pool=pool)
    else:
        return None
    return None if y is None else (y, ran)


def _window(pool: MaxPool2d | AvgPool2d) -> Pool:
    return Pool(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode)


def _is_plain(module: Module, kind: type[Layer]) -> TypeGuard[Layer]:
    """Whether calling the module does what its class does, and nothing else happens."""
    return type(module) is kind and not module.has_hooks and "forward" not in vars(module)
