"""Numbers and tables as a person reads them."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def percent(part: float, digits: int = 2) -> str:
    """A part of 1 in percent; only what is all reads 100, and only what is nothing reads 0.

    Examples
    --------
    >>> percent(0.98765), percent(1, 1), percent(0.99999, 1), percent(1e-9, 1)
    ('98.77 %', '100.0 %', 'over 99.9 %', 'under 0.1 %')
    """
    text, finest = f"{100 * part:.{digits}f}", 10.0**-digits
    if part < 1 and float(text) >= 100:
        return f"over {100 - finest:.{digits}f} %"
    if part > 0 and float(text) == 0:
        return f"under {finest:.{digits}f} %"
    return f"{text} %"


def duration(seconds: float) -> str:
    """Seconds in the two units that a reader wants.

    Examples
    --------
    >>> duration(3.14159), duration(75.2), duration(7384)
    ('3.1 s', '1 min 15 s', '2 h 3 min')
    """
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def counted(count: int, what: str) -> str:
    """A number of things.

    Examples
    --------
    >>> counted(1, "thread"), counted(2, "thread")
    ('1 thread', '2 threads')
    """
    return f"{count} {what}" + ("" if count == 1 else "s")


def readable_bytes(count: float) -> str:
    """A number of bytes with its unit.

    Examples
    --------
    >>> readable_bytes(999), readable_bytes(1_500_000)
    ('999 B', '1.5 MB')
    """
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def milliseconds(seconds: float) -> str:
    """Three digits of it.

    Examples
    --------
    >>> milliseconds(0.0123456), milliseconds(2.3456)
    ('12.3', '2,346')
    """
    return three_digits(1e3 * seconds)


def three_digits(value: float) -> str:
    """Three digits, and all of those before the point.

    Examples
    --------
    >>> three_digits(0.5), three_digits(45.678), three_digits(123.4), three_digits(45678.9)
    ('0.500', '45.7', '123', '45,679')
    """
    return f"{value:#.3g}".rstrip(".") if value < 999.5 else f"{value:,.0f}"


def table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Rows of cells in columns; those numbered in ``right`` end alike, the others start alike.

    Examples
    --------
    >>> print(table([("layer", "ms"), ("c1", "12.5"), ("c3", "3")], right={1}))
    layer    ms
    c1     12.5
    c3        3
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
