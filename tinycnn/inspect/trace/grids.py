"""The views of a pass as grids of cells, for what is drawn without a browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any, NamedTuple

from tinycnn.inspect.trace.entries import Access, is_at_loops, padding_text
from tinycnn.inspect.trace.stops import Moment


class Cell(NamedTuple):
    """A cell of a grid, as it is at a moment.

    Attributes
    ----------
    text
        The number.
    mark
        ``written``, ``read``, ``padding``, ``later`` for an entry that will be written, or nothing.
    is_now
        Whether the single step that is shown reads or writes it.
    is_banded
        Whether it lies in the row or column where the loops are.
    """

    text: str
    mark: str = ""
    is_now: bool = False
    is_banded: bool = False

    @property
    def is_touched(self) -> bool:
        """Whether the stop reads or writes it."""
        return self.mark in ("read", "written")


@dataclass(frozen=True)
class Grid:
    """A plane, or a matrix.

    Parameters
    ----------
    caption
        The tensor, and which plane of it.
    rows, columns
        What is written at their heads.
    cells
        Row by row.
    """

    caption: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[Cell]]

    @property
    def is_touched(self) -> bool:
        """Whether the stop reads or writes any cell of it."""
        return any(cell.is_touched for row in self.cells for cell in row)

    @property
    def is_written(self) -> bool:
        """Whether the stop writes any cell of it."""
        return any(cell.mark == "written" for row in self.cells for cell in row)

    @property
    def size(self) -> int:
        """How many cells it has."""
        return len(self.rows) * len(self.columns)

    def cropped(self, height: int, width: int) -> Grid:
        """At most so many rows and columns: those around what the stop touches. The caption says what is left."""
        if len(self.rows) <= height and len(self.columns) <= width:
            return self
        touched = [(i, j) for i, row in enumerate(self.cells) for j, cell in enumerate(row) if cell.is_touched]
        rows = _around([i for i, _ in touched], len(self.rows), height)
        columns = _around([j for _, j in touched], len(self.columns), width)
        told = f"{self.caption} [{rows.start}:{rows.stop} / {len(self.rows)}, "
        told += f"{columns.start}:{columns.stop} / {len(self.columns)}]"
        cells = [row[columns] for row in self.cells[rows]]
        return replace(self, caption=told, rows=self.rows[rows], columns=self.columns[columns], cells=cells)


def grids_of(moment: Moment) -> list[Grid]:
    """All views of a pass, in order."""
    found: list[Grid] = []
    tensors = moment.walked.operation["tensors"]
    for view in moment.walked.phase["views"]:
        if view["tensor"] in tensors:  # a function that raised has not made all of them
            tensor = tensors[view["tensor"]]
            found += [_matrix(moment, view, tensor)] if _is_matrix(view, tensor) else _planes(moment, view, tensor)
    return found


def _is_matrix(view: Mapping[str, Any], tensor: Mapping[str, Any]) -> bool:
    letters = (*view["rows"], *view["columns"])
    whole = len(letters) == len(tensor["shape"]) and all(letter in tensor["axes"] for letter in letters)
    return bool(view["kind"] == "matrix" and whole)


def _cell(moment: Moment, entry: Access, is_banded: bool = False) -> Cell:
    mark = "later" if moment.is_later(*entry) else ""
    mark = "written" if entry in moment.written else "read" if entry in moment.read else mark
    return Cell(moment.text(*entry), mark, entry in moment.now, is_banded)


def _planes(moment: Moment, view: Mapping[str, Any], tensor: Mapping[str, Any]) -> list[Grid]:
    name, padding = view["tensor"], padding_text(moment.walked.operation, view["tensor"])
    shape = (1,) * (2 - len(tensor["shape"])) + tuple(tensor["shape"])
    *outer, height, width = shape
    top, bottom, left, right = view["padding"]
    row_heads = _heads(height, top, bottom) if len(tensor["shape"]) > 1 else [""]
    column_heads = _heads(width, left, right)
    grids = []
    for plane, index in enumerate(product(*map(range, outer))):

        def cell(i: int, j: int, plane: int = plane, index: tuple[int, ...] = index) -> Cell:
            row, column = i - top, j - left
            if 0 <= row < height and 0 <= column < width:
                return _cell(moment, (name, (plane * height + row) * width + column))
            return Cell(padding, "read" if moment.covers(name, index, i, j) else "padding")

        caption = f"{name}[{', '.join(map(str, index))}]" if index else name
        rows = range(height + top + bottom)
        cells = [[cell(i, j) for j in range(width + left + right)] for i in rows]
        grids.append(Grid(caption, row_heads, column_heads, cells))
    return grids


def _matrix(moment: Moment, view: Mapping[str, Any], tensor: Mapping[str, Any]) -> Grid:
    sizes = dict(zip(tensor["axes"], tensor["shape"], strict=True))
    skips = {letter: prod(tensor["shape"][axis + 1 :]) for axis, letter in enumerate(tensor["axes"])}
    rows, columns = (list(product(*(range(sizes[letter]) for letter in view[side]))) for side in ("rows", "columns"))

    row_bands, column_bands = (
        [is_at_loops(view[side], index, moment.loops) for index in indices]
        for side, indices in (("rows", rows), ("columns", columns))
    )
    row_places, column_places = (
        [sum(skips[letter] * at for letter, at in zip(view[side], index, strict=True)) for index in indices]
        for side, indices in (("rows", rows), ("columns", columns))
    )

    def cell(i: int, j: int) -> Cell:
        return _cell(moment, (view["tensor"], row_places[i] + column_places[j]), row_bands[i] or column_bands[j])

    letters = [" ".join(view[side]) for side in ("rows", "columns")]
    caption = f"{view['tensor']}: {' × '.join(letters)}" if all(letters) else view["tensor"]
    row_heads, column_heads = ([" ".join(map(str, index)) for index in side] for side in (rows, columns))
    return Grid(caption, row_heads, column_heads, [[cell(i, j) for j in range(len(columns))] for i in range(len(rows))])


def _heads(size: int, before: int, after: int) -> list[str]:
    return ["·"] * before + [str(i) for i in range(size)] + ["·"] * after


def _around(touched: Sequence[int], size: int, most: int) -> slice:
    """At most so many places that hold the first ones that are touched."""
    if size <= most:
        return slice(0, size)
    first, last = (min(touched), max(touched)) if touched else (0, 0)
    start = min(max(0, first - max(0, most - (last - first + 1)) // 2), size - most)
    return slice(start, start + most)
