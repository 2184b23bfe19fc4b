"""A drawing of a few primitives, and how it is written as SVG."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from rich.cells import cell_len, set_cell_size

from tinycnn.inspect.trace.entries import broken

MONO_ADVANCE = 0.62
"""Width of a character of a fixed font, of its size; the common ones have 0.6."""

PROSE_ADVANCE = 0.56
"""Width of a character of prose, of its size, at most: for lines of some length in the common fonts."""


class Rect(NamedTuple):
    """A rectangle, filled and with the outline of its style."""

    x: float
    y: float
    width: float
    height: float
    style: str


class Line(NamedTuple):
    """A straight line."""

    x: float
    y: float
    to_x: float
    to_y: float
    style: str


class Text(NamedTuple):
    """Text on one line.

    Attributes
    ----------
    x, y
        Of its base line: where it starts, or its middle or end, as ``anchor`` says.
    """

    x: float
    y: float
    text: str
    style: str
    size: float
    anchor: str = "start"


Primitive = Rect | Line | Text


@dataclass(frozen=True)
class Style:
    """How primitives look, on white paper and on a dark screen.

    Parameters
    ----------
    fill, stroke
        Names of colours in `COLOURS`.
    width
        Of the stroke.
    is_mono, is_bold
        Of text.
    """

    fill: str = ""
    stroke: str = ""
    width: float = 1
    is_mono: bool = False
    is_bold: bool = False


COLOURS = {
    "paper": ("#ffffff", "#16191d"),
    "text": ("#23272e", "#e3e5e9"),
    "soft": ("#5a616c", "#a3abb7"),
    "rule": ("#d0ccc2", "#3d444e"),
    "band": ("#efece4", "#262b33"),
    "read": ("#d5e6f8", "#1b3a5c"),
    "blue": ("#1565b8", "#74b3f4"),
    "written": ("#fde3c4", "#4a3211"),
    "orange": ("#b55400", "#f2a14e"),
}
"""On white paper, and on a dark screen."""

STYLES = {
    "paper": Style("paper"),
    "rule": Style(stroke="rule", width=0.8),
    "band": Style("band"),
    "read": Style("read", "blue", 1),
    "written": Style("written", "orange", 2.2),
    "running": Style("written"),
    "title": Style("text", is_bold=True),
    "prose": Style("text"),
    "note": Style("soft"),
    "mono": Style("text", is_mono=True),
    "strong": Style("text", is_mono=True, is_bold=True),
    "head": Style("soft", is_mono=True),
}
"""Of the primitives, by name."""


@dataclass(frozen=True)
class Drawing:
    """Primitives on a sheet.

    Parameters
    ----------
    width, height
        Of the sheet.
    title
        What it shows, for who does not see it.
    language
        Of its texts.
    primitives
        The later ones lie over the earlier ones.
    """

    width: int
    height: int
    title: str
    language: str
    primitives: Sequence[Primitive]

    def to_svg(self) -> str:
        """As SVG: no scripts, no fonts of its own, nothing from elsewhere."""
        marks = "".join(_drawn(run) for run in _runs(self.primitives))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="tcs-sheet" viewBox="0 0 {self.width} {self.height}" '
            f'role="img" lang="{self.language}" aria-labelledby="tcs-title"><title id="tcs-title">'
            f"{_escaped(self.title)}</title><style>{_sheet()}</style>{marks}</svg>\n"
        )


def prose_width(text: str, size: float) -> float:
    """How much room a line of prose takes, at most."""
    return cell_len(text) * PROSE_ADVANCE * size


def wrapped(text: str, size: float, width: float) -> list[str]:
    """Lines of prose that fit a width, broken between words."""
    return broken(text, lambda line: prose_width(line, size) <= width)


def shortened(text: str, cells: int) -> str:
    """Text cut to so many cells of a fixed font, where it is longer."""
    return text if cell_len(text) <= cells else set_cell_size(text, cells - 1).rstrip() + "…"


def _runs(primitives: Iterable[Primitive]) -> Iterator[list[Primitive]]:
    """Neighbours of one style: they share what is written of it."""

    def style(each: Primitive) -> tuple[Any, ...]:
        return (type(each), *each[3:]) if isinstance(each, Text) else (type(each), each.style)

    for _, run in groupby(primitives, style):
        yield list(run)


def _drawn(run: Sequence[Primitive]) -> str:
    first = run[0]
    if not isinstance(first, Text):
        return f'<path class="tcs-{first.style}" d="{"".join(map(_path, run))}"/>'
    anchor = "" if first.anchor == "start" else f' text-anchor="{first.anchor}"'
    head = f'class="tcs-{first.style}" font-size="{_short(first.size)}"{anchor}'
    return f"<text {head}>{''.join(_spans(run))}</text>"


def _path(each: Primitive) -> str:
    if isinstance(each, Rect):
        x, y, width, height = map(_short, each[:4])
        return f"M{x} {y}h{width}v{height}h-{width}z"
    assert isinstance(each, Line)
    x, y, to_x, to_y = map(_short, each[:4])
    return f"M{x} {y}H{to_x}" if y == to_y else f"M{x} {y}L{to_x} {to_y}"


def _spans(run: Sequence[Primitive]) -> Iterator[str]:
    """Texts; the height is named where it changes."""
    height = ""
    for each in run:
        assert isinstance(each, Text)
        y = _short(each.y)
        down = "" if y == height else f' y="{y}"'
        yield f'<tspan x="{_short(each.x)}"{down}>{_escaped(each.text)}</tspan>'
        height = y


def visible(text: str) -> str:
    """Text with a sign in the place of characters that no picture can show, such as those that colour a terminal.

    Examples
    --------
    >>> visible("a" + chr(27) + "b")
    'a�b'
    """
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def _escaped(text: str) -> str:
    return html.escape(visible(text), quote=False)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _sheet() -> str:
    light, dark = ("".join(f"--tcs-{name}:{pair[i]};" for name, pair in COLOURS.items()) for i in (0, 1))
    rules = [
        f".tcs-sheet{{{light}background:var(--tcs-paper)}}",
        f"@media screen and (prefers-color-scheme:dark){{.tcs-sheet{{{dark}}}}}",
        ".tcs-sheet text{white-space:pre}",
    ]
    for name, style in STYLES.items():
        said = [f"fill:{f'var(--tcs-{style.fill})' if style.fill else 'none'}"]
        if style.stroke:
            said.append(f"stroke:var(--tcs-{style.stroke});stroke-width:{style.width}")
        if name in ("title", "prose", "note"):
            said.append('font-family:system-ui,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif')
        if style.is_mono:
            said.append('font-family:ui-monospace,Menlo,Consolas,"Liberation Mono",monospace')
        if style.is_bold:
            said.append("font-weight:600")
        rules.append(f".tcs-{name}{{{';'.join(said)}}}")
    return "".join(rules)
