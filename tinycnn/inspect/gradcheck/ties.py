"""Who gets the gradient where entries tie.

Every split of it lies between the one-sided derivatives, so a gradient check cannot tell which is meant: the rule is
held by exact numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinycnn.functional as F
from tinycnn.arrays import Array, beside, to_numpy
from tinycnn.backend import on_chosen_side
from tinycnn.tensor import Tensor


@dataclass(frozen=True)
class Tie:
    """Inputs at which several entries could get the gradient, and the one that does.

    Attributes
    ----------
    operation
        Name in `tinycnn.functional`.
    function
        From one Tensor to another.
    x, upstream, expected
        The input, the gradient of the result, and the gradient of the input.
    note
        The rule.
    """

    operation: str
    function: Callable[..., Tensor]
    x: tuple[Any, ...]
    upstream: tuple[Any, ...]
    expected: tuple[Any, ...]
    note: str

    def gradient(self) -> Array:
        """What backward gives."""
        x = Tensor(on_chosen_side(np.array(self.x, np.float64)), requires_grad=True)
        y = self.function(x)
        y.backward(beside(np.array(self.upstream, np.float64).reshape(y.shape), x.data))
        assert x.grad is not None
        return to_numpy(x.grad)

    def holds(self) -> bool:
        """Whether it is what is expected."""
        return np.array_equal(self.gradient(), self.expected)


FIRST = "at a tie the first takes it all"

TIES: tuple[Tie, ...] = (
    Tie(
        "max_pool2d",
        lambda x: F.max_pool2d(x, 2),
        ([[[7, 7, 1, 2], [7, 7, 2, 2]]],),
        (3, 5),
        ([[[3, 0, 0, 5], [0, 0, 0, 0]]],),
        FIRST,
    ),
    Tie(
        "max_pool2d",
        lambda x: F.max_pool2d(x, (1, 3), 1),
        ([[[4, 4, 4, 4]]],),
        (3, 5),
        ([[[3, 5, 0, 0]]],),
        f"{FIRST}, window by window",
    ),
    Tie(
        "max_pool2d",
        lambda x: F.max_pool2d(x, 3, 2, 1),
        ([[[-2, -2, -2], [-2, -2, -2]]],),
        (3, 5),
        ([[[3, 5, 0], [0, 0, 0]]],),
        f"{FIRST}, and padding never",
    ),
    Tie("min_pool2d", lambda x: F.min_pool2d(x, (1, 2)), ([[[1, 1, 3, 2]]],), (3, 5), ([[[3, 0, 0, 5]]],), FIRST),
    Tie("global_max_pool2d", F.global_max_pool2d, ([[[1, 6], [6, 6]]],), (3,), ([[[0, 3], [0, 0]]],), FIRST),
    Tie("max", lambda x: F.max(x, 1), ([2, 9, 9], [5, 5, 5]), (3, 5), ([0, 3, 0], [5, 0, 0]), FIRST),
    Tie("relu", F.relu, (-1, 0, 2), (3, 5, 7), (0, 0, 7), "at 0 the gradient is 0"),
    Tie("leaky_relu", lambda x: F.leaky_relu(x, 0.5), (-1, 0, 2), (3, 5, 7), (1.5, 2.5, 7), "at 0 the slope below it"),
    Tie("abs", F.abs, (-1, 0, 2), (3, 5, 7), (-3, 0, 7), "at 0 the gradient is 0"),
    Tie(
        "lp_pool2d", lambda x: F.lp_pool2d(x, 2, (1, 2)), ([[[0, 0, 3, 4]]],), (3, 5), ([[[0, 0, 3, 4]]],), "0 at zeros"
    ),
)
