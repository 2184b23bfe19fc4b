"""A drawing as PNG, by Matplotlib."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tinycnn.inspect.trace.drawing import COLOURS, STYLES, Drawing, Line, Primitive, Rect, Text, visible
from tinycnn.optional import require
from tinycnn.storage import replace

DOTS = 192
"""An inch: twice those of a plain screen, enough for print."""
UNITS = 96
"""Of a drawing to an inch."""
POINTS = 72 / UNITS

SANS = ("Liberation Sans", "Arial", "DejaVu Sans")
MONO = ("Liberation Mono", "Courier New", "DejaVu Sans Mono")
"""The first that are installed; Matplotlib brings the last ones."""
HANGUL = "가"
NO_FONT = "Last Resort"
"""How the font is called that draws a box for every letter; Matplotlib brings it."""
ANCHORS = {"start": "left", "middle": "center", "end": "right"}


def write_png(drawing: Drawing, path: Path) -> None:
    """Write a drawing as PNG, at once or not at all.

    Raises
    ------
    ModuleNotFoundError
        When Matplotlib is not installed.
    ValueError
        When the drawing has Korean text, and no font for it is installed.
    OSError
        When the file cannot be written.
    """
    figures = require("matplotlib.figure", "PNG pictures", "write SVG, which needs nothing")
    fonts = _fonts(any("가" <= sign <= "힣" for sign in _signs(drawing)))
    figure = figures.Figure(figsize=(drawing.width / UNITS, drawing.height / UNITS), dpi=DOTS)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, 0)
    axes.axis("off")
    for order, each in enumerate(drawing.primitives):
        _draw(axes, each, order, fonts)
    with _quiet_about_weights():
        replace(path, lambda temporary: figure.savefig(temporary, format="png", dpi=DOTS))


@contextmanager
def _quiet_about_weights() -> Iterator[None]:
    """Matplotlib warns where a font has no bold letters; plain ones will do."""
    logger = logging.getLogger("matplotlib.font_manager")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _draw(axes: Any, each: Primitive, order: int, fonts: dict[bool, list[str]]) -> None:
    style = STYLES[each.style]
    fill, stroke = (COLOURS[name][0] if name else "none" for name in (style.fill, style.stroke))
    if isinstance(each, Text):
        axes.text(
            each.x,
            each.y,
            visible(each.text).replace("$", r"\$"),  # no formula of Matplotlib's
            family=fonts[style.is_mono],
            size=each.size * POINTS,
            weight="bold" if style.is_bold else "normal",
            color=fill,
            ha=ANCHORS[each.anchor],
            va="baseline",
            zorder=order,
        )
    elif isinstance(each, Rect):
        patches = require("matplotlib.patches", "PNG pictures")
        options = {"facecolor": fill, "edgecolor": stroke, "linewidth": style.width * POINTS, "zorder": order}
        axes.add_patch(patches.Rectangle(each[:2], each.width, each.height, **options))
    else:
        assert isinstance(each, Line)
        ends = ((each.x, each.to_x), (each.y, each.to_y))
        axes.plot(*ends, color=stroke, linewidth=style.width * POINTS, zorder=order, scalex=False, scaley=False)


def _signs(drawing: Drawing) -> str:
    return "".join(each.text for each in drawing.primitives if isinstance(each, Text))


def _fonts(is_korean: bool) -> dict[bool, list[str]]:
    """Names of fonts by whether they are fixed; the later ones have what the earlier ones lack."""
    manager = require("matplotlib.font_manager", "PNG pictures").fontManager
    installed = {font.name for font in manager.ttflist}
    hangul = _hangul_font() if is_korean else None
    if is_korean and hangul is None:
        raise ValueError(
            "no font with Korean letters is installed, and PNG needs one: install fonts-nanum or Noto Sans CJK, "
            "or write SVG"
        )
    return {
        is_mono: [name for name in names if name in installed] + ([hangul] if hangul else []) + ["DejaVu Sans"]
        for is_mono, names in ((True, MONO), (False, SANS))
    }


@cache
def _hangul_font() -> str | None:
    """A font with Korean letters, a plain one before others, also where it was installed after Matplotlib looked."""
    fonts = require("matplotlib.font_manager", "PNG pictures")
    manager = fonts.fontManager
    for path in set(fonts.findSystemFonts()) - {font.fname for font in manager.ttflist}:
        if _has_hangul(path):
            manager.addfont(path)
    for font in sorted(manager.ttflist, key=lambda each: (each.style != "normal", each.weight != 400, each.name)):
        if not font.name.startswith(NO_FONT) and _has_hangul(font.fname):
            return str(font.name)
    return None


def _has_hangul(path: str) -> bool:
    try:
        font = require("matplotlib.ft2font", "PNG pictures").FT2Font(path)
    except (RuntimeError, OSError):  # a file that cannot be read as a font
        return False
    return bool(font.get_char_index(ord(HANGUL)))
