"""The gradient check is checked: it finds every planted mistake, and names its cause."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

import tinycnn as tc
from tests.backends import running
from tests.cases import normal
from tests.inspect.mutants import ALL, TIE_MUTANTS, Mutant, cases_of
from tests.planted_bugs import forget_geometries, plant
from tinycnn.inspect.gradcheck import GradcheckReport, InputReport
from tinycnn.inspect.gradcheck.cases import CASES, Case
from tinycnn.inspect.gradcheck.ties import TIES

OPERATIONS = list(dict.fromkeys(case.operation for case in CASES))

UNDIAGNOSED = {
    "Winograd's tiles overwrite each other in dx",  # the tiles are the algorithm's: the result does not know of them
    "cross-entropy takes the logarithm of the sum for a constant",  # one number tells too little of its terms
    "the divergence's softmax takes its sum for a constant",
    "the sigmoid is differentiated once more",
}
"""Names of mutants that are caught, but whose cause is not told."""

every_mutant = pytest.mark.parametrize("mutant", ALL, ids=[f"{m.operation}: {m.name}" for m in ALL])


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The wrong text stands in the place of the right one until the end of the block."""
    forget_geometries()
    try:
        with pytest.MonkeyPatch.context() as patch:
            plant(mutant.bug, patch)
            yield
    finally:
        forget_geometries()


@cache
def reports_of(mutant: Mutant) -> tuple[GradcheckReport, ...]:
    """What the gradient check says, with the mistake in place, of those cases that it does not let pass."""
    right = results(mutant.operation)
    with running("numpy"), planted(mutant):
        cases = [case for case in cases_of(mutant.operation) if same(compute(case), right[case]) != (True, True)]
        return failing_reports(cases)  # of the others it would say again what it says of the code as it is


@cache
def reports_without_mistake(operation: str) -> tuple[GradcheckReport, ...]:
    """The same of the code as it is."""
    with running("numpy"):
        return failing_reports(cases_of(operation))


def failing_reports(cases: Iterable[Case]) -> tuple[GradcheckReport, ...]:
    """Reports of the cases that do not hold."""
    reports = [tc.gradcheck(case.function, case.inputs()) for case in cases]
    return tuple(report for report in reports if not report)


class Outcome(NamedTuple):
    """What one pass forward and back gives; None for an input that gets no gradient."""

    result: np.ndarray
    gradients: list[np.ndarray | None]


@cache
def results(operation: str) -> dict[Case, Outcome]:
    """Of the code as it is."""
    with running("numpy"):
        return {case: compute(case) for case in cases_of(operation)}


def compute(case: Case) -> Outcome:
    """Run a case forward, and back from a random upstream gradient."""
    tc.manual_seed(0)
    inputs = [tc.Tensor(array, requires_grad=True) for array in case.inputs()]
    result = case.function(*inputs)
    result.backward(normal(0, *result.shape))
    return Outcome(result.data, [tensor.grad for tensor in inputs])


def same(one: Outcome, other: Outcome) -> tuple[bool, bool]:
    """Whether two outcomes have the same result, and the same gradients, to the last bit."""
    pairs = zip(one.gradients, other.gradients, strict=True)
    return np.array_equal(one.result, other.result), all(np.array_equal(a, b) for a, b in pairs)


def wrong_inputs(mutant: Mutant) -> list[InputReport]:
    """All inputs with a wrong entry."""
    return [item for report in reports_of(mutant) for item in report.inputs if item.wrong]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_operation_holds_in_all_its_cases(operation):
    assert not reports_without_mistake(operation)


@every_mutant
def test_the_mistake_changes_a_gradient_and_no_result(mutant):
    right = results(mutant.operation)
    with running("numpy"), planted(mutant):
        same_results, same_gradients = zip(*(same(compute(case), right[case]) for case in right), strict=True)
    assert all(same_results)
    assert not all(same_gradients)


@every_mutant
def test_the_mistake_is_caught(mutant):
    assert not reports_without_mistake(mutant.operation)
    assert wrong_inputs(mutant), "the gradient check does not notice"


@every_mutant
def test_the_cause_is_named_first(mutant):
    first = {item.causes[0].name for item in wrong_inputs(mutant) if item.causes}
    told = bool(first & mutant.causes) if mutant.causes else not first
    assert told == (mutant.name not in UNDIAGNOSED), f"expected {mutant.causes or 'no cause'}, told {first or 'none'}"


@pytest.mark.parametrize("mutant", TIE_MUTANTS, ids=[m.name for m in TIE_MUTANTS])
def test_a_mistake_at_ties_alone_is_no_mistake_away_from_them(mutant):
    # It runs, so its text is found and makes sense; the library's cases have no ties.
    assert not reports_of(mutant)


@pytest.mark.parametrize("mutant", TIE_MUTANTS, ids=[m.name for m in TIE_MUTANTS])
def test_a_mistake_at_ties_breaks_a_rule_for_ties(mutant):
    ties = [tie for tie in TIES if tie.operation == mutant.operation]
    with running("numpy"):
        assert all(tie.holds() for tie in ties)
        with planted(mutant):
            assert not all(tie.holds() for tie in ties)


def test_names_are_unique():
    names = [mutant.name for mutant in (*ALL, *TIE_MUTANTS)]
    assert sorted(names) == sorted(set(names))


def test_every_operation_has_a_mutant():
    assert {mutant.operation for mutant in ALL} == set(OPERATIONS)


def test_there_are_as_many_mutants_as_promised():
    assert len(ALL) >= 90


def test_what_is_listed_as_undiagnosed_exists():
    assert {mutant.name for mutant in ALL} >= UNDIAGNOSED


def test_a_planted_mistake_is_gone_after_its_block():
    mutant = next(m for m in ALL if m.operation == "tanh")
    (case,) = cases_of("tanh")
    with running("numpy"):
        with planted(mutant):
            assert not tc.gradcheck(case.function, case.inputs())
        assert tc.gradcheck(case.function, case.inputs())
