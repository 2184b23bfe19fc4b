"""Hold a backward pass against central differences, entry by entry, in float64 and with a random upstream gradient."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn.arrays import Array, beside, is_array, to_numpy
from tinycnn.function import no_grad
from tinycnn.random import default_generator
from tinycnn.tensor import Tensor

STEP = 1e-6
"""Difference quotients err by h² and by rounding / h: near the cube root of float64's 2e-16 both are small."""

RELATIVE_TOLERANCE = 1e-5
NOISE_FACTOR = 16.0


@dataclass(frozen=True)
class InputReport:
    """How the gradient of one input compares.

    Attributes
    ----------
    name
        Name of the argument.
    analytic, numeric
        What backward gave, and the central difference, of the input's shape.
    tolerance
        The difference that rounding explains, entry by entry.
    verdicts
        ``"right"``, ``"wrong"``, or ``"below noise"`` where rounding in the quotient is larger than both gradients, so
        that the entry cannot be judged.
    """

    name: str
    analytic: Array
    numeric: Array
    tolerance: Array
    verdicts: Array

    @property
    def wrong(self) -> list[tuple[int, ...]]:
        """Indices of the wrong entries, the worst first."""
        excess: Array = np.abs(self.analytic - self.numeric) / self.tolerance
        excess = np.where(np.isnan(excess), np.inf, excess)
        indices = [tuple(int(i) for i in index) for index in np.argwhere(self.verdicts == "wrong")]
        return sorted(indices, key=lambda index: -float(excess[index]))

    @property
    def judged(self) -> bool:
        """Whether at least half of the entries stand out from the noise."""
        return 2 * int((self.verdicts == "below noise").sum()) <= self.verdicts.size

    def __str__(self) -> str:
        wrong, noisy = self.wrong, int((self.verdicts == "below noise").sum())
        head, size = f"{self.name} {self.analytic.shape}:", self.analytic.size
        if not wrong and not noisy:
            return f"{head} right in all {size} entries"
        if not wrong:
            verdict = "right in the others" if self.judged else "which is too many to judge"
            return f"{head} below the rounding noise in {noisy} of {size} entries, {verdict}"
        lines = [f"{head} wrong in {len(wrong)} of {size} entries"]
        for index in wrong[:5]:
            place = ", ".join(map(str, index))
            lines.append(
                f"  [{place}]: backward gives {self.analytic[index]:.6g}, "
                f"the difference quotient {self.numeric[index]:.6g}"
            )
        return "\n".join(lines + (["  …"] if len(wrong) > 5 else []))


@dataclass(frozen=True)
class GradcheckReport:
    """The result of `gradcheck`: true when every gradient holds, and a text that says what is wrong and where.

    Attributes
    ----------
    inputs
        One report per input.
    faults
        What else went wrong, such as an input changed in place.
    """

    inputs: tuple[InputReport, ...]
    faults: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.faults and all(report.judged and not report.wrong for report in self.inputs)

    def __str__(self) -> str:
        wrong = self.faults or any(report.wrong for report in self.inputs)
        head = "gradients hold" if self else "gradients are wrong" if wrong else "inconclusive"
        return "\n".join([head, *(f"  {fault}" for fault in self.faults), *(f"  {_indented(r)}" for r in self.inputs)])

    __repr__ = __str__


def gradcheck(fn: Callable[..., Tensor], inputs: Any, *, seed: int = 0) -> GradcheckReport:
    """Compare the gradients of ``fn`` with central differences.

    The upstream gradient is random: one of ones would hide a softmax that returns zeros, or a wrong kernel with the
    right mean. Random operations are replayed with the same streams; inputs are restored. Running statistics are not:
    check a model with batch normalisation in ``eval`` mode, or a copy of it.

    Parameters
    ----------
    fn
        From one Tensor or several to a Tensor of any shape. Integer arguments such as labels are bound in it.
    inputs
        A float64 array or Tensor, or a sequence of them, in main memory or on the GPU, each checked in every entry.
        Tensors are passed as they are, so ``fn`` may also reach them by other ways.
    seed
        Of the upstream gradient.

    Returns
    -------
    GradcheckReport

    Raises
    ------
    TypeError
        For inputs of another dtype: in float32 the quotient's rounding error is larger than most mistakes. For a
        function that returns no Tensor.
    ValueError
        When the result does not depend on the inputs through the graph.

    Notes
    -----
    Entry i of an input x has the numeric gradient Σ u · (f(x + h·e_i) − f(x − h·e_i)) / 2h, u the upstream gradient and
    h = 1e-6 · max(1, |x_i|). So an entry within h of a kink, such as 0 for ReLU or a tie in a maximum, is called wrong,
    and so may be one where f bends within h, such as a logarithm below 1e-4.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> x = np.random.default_rng(0).normal(size=(2, 3))
    >>> tc.gradcheck(tc.functional.tanh, x)
    gradients hold
      x (2, 3): right in all 6 entries
    >>> class Halved(tc.function.Function):
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x * x
    ...     def backward(self, grad):
    ...         return self.x * grad
    >>> bool(tc.gradcheck(lambda x: Halved()(x), x))
    False
    """
    tensors = [_checked(i, value) for i, value in enumerate(_sequence(inputs))]
    asked = [(tensor.requires_grad, tensor.grad) for tensor in tensors]
    state = default_generator.seed, default_generator.calls
    others: list[Tensor] = []
    theirs: list[Array | None] = []

    def replay() -> Tensor:
        default_generator.seed, default_generator.calls = state
        return fn(*tensors)

    try:
        for tensor in tensors:
            tensor.requires_grad, tensor.grad = True, None
        before = [tensor.data.copy() for tensor in tensors]
        output = _checked_output(replay())
        others = _leaves(output)
        theirs = [leaf.grad for leaf in others]
        upstream = np.random.default_rng(seed).standard_normal(output.shape)
        output.backward(beside(upstream, output.data))
        names = _names(fn, len(tensors))
        faults = tuple(
            f"{name} was changed in place by the function"
            for name, tensor, old in zip(names, tensors, before, strict=True)
            if not np.array_equal(tensor.data, old, equal_nan=True)
        )
        analytic = [np.zeros(t.shape) if t.grad is None else to_numpy(t.grad) for t in tensors]
        with no_grad():
            reports = [
                _compare(name, gradient, *_central_differences(replay, tensor, upstream))
                for name, gradient, tensor in zip(names, analytic, tensors, strict=True)
            ]
        return GradcheckReport(tuple(reports), faults)
    finally:
        for leaf, grad in zip(others, theirs, strict=True):
            leaf.grad = grad
        for tensor, (requires_grad, grad) in zip(tensors, asked, strict=True):
            tensor.requires_grad, tensor.grad = requires_grad, grad


def _central_differences(replay: Callable[[], Tensor], tensor: Tensor, upstream: Array) -> tuple[Array, Array]:
    """The numeric gradient of each entry, and the rounding noise in it."""
    gradient, noise = np.zeros(tensor.shape), np.zeros(tensor.shape)
    for index in np.ndindex(tensor.shape):
        value = float(tensor.data[index])
        step = STEP * max(1.0, abs(value))
        above, below = value + step, value - step  # rounded, so the difference that was made is above − below
        try:
            tensor.data[index] = above
            high = to_numpy(replay().data).copy()  # it may be a view of the input, which changes next
            tensor.data[index] = below
            low = to_numpy(replay().data).copy()
        finally:
            tensor.data[index] = value
        gradient[index] = (upstream * (high - low)).sum() / (above - below)
        moved = high != low
        blurred = moved if moved.any() else np.ones_like(moved)  # nothing moved: perhaps for want of digits
        noise[index] = np.abs(upstream * high)[blurred].sum() * np.finfo(np.float64).eps / (above - below)
    return gradient, noise


def _compare(name: str, analytic: Array, numeric: Array, noise: Array) -> InputReport:
    largest: Array = np.maximum(np.abs(analytic), np.abs(numeric))
    rounding = NOISE_FACTOR * noise + np.finfo(np.float64).tiny
    tolerance = RELATIVE_TOLERANCE * largest + rounding
    below_noise = (largest > 0) & (largest <= rounding)
    close = np.abs(analytic - numeric) <= tolerance  # false for NaN
    verdicts = np.select([below_noise, close], ["below noise", "right"], "wrong")
    return InputReport(name, analytic, numeric, tolerance, verdicts)


def _checked_output(output: Any) -> Tensor:
    if not isinstance(output, Tensor):
        raise TypeError(f"gradcheck needs a function that returns one Tensor, got {type(output).__name__}")
    if not output.requires_grad:
        raise ValueError(
            "gradcheck: the result does not depend on the inputs through the graph; "
            "does the function detach them, use .data, or run under no_grad()?"
        )
    return output


def _leaves(output: Tensor) -> list[Tensor]:
    """The tensors whose ``grad`` a backward from ``output`` fills."""
    found: dict[Tensor, None] = {}
    seen, pending = set(), [output]
    while pending:
        tensor = pending.pop()
        if tensor.creator is None:
            found[tensor] = None
        elif tensor.creator not in seen:
            seen.add(tensor.creator)
            pending += [
                t for t, needed in zip(tensor.creator.inputs, tensor.creator.needs_input_grad, strict=True) if needed
            ]
    return list(found)


def _sequence(inputs: Any) -> Sequence[Any]:
    return inputs if isinstance(inputs, (tuple, list)) else (inputs,)


def _checked(index: int, value: Any) -> Tensor:
    tensor = value if isinstance(value, Tensor) else Tensor(value.copy() if is_array(value) else np.array(value))
    if tensor.dtype != np.float64:
        raise TypeError(
            f"gradcheck works in float64, input {index} is {tensor.dtype}: use x.astype(np.float64); "
            "bind integer arguments in the function, lambda x: fn(x, labels)"
        )
    return tensor


def _names(fn: Callable[..., Any], count: int) -> list[str]:
    """The names of the function's arguments where they can be told, else their numbers."""
    try:
        parameters = [p.name for p in inspect.signature(fn).parameters.values() if p.kind is not p.VAR_POSITIONAL]
    except (TypeError, ValueError):
        parameters = []
    return [parameters[i] if i < len(parameters) else f"input {i}" for i in range(count)]


def _indented(report: InputReport) -> str:
    return str(report).replace("\n", "\n  ")
