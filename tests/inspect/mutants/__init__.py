"""Mistakes planted in backward passes, each with the cause that the gradient check should name.

They are those that learners and engines make: `=` for `+=`, a kernel not rotated, statistics taken for constants. The
cause of each was written down from the mistake, before any diagnosis was asked.
"""

from tests.inspect.mutants.convolution import CONVOLUTION
from tests.inspect.mutants.entrywise import ENTRYWISE
from tests.inspect.mutants.normalization import NORMALIZATION
from tests.inspect.mutants.pooling import POOLING, TIE_MUTANTS
from tests.inspect.mutants.shape import SHAPE
from tests.inspect.mutants.table import Mutant, cases_of

__all__ = ["ALL", "TIE_MUTANTS", "Mutant", "cases_of"]

ALL: list[Mutant] = [*CONVOLUTION, *POOLING, *NORMALIZATION, *ENTRYWISE, *SHAPE]
