"""The print sheet: one stop of a pass on a page of A4, as SVG that needs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len

from tinycnn.inspect.trace.drawing import MONO_ADVANCE, Drawing, Line, Primitive, Rect, Text, shortened, wrapped
from tinycnn.inspect.trace.entries import narrowed
from tinycnn.inspect.trace.grids import Grid, grids_of
from tinycnn.inspect.trace.stops import Moment, Pass, Sayings

WIDTH, HEIGHT = 1123, 794
"""A4 on its side, at 96 dots an inch."""
MARGIN = 38
RIGHT = WIDTH - MARGIN

SIZES = (18.0, 16.0, 14.0, 13.0, 12.0, 11.0, 10.0, 9.0, 8.0)
"""Of the numbers in the grids: the largest at which all of them fit."""
LIMIT = 30_000
"""Bytes of a sheet: it stands inside each page too."""
CELLS = (500, 400, 300, 200, 100, 0)
"""The most that are drawn: the first number of them with which the sheet is small enough."""
GAP = 20
"""Between two grids."""

SOURCE_SIZE, ROW = 9.5, 13
SOURCE_WIDTH = 550
BELOW = 270
"""Height that is kept for source and table, where they need it."""
CROPS = ((20, 24), (9, 12))
"""Rows and columns of the largest grids: the second where the first are too large."""


def sheet_svg(
    record: Mapping[str, Any], language: str = "en", operation: int = 0, phase: int = 0, stop: int | None = None
) -> str:
    """Draw one stop of a pass as SVG.

    Parameters
    ----------
    record
        Of a trace.
    language
        One of `tinycnn.texts.LANGUAGES`.
    operation, phase
        Their numbers in the record, from 0.
    stop
        Its number, from 0; the one in the middle where None.

    Returns
    -------
    str
        SVG that may stand alone or inside a page.

    Raises
    ------
    ValueError
        When the record has no such operation, pass or stop.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> traced = tc.trace(tc.functional.relu, np.array([1.0, -2.0]))
    >>> sheet_svg(traced.record)[:38]
    '<svg xmlns="http://www.w3.org/2000/svg'
    """
    return sheet(record, language, operation, phase, stop).to_svg()


def sheet(
    record: Mapping[str, Any], language: str = "en", operation: int = 0, phase: int = 0, stop: int | None = None
) -> Drawing:
    """The same as a drawing, for other formats."""
    if not record["operations"]:
        raise ValueError(
            f"{record['title']} has no operation with steps, and a sheet shows one: write its page instead"
        )
    chosen = _chosen("operation", record["operations"], operation)
    walked = Pass(chosen, _chosen("pass", chosen["phases"], phase))
    last = max(len(walked.stops), 1) - 1
    if stop is not None and not 0 <= stop <= last:
        raise ValueError(f"{walked.phase['name']} has stops 0 to {last}, got {stop}")
    moment = walked.moment(last // 2 if stop is None else stop)
    sayings = Sayings(language)
    title = f"{sayings.title(chosen)}: {sayings.of_pass(walked)['title']}, {sayings.position(moment)}"
    for cells in CELLS:
        drawing = Drawing(WIDTH, HEIGHT, title, language, _Sheet(moment, sayings, title, cells).primitives)
        if len(drawing.to_svg().encode()) <= LIMIT:
            break
    return drawing


def _chosen(what: str, among: Sequence[Any], number: int) -> Any:
    if not 0 <= number < len(among):
        raise ValueError(f"the trace has {what} 0 to {len(among) - 1}, got {number}")
    return among[number]


class _Placed(NamedTuple):
    grid: Grid
    x: float
    y: float


class _Sheet:
    """A sheet as it is filled, from the top down."""

    def __init__(self, moment: Moment, sayings: Sayings, title: str, cells: int):
        self.moment, self.sayings, self.cells = moment, sayings, cells
        self.primitives: list[Primitive] = [Rect(0, 0, WIDTH, HEIGHT, "paper")]
        self.notes: list[str] = []
        y = self._head(title)
        rows = max(len(moment.walked.phase["source"]), len(moment.steps) + 1)
        y = self._views(y + 14, HEIGHT - MARGIN - min(BELOW, rows * ROW + 50))
        self._source(y + 22)
        self._terms(y + 22)
        self._foot()

    def _head(self, title: str) -> float:
        """Title, parameters, formula and sentence; where they end."""
        texts = self.sayings.of_pass(self.moment.walked)
        y = float(MARGIN)
        for text, style, size, most in (
            (title, "title", 21, 1),
            (self.sayings.parameters(self.moment.walked.operation), "note", 11.5, 2),
            (texts.get("formula", ""), "prose", 13, 2),
            (self.sayings.sentence(self.moment), "prose", 13, 2),
        ):
            for line in wrapped(text, size, RIGHT - MARGIN)[:most]:
                y += size * 1.35
                self.primitives.append(Text(MARGIN, y - size * 0.3, line, style, size))
        return y

    def _views(self, top: float, bottom: float) -> float:
        """The grids in rows; where they end."""
        grids = grids_of(self.moment)
        kept, size = grids, SIZES[-1]
        for crop in CROPS:
            kept = [grid.cropped(*crop) for grid in grids]
            while not self._fits(kept, size, top, bottom) and not all(grid.is_touched for grid in kept):
                kept.remove([grid for grid in kept if not grid.is_touched][-1])
            if self._fits(kept, size, top, bottom):
                break
        while not self._fits(kept, size, top, bottom):  # what is written stays longest
            kept.remove(([grid for grid in kept if not grid.is_written] or kept)[-1])
        for size in SIZES:
            if self._fits(kept, size, top, bottom):
                break
        if len(kept) < len(grids):
            self.notes.append(self.sayings.own.say("sheet.grids_left", count=len(grids) - len(kept)))
        end = top
        for placed in _flow(kept, size, top):
            self._grid(placed, size)
            end = max(end, placed.y + _height(placed.grid, size))
        return end

    def _fits(self, grids: Sequence[Grid], size: float, top: float, bottom: float) -> bool:
        ends = [(p.x + _width(p.grid, size), p.y + _height(p.grid, size)) for p in _flow(grids, size, top)]
        is_small = sum(grid.size for grid in grids) <= self.cells
        return not ends or (is_small and all(x <= RIGHT and y <= bottom for x, y in ends))

    def _grid(self, placed: _Placed, size: float) -> None:
        grid, add = placed.grid, self.primitives.append
        wide, high = _cell_width(grid, size), size * 1.5
        left, top = placed.x + _head_width(grid, size), placed.y + size * 2.9
        right, bottom = left + wide * len(grid.columns), top + high * len(grid.rows)
        add(Text(placed.x, placed.y + size, grid.caption, "strong", size))
        for style in ("band", "read", "written"):  # outlines of the later ones lie over the earlier ones
            for i, row in enumerate(grid.cells):
                for j, cell in enumerate(row):
                    if style == cell.mark or (style == "band" and cell.is_banded and not cell.is_touched):
                        add(Rect(left + j * wide, top + i * high, wide, high, style))
            if style == "band":
                for i in range(len(grid.rows) + 1):
                    add(Line(left, top + i * high, right, top + i * high, "rule"))
                for j in range(len(grid.columns) + 1):
                    add(Line(left + j * wide, top, left + j * wide, bottom, "rule"))
        for j, head in enumerate(grid.columns):
            add(Text(left + (j + 0.5) * wide, top - size * 0.4, head, "head", size * 0.8, "middle"))
        bases = [top + (i + 0.5) * high + size * 0.36 for i in range(len(grid.rows))]
        for base, head in zip(bases, grid.rows, strict=True):
            add(Text(left - size * 0.4, base, head, "head", size * 0.8, "end"))
        for style, marks in (("head", ("padding", "later")), ("mono", ("", "read")), ("strong", ("written",))):
            for base, row in zip(bases, grid.cells, strict=True):
                for j, cell in enumerate(row):
                    if cell.mark in marks and cell.text:
                        add(Text(left + (j + 0.5) * wide, base, cell.text, style, size, "middle"))

    def _source(self, top: float) -> None:
        """The lines, those around the running one where not all fit."""
        phase, running = self.moment.walked.phase, self.moment.running
        self.primitives.append(Text(MARGIN, top, self.sayings.page["parts.source"], "title", 12))
        most = int((HEIGHT - MARGIN - 20 - top - 8) // ROW)
        at = (running["line"] - phase["first_line"]) if running else 0
        start = max(0, min(at - most // 2, len(phase["source"]) - most))
        shown = phase["source"][start : start + most]
        if len(shown) < len(phase["source"]):
            self.notes.append(self.sayings.own.say("sheet.lines_left", count=len(phase["source"]) - len(shown)))
        bases = [top + 8 + (i + 1) * ROW for i in range(len(shown))]
        for i, base in enumerate(bases):
            number = str(phase["first_line"] + start + i)
            self.primitives.append(Text(MARGIN + 28, base, number, "head", SOURCE_SIZE, "end"))
        cells = int((SOURCE_WIDTH - 34) / (SOURCE_SIZE * MONO_ADVANCE))
        for i, (base, line) in enumerate(zip(bases, shown, strict=True)):
            text, style = shortened(narrowed(line), cells), "mono"
            if running is not None and start + i == at:
                self.primitives.append(Rect(MARGIN, base - ROW + 3, SOURCE_WIDTH - 10, ROW, "running"))
                self.primitives.append(Text(MARGIN + 2, base, "▸", "strong", SOURCE_SIZE))
                style = "strong"
            self.primitives.append(Text(MARGIN + 34, base, text, style, SOURCE_SIZE))

    def _terms(self, top: float) -> None:
        """The rows of the table that fit."""
        left, page = MARGIN + SOURCE_WIDTH + 10, self.sayings.page
        terms = self.sayings.terms(self.moment)
        most = max(0, int((HEIGHT - MARGIN - 20 - top - 8) // ROW) - 1)
        has_products = any(row[1] for row in terms)
        last = page["terms.sum" if has_products else "terms.value"]
        rows = [("", page["terms.read"], page["terms.product"] if has_products else "", last)]
        rows += [(str(i + 1), *row) for i, row in enumerate(terms)]
        if len(terms) > most:
            rows = [*rows[: most - 1], ("…", "", "", ""), rows[-1]]
            self.notes.append(self.sayings.own.say("sheet.rows_left", count=len(terms) - most + 1))
        advance = SOURCE_SIZE * MONO_ADVANCE
        wide = [max((cell_len(row[i]) for row in rows), default=0) * advance for i in (2, 3)]
        sum_end = float(RIGHT)
        product_end = sum_end - wide[1] - 14
        cells = int((product_end - wide[0] - 14 - left - 26) / advance)
        self.primitives.append(Text(left, top, page["parts.terms"], "title", 12))
        for column, (x, anchor, room) in enumerate(
            ((left + 16, "end", 3), (left + 22, "start", cells), (product_end, "end", 60), (sum_end, "end", 60))
        ):
            for i, row in enumerate(rows):
                style = "head" if i == 0 or column == 0 else "strong" if column == 3 else "mono"
                text = Text(x, top + 8 + (i + 1) * ROW, shortened(row[column], room), style, SOURCE_SIZE, anchor)
                self.primitives += [text] if text.text else []

    def _foot(self) -> None:
        y, page = HEIGHT - MARGIN + 6.0, self.sayings.page
        x = float(MARGIN)
        for mark in ("read", "written"):
            self.primitives.append(Rect(x, y - 10, 20, 12, mark))
            self.primitives.append(Text(x + 27, y, page[f"legend.{mark}"], "note", 10.5))
            x += 27 + cell_len(page[f"legend.{mark}"]) * 6.4 + 24
        if self.notes:
            self.primitives.append(Text(RIGHT, y, " ".join(self.notes), "note", 10.5, "end"))


def _flow(grids: Sequence[Grid], size: float, top: float) -> list[_Placed]:
    """Side by side as long as they fit, then below."""
    placed: list[_Placed] = []
    x, y, below = float(MARGIN), top, top
    for grid in grids:
        width = _width(grid, size)
        if x > MARGIN and x + width > RIGHT:
            x, y = float(MARGIN), below + GAP * 0.6
        placed.append(_Placed(grid, x, y))
        x += width + GAP
        below = max(below, y + _height(grid, size))
    return placed


def _cell_width(grid: Grid, size: float) -> float:
    longest = max((cell_len(cell.text) for row in grid.cells for cell in row), default=0)
    heads = max((cell_len(head) for head in grid.columns), default=0)
    return max(longest * MONO_ADVANCE * size, heads * MONO_ADVANCE * size * 0.8, size) + size * 0.6


def _head_width(grid: Grid, size: float) -> float:
    return max((cell_len(head) for head in grid.rows), default=0) * MONO_ADVANCE * size * 0.8 + size * 0.5


def _width(grid: Grid, size: float) -> float:
    caption = cell_len(grid.caption) * MONO_ADVANCE * size
    return max(caption, _head_width(grid, size) + _cell_width(grid, size) * len(grid.columns))


def _height(grid: Grid, size: float) -> float:
    return size * 2.9 + size * 1.5 * len(grid.rows)
