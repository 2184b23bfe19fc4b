"""What a node computed, by backend."""

from __future__ import annotations

from tinycnn.arrays import Array
from tinycnn.inspect.trace.lesson import Call, Calls


def first(calls: Calls) -> Call:
    """The call whose arrays are shown."""
    return next(iter(calls.values()))


def outputs(calls: Calls, shape: tuple[int, ...] | None = None) -> dict[str, Array]:
    """Results of the forward pass, in another shape where one is given."""
    return {name: call.output.reshape(shape or call.output.shape) for name, call in calls.items()}


def gradients(calls: Calls, place: int = 0, shape: tuple[int, ...] | None = None) -> dict[str, Array]:
    """Gradients of an input, in another shape where one is given; none where it was not asked for."""
    found = {}
    for name, call in calls.items():
        gradient = call.gradients[place] if place < len(call.gradients) else None
        if gradient is not None:
            found[name] = gradient.reshape(shape or gradient.shape)
    return found
