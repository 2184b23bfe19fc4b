"""Numbers as the page writes them, read back: at most five digits that count, a true minus sign, never −0."""

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache

DIGITS = Context(prec=5, rounding=ROUND_HALF_UP)
NOT_FINITE = {"NaN": "nan", "∞": float("inf"), "−∞": float("-inf")}
WRITTEN = re.compile(r"−?(\d+\.?\d*)(e−?\d+)?")
IN_TEXT = re.compile(r"−?\d+(?:\.\d+)?(?:e−?\d+)?|NaN|−?∞")


@cache
def number(text):
    """The number that a text of the page is; ``nan`` stands for NaN, which would not equal itself.

    Examples
    --------
    >>> number("−0.25"), number("1.5e−7"), number("NaN")
    (-0.25, 1.5e-07, 'nan')
    """
    if text in NOT_FINITE:
        return NOT_FINITE[text]
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(f"the page writes {text!r}, which is no number in its manner")
    if len(found[1].replace(".", "").strip("0")) > 5:
        raise ValueError(f"the page writes {text!r}: more than five digits")
    value = float(text.replace("−", "-"))
    if value == 0 and text != "0":
        raise ValueError(f"the page writes {text!r} for 0")
    return value


@cache
def rounded(value):
    """A number of the engine to five digits, halves away from zero.

    Examples
    --------
    >>> rounded(1.03125), rounded(-0.0), rounded(123456.7)
    (1.0313, 0.0, 123460.0)
    """
    if value != value:
        return "nan"
    if value in (float("inf"), float("-inf")):
        return value
    return float(DIGITS.create_decimal(Decimal(value))) + 0.0


def same(texts, values):
    """Whether texts of the page are these numbers of the engine."""
    return [number(text) for text in texts] == [rounded(float(value)) for value in values]


def numbers_in(text):
    """All numbers of a text, in order; those in square brackets are no numbers but indices.

    Examples
    --------
    >>> numbers_in("y[0, 1] = 1 + (−0.5) · 2 = 0")
    [1.0, -0.5, 2.0, 0.0]
    """
    return [number(found) for found in IN_TEXT.findall(re.sub(r"\[[^]]*\]", "", text))]
