"""What a row of the tables is."""

from typing import NamedTuple

import tinycnn as tc
from tests.planted_bugs import Bug
from tinycnn.inspect.gradcheck.cases import CASES, Case


class Mutant(NamedTuple):
    """A mistake in a backward pass, as a text replaced in its source; the forward pass stays right."""

    name: str
    operation: str  # in CASES
    where: str  # "module:function" or "module:Class.method", below tinycnn
    right: str
    wrong: str
    cause: str  # "" where no name describes the mistake: then none may be told
    also: str = ""  # a cause that describes it as well

    @property
    def bug(self) -> Bug:
        """The same as a row that `tests.planted_bugs.plant` takes."""
        return Bug(self.name, self.where, self.right, self.wrong, tc.gradcheck)

    @property
    def causes(self) -> set[str]:
        """The names that describe the mistake."""
        return {self.cause, self.also} - {""}


def cases_of(operation: str) -> list[Case]:
    """The library's cases of one operation."""
    return [case for case in CASES if case.operation == operation]
