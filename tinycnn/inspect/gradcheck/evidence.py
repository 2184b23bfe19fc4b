"""What a diagnosis goes by: the gradient that backward gave, and how each entry of the result depends on each entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.gradcheck.report import InputReport

LIKENESS = 1e-6
"""Relative difference up to which two gradients are the same gradient."""


@dataclass(frozen=True)
class Evidence:
    """One input whose gradient is wrong.

    Attributes
    ----------
    report
        Of the input.
    values
        The input itself.
    parts
        (k, results) how much of each slope comes by each entry of the result; None where that was too much to keep.
    upstream, result
        Of the result's shape.
    others
        Reports of the other inputs.
    """

    report: InputReport
    values: Array
    parts: Array | None
    upstream: Array
    result: Array
    others: Sequence[InputReport]

    @cached_property
    def told(self) -> Array:
        """Which entries say something: those that have a slope which is not lost in noise."""
        verdicts = self.report.verdicts
        told = (verdicts != "on a kink") & (verdicts != "below noise") & ~np.isfinite(self.report.lower)
        return told & np.isfinite(self.slopes)

    @property
    def gradient(self) -> Array:
        """(k,) what backward gave."""
        return self.report.analytic

    @property
    def slopes(self) -> Array:
        """(k,) what it should have been."""
        return self.report.numeric

    @property
    def is_wrong(self) -> Array:
        """(k,) whether an entry is wrong."""
        return self.report.verdicts == "wrong"

    @property
    def flat(self) -> Array:
        """(k,) positions of the entries in memory."""
        if not self.report.shape:
            return np.zeros(1, np.intp)
        return np.ravel_multi_index(tuple(self.report.indices.T), self.report.shape)

    @property
    def is_whole(self) -> bool:
        """Whether every entry was looked at, and has a place."""
        return not self.report.is_fast and len(self.gradient) == self.report.size

    @property
    def is_alike(self) -> bool:
        """Whether the result has the input's shape."""
        return not self.report.is_fast and self.report.shape == self.upstream.shape

    @property
    def is_entrywise(self) -> bool:
        """Whether each entry of the result depends on one entry alone, several perhaps on the same."""
        return self.parts is not None and bool((np.count_nonzero(self.parts, axis=0) <= 1).all())

    @property
    def copies(self) -> bool:
        """Whether each entry of the result is one entry as it is, perhaps with something added."""
        if self.parts is None or not self.is_entrywise:
            return False
        rates = (self.parts / self.upstream.reshape(-1)).sum(axis=0)
        return bool((np.abs(rates - 1) < LIKENESS).all())

    @property
    def is_close(self) -> bool:
        """Whether the gradient is right to six digits, where nothing but precision can be told."""
        return bool(self.report.largest_error < LIKENESS and self.report.errors[self.is_wrong].max() < 1e-4)

    def explains(self, other: Array) -> bool:
        """Whether backward's gradient is this one, in all entries that tell, which must not all be 0."""
        mine, other = self.gradient[self.told], other[self.told]
        if not np.any(mine) or not np.isfinite(mine).all():
            return False
        scale = np.maximum(np.abs(mine), np.abs(other)) + LIKENESS * np.abs(mine).max()
        return bool((np.abs(mine - other) <= LIKENESS * scale + self.report.tolerance[self.told]).all())

    def weighted(self, weights: Array) -> Array:
        """(k,) what the gradient would be for other upstream weights."""
        assert self.parts is not None
        return (self.parts / self.upstream.reshape(-1)) @ weights.reshape(-1)
