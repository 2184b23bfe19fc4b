"""Hold a backward pass against difference quotients, entry by entry, in float64 and with a random upstream gradient."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinycnn.inspect.gradcheck.arguments import Arguments, as_function, gathered, in_float64
from tinycnn.inspect.gradcheck.contract import run
from tinycnn.inspect.gradcheck.diagnosis import diagnosed
from tinycnn.inspect.gradcheck.judge import Judge, Judged
from tinycnn.inspect.gradcheck.replay import Replay
from tinycnn.inspect.gradcheck.report import VERDICTS, Cause, GradcheckReport, InputReport
from tinycnn.inspect.gradcheck.sweep import swept
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

__all__ = ["VERDICTS", "Cause", "GradcheckReport", "InputReport", "gradcheck"]


def gradcheck(
    fn: Callable[..., Tensor], inputs: Any, *, fast: bool = False, sweep: bool = False, seed: int = 0
) -> GradcheckReport:
    """Compare the gradients of ``fn`` with difference quotients, and say what is wrong, where and why.

    The upstream gradient is random: one of ones would hide a softmax that returns zeros, or a wrong kernel with the
    right mean. Several steps are tried for each entry, and two must agree. At a kink, such as 0 for ReLU or a tie in
    max pooling, a gradient is right between the left and the right derivative. Random operations are replayed with the
    same numbers, running statistics stand still, and everything is left as it was.

    Parameters
    ----------
    fn
        From one Tensor or several to a Tensor of any shape, or a Function class that takes no arguments. Integer
        arguments such as labels are bound in it. The parameters of a `tinycnn.nn.Module` are checked with its inputs.
    inputs
        A float64 array or Tensor, or a sequence of them, in main memory or on the GPU. Up to 500 entries each are
        checked, of larger ones a sample in which all corners are. Tensors are passed as they are, so ``fn`` may also
        reach them by other ways.
    fast
        Check each input along two random directions in which all its entries move, instead of entry by entry: for
        large layers and whole models. Tells which inputs are wrong, not which entries.
    sweep
        Also record how the error depends on the step. Admits float32, of which the report is then a demonstration.
    seed
        Of the upstream gradient, samples and directions.

    Returns
    -------
    GradcheckReport
        True when every gradient holds; more than half of an input's entries below the rounding noise is no pass.

    Raises
    ------
    TypeError
        For inputs of another dtype: in float32 the quotient's rounding error is larger than most mistakes. For a
        function that returns no Tensor of floats, and a gradient of fewer digits than its input.
    ValueError
        When the result does not depend on the inputs through the graph, or on one of them not at all, is not finite, or
        is empty. For a sweep in fast mode.
    RuntimeError
        When the function raises in its forward or backward pass; the sentence says where.

    Notes
    -----
    Entry i of an input x has the numeric gradient Σ u · (f(x + h·e_i) − f(x − h·e_i)) / 2h, u the upstream gradient, h
    from 1e-3 down to 1e-10 times the size of x_i or of a typical entry, whichever is larger. A gradient is right when
    it differs by no more than 1e-8 of itself, the rounding noise, and what the two steps differ by.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> x = np.random.default_rng(0).normal(size=(2, 3))
    >>> bool(tc.gradcheck(tc.functional.tanh, x))
    True
    >>> class Halved(tc.function.Function):
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x * x
    ...     def backward(self, grad):
    ...         return self.x * grad
    >>> report = tc.gradcheck(lambda x: Halved()(x), x)
    >>> bool(report), report.inputs[0].causes[0].name
    (False, 'constant ratio')
    """
    if fast and sweep:
        raise ValueError("gradcheck: sweep looks at single entries, and fast moves all at once: leave one of them out")
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"gradcheck: seed must be a whole number of at least 0, got {seed!r}")
    function = as_function(fn)
    report = _checked(function, gathered(function, inputs, demonstration=sweep), fast, sweep, seed)
    if report.dtype == "float64":
        return report
    try:
        exact = _checked(*in_float64(function, inputs), fast, sweep, seed)
    except (TypeError, ValueError, RuntimeError):  # it holds on to float32, as a bound layer does
        return replace(report, notes=(*report.notes, "the function cannot be run in float64 beside it"))
    return report.beside_sweeps_of(exact)


def _checked(fn: Callable[..., Tensor], arguments: Arguments, fast: bool, sweep: bool, seed: int) -> GradcheckReport:
    names, tensors = list(arguments.checked), list(arguments.checked.values())
    with Replay(fn, arguments.given, tensors) as replay:
        ran = run(replay, names, seed)
        if not ran.is_comparable:
            return GradcheckReport((), ran.faults, (), str(arguments.dtype), seed, fast)
        gradients = [np.zeros(t.shape) if g is None else g for t, g in zip(tensors, ran.gradients, strict=True)]
        judge = Judge(replay, names, ran.upstream, gradients, seed, fast)
        judged = [judge.judged(number) for number in range(len(names))]
        unreached = {name for name, gradient in zip(names, ran.gradients, strict=True) if gradient is None}
        _require_effect(
            judged, unreached, {names[i] for i, t in enumerate(tensors) if any(t is g for g in arguments.given)}
        )
        reports = diagnosed(judge, judged, unreached)
        if sweep:
            reports = [replace(r, sweep=(swept(judge, n, r.indices),)) for n, r in enumerate(reports)]
    notes = [*_first_wrong(reports)] if isinstance(fn, Module) else []
    notes += [
        f"{report.name}: nothing depends on it at these values, where a wrong gradient could hide: try others"
        for report in reports
        if report.counts["both zero"] == len(report.verdicts)
    ]
    return GradcheckReport(tuple(reports), ran.faults, tuple(notes), str(arguments.dtype), seed, fast)


def _first_wrong(reports: Sequence[InputReport]) -> Iterator[str]:
    """Where in a model the gradient goes wrong on its way back, if all before is wrong and all after is right."""
    is_wrong = [bool(report.counts["wrong"]) for report in reports]
    count = sum(is_wrong)
    if not (1 < count < len(reports) and all(is_wrong[:count])):
        return
    after, before = reports[count].name, reports[count - 1].name
    is_right = all(report.counts["right"] for report in reports[count:])
    if is_right and after.rpartition(".")[0] != before.rpartition(".")[0]:
        yield (
            f"all from {after} on are right, and all up to {before} wrong: look at the backward of what lies between "
            "these two"
        )


def _require_effect(judged: Sequence[Judged], unreached: Collection[str], given: Collection[str]) -> None:
    for report, _ in judged:
        if report.name in unreached and report.counts["both zero"] == len(report.verdicts):
            fix = (
                "leave it out of the inputs, or bind it in the function"
                if report.name in given
                else "use it in forward, or do not make it a Parameter"
            )
            raise ValueError(f"gradcheck: {report.name} has no effect on the result and gets no gradient: {fix}")
