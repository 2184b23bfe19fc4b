"""What a forward and a backward pass owe beside the right numbers: the same twice, nothing overwritten, sums kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array, is_array, to_numpy
from tinycnn.function import Function
from tinycnn.inspect.gradcheck.replay import Replay


class Run(NamedTuple):
    """What backward gave, and what is wrong beside it.

    Attributes
    ----------
    upstream
        The upstream gradient, of the result's shape.
    gradients
        For each checked tensor, None where it got none.
    faults
        Sentences.
    is_comparable
        Whether difference quotients mean anything: not where the function changes its inputs or its mind.
    """

    upstream: Array
    gradients: list[Array | None]
    faults: tuple[str, ...]
    is_comparable: bool


def run(replay: Replay, names: Sequence[str], seed: int) -> Run:
    """Run forward and backward as a user would, and again to see what one run does not show.

    Raises
    ------
    TypeError
        When a gradient has fewer digits than its input.
    """
    before = [to_numpy(tensor.data).copy() for tensor in replay.checked]
    upstream = replay.draw_upstream(seed)
    faults: list[str] = []
    gradients = replay.gradients(upstream, lambda function: _supervise(function, faults))
    changed = [
        f"{name} was changed in place by the function: work on a copy, such as {name}.copy()"
        for name, tensor, old in zip(names, replay.checked, before, strict=True)
        if not np.array_equal(to_numpy(tensor.data), old, equal_nan=True)
    ]
    if changed:
        return Run(upstream, gradients, tuple(changed), False)
    once, again = replay.point().values, replay.point().values
    if not np.array_equal(once, again, equal_nan=True):
        told = (
            "the function gave another result for the same inputs: does it count its calls, keep something of the last "
            "one, or draw random numbers from elsewhere than tinycnn, np.random or random?"
        )
        return Run(upstream, gradients, (told,), False)
    if not np.allclose(replay.recorded_values(), once, 1e-9, 1e-12 * float(np.abs(once).max())):
        told = "the function gives another result under no_grad(), where difference quotients are taken"
        return Run(upstream, gradients, (told,), False)
    summed = replay.backward(upstream, lambda function: _supervise(function, faults))
    for name, first, both in zip(names, gradients, summed, strict=True):
        if first is not None and (both is None or not np.allclose(both, 2 * first, 1e-9, 0, equal_nan=True)):
            faults.append(f"a second backward did not add to {name}.grad the same again: does it keep state?")
    return Run(upstream, gradients, tuple(dict.fromkeys(faults)), True)


def _supervise(function: Function, faults: list[str]) -> None:
    """See to it that its backward leaves the upstream gradient alone and returns as many digits as it was given."""
    name, backward = type(function).__name__, getattr(function, "backward", None)
    if backward is None:
        raise TypeError(f"{name} has no backward(self, grad): write it, returning a gradient for each input")

    def supervised(grad: Array) -> Any:
        before = to_numpy(grad).copy()
        returned = backward(grad)
        if not np.array_equal(before, to_numpy(grad), equal_nan=True):
            faults.append(f"{name}.backward changed grad in place, which others may share: work on grad.copy()")
        gradients = returned if isinstance(returned, tuple) else (returned,)
        for index, (tensor, gradient) in enumerate(zip(function.inputs, gradients, strict=False)):
            if not (gradient is None or is_array(gradient) or isinstance(gradient, (np.generic, float, int))):
                raise TypeError(
                    f"{name}.backward returned a {type(gradient).__name__} for input {index}: return arrays, in "
                    "a tuple for several inputs; of a Tensor its .data"
                )
            dtype = getattr(gradient, "dtype", tensor.dtype)
            if dtype.kind != "f" or dtype.itemsize < tensor.dtype.itemsize:
                raise TypeError(
                    f"{name}.backward returned a gradient of {dtype} for input {index} of {tensor.dtype}: compute it "
                    f"in the input's dtype, such as np.zeros_like(x), or .astype({tensor.dtype})"
                )
        return returned

    function.backward = supervised
