"""One entry of an array that records.

Like the other files of the recorder, this needs the standard library and NumPy alone.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Products(Protocol):
    """Where products are put down."""

    def product(self, value: float) -> None:
        """Put down a product of two entries that were read."""


class Number(np.float64):
    """An entry that was read: where two of them are multiplied, the product is put down."""

    _notes: Products

    def __new__(cls, value: Any, notes: Products) -> Number:
        """The value, and whom to tell."""
        number = super().__new__(cls, value)
        number._notes = notes
        return number

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, Number):
            return np.float64(self) * other
        product = np.float64(self) * np.float64(other)
        self._notes.product(product)
        return product

    def __rmul__(self, other: Any) -> Any:
        return other * np.float64(self)

    def __reduce__(self) -> Any:
        return np.float64, (float(self),)
