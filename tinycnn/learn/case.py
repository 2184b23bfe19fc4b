"""What an exercise's checks and wrong solutions are made of."""

from __future__ import annotations

from typing import Any


class Case:
    """One call of the learner's function.

    Parameters
    ----------
    name
        What is special about it.
    **arguments
        By name, in the order of the learner's parameters: arrays, numbers, strings, None, tuples of ints.
    """

    def __init__(self, name: str, **arguments: Any):
        self.name, self.arguments = name, arguments

    def __repr__(self) -> str:
        return f"Case({self.name!r}, {', '.join(self.arguments)})"


class Mutant:
    """A named wrong solution: the right one with some of its text replaced.

    Parameters
    ----------
    name
        Of the misconception, as the language files call it.
    right, wrong
        The text and what stands in its place; or pairs of them as ``right`` alone.
    """

    def __init__(self, name: str, right: str | tuple[tuple[str, str], ...], wrong: str = ""):
        self.name = name
        self.replaced = ((right, wrong),) if isinstance(right, str) else right

    def source(self, solution: str) -> str:
        """The wrong solution.

        Raises
        ------
        ValueError
            When the text that it replaces is not there.
        """
        for right, wrong in self.replaced:
            if right not in solution:
                raise ValueError(f"mutant {self.name}: the solution no longer contains {right!r}")
            solution = solution.replace(right, wrong)
        return solution
