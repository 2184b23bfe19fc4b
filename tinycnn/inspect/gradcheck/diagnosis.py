"""Why a gradient is wrong: mistakes that predict its numbers first, then what its pattern tells."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from tinycnn.arrays import Array, beside, to_numpy
from tinycnn.inspect.gradcheck.evidence import Evidence
from tinycnn.inspect.gradcheck.hypotheses import HYPOTHESES
from tinycnn.inspect.gradcheck.judge import Judge, Judged
from tinycnn.inspect.gradcheck.regions import REGIONS
from tinycnn.inspect.gradcheck.report import Cause, InputReport


def diagnosed(judge: Judge, judged: Sequence[Judged], unreached: Collection[str]) -> list[InputReport]:
    """Give each wrong input its cause.

    Parameters
    ----------
    judge
        Runs the function, to try what backward gives for other inputs.
    judged
        The inputs.
    unreached
        Names of those that got no gradient.
    """
    reports = [item.report for item in judged]
    found = []
    for number, item in enumerate(judged):
        report = item.report
        if not report.counts["wrong"]:
            found.append(report)
        elif report.name in unreached:
            found.append(replace(report, causes=(_disconnected(report.name),)))
        else:
            tensor = judge.replay.checked[number]
            evidence = Evidence(
                report,
                to_numpy(tensor.data),
                None if item.parts is None or not np.isfinite(item.parts).all() else item.parts,
                judge.upstream,
                judge.base.values.reshape(judge.upstream.shape),
                [other for other in reports if other is not report],
            )
            found.append(replace(report, causes=tuple(_causes(judge, number, evidence))))
    return found


def _causes(judge: Judge, number: int, evidence: Evidence) -> Iterator[Cause]:
    """The first hypothesis that fits, then what the region tells where none does."""
    predicted = next((cause for fits in HYPOTHESES if (cause := fits(evidence))), None)
    predicted = predicted or _operand_rotated(judge, number, evidence)
    if predicted:
        yield predicted
        return
    for shows in REGIONS:
        if cause := shows(evidence):
            yield cause
            return


def _disconnected(name: str) -> Cause:
    return Cause(
        "disconnected",
        f"the result depends on {name} in a way that the graph does not see: is it used by its .data, through a NumPy "
        "function, or under no_grad()?",
    )


def _operand_rotated(judge: Judge, number: int, evidence: Evidence) -> Cause | None:
    """Whether backward would be right if another input were flipped or transposed, as a kernel in dx must be."""
    if evidence.report.is_fast:
        return None
    places = tuple(evidence.report.indices.T)
    for other, tensor in enumerate(judge.replay.checked):
        if other == number:
            continue
        data, name = tensor.data, judge.names[other]
        try:
            for told, turned in _turned(to_numpy(data)):
                tensor.data = beside(np.ascontiguousarray(turned), data)
                gradient = _tried(judge, number)
                if gradient is not None and _alike(evidence, gradient[places]):
                    return Cause(
                        "operand rotated", f"right if {name} were {told}: backward must turn it round, or must not"
                    )
        finally:
            tensor.data = data
    return None


def _tried(judge: Judge, number: int) -> Array | None:
    """The gradient with another operand; None where the function refuses it."""
    try:
        return judge.replay.gradients(judge.upstream)[number]
    except Exception:
        return None


def _turned(array: Array) -> Iterator[tuple[str, Array]]:
    """An operand flipped or transposed where its shape stays."""
    if array.ndim >= 2:
        yield "rotated by 180 degrees", np.flip(array, (-2, -1))
        yield "flipped up-down", np.flip(array, -2)
        yield "flipped sideways", np.flip(array, -1)
    for a, b in ((-2, -1), (0, 1)):
        if array.ndim >= 2 and array.shape[a] == array.shape[b]:
            yield f"transposed, axes {a % array.ndim} and {b % array.ndim}", np.swapaxes(array, a, b)
    if array.ndim >= 1 and array.shape[0] > 1:
        yield "in reverse along axis 0", np.flip(array, 0)


def _alike(evidence: Evidence, gradient: Array) -> bool:
    told = evidence.told
    if not np.any(gradient[told]):
        return False
    return bool(np.allclose(gradient[told], evidence.slopes[told], 1e-6, float(evidence.report.tolerance[told].max())))
