"""The matrix: operations, each with geometries that differ in all that could go wrong, and what the engine gives."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import tinycnn as tc
from tests.inspect.trace.browser.passes import Pass


@dataclass(frozen=True)
class Case:
    """One page.

    Attributes
    ----------
    name
        Of the operation in the page's texts, and what is special here.
    function, arrays
        What is traced. The arrays are halves and quarters where sums in another order would else differ in the last
        digit, and hence in a digit that is rounded.
    passes
        From the case to what its passes show.
    """

    name: str
    function: Callable
    arrays: tuple
    passes: Callable[["Case"], list[Pass]]

    @property
    def operation(self):
        return self.name.split(":")[0]

    @cached_property
    def upstream(self):
        y = self.function(*(tc.Tensor(array) for array in self.arrays))
        return halves(y.shape, 99)

    @cached_property
    def trace(self):
        return tc.trace(self.function, *self.arrays, upstream=self.upstream)

    @cached_property
    def results(self):
        """What the engine computes, by the names of the loops; nothing of it comes from the trace."""
        tensors = [tc.Tensor(array, requires_grad=array.dtype.kind == "f") for array in self.arrays]
        y = self.function(*tensors)
        y.backward(self.upstream)
        names = ("dx", "dw", "db")
        gradients = {name: tensor.grad for name, tensor in zip(names, tensors, strict=False)}
        return {"y": y.data, "dy": self.upstream, **gradients}


def halves(shape, seed):
    """Halves from −2 to 2, not one of them 0, so that nothing that is read can pass for padding."""
    rng = np.random.default_rng(seed)
    return rng.choice([-2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2], size=shape)


def others(shape, seed):
    """Numbers with many digits."""
    return np.random.default_rng(seed).normal(0, 2, shape)
