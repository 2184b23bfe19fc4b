"""A trace in the terminal: walked through with keys, or printed stop by stop."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from tinycnn.inspect.trace.entries import broken, narrowed
from tinycnn.inspect.trace.grids import Cell, Grid, grids_of
from tinycnn.inspect.trace.stops import Moment, Pass, Sayings
from tinycnn.inspect.trace.walk_text import walk_lines
from tinycnn.learn.terminal import END, Keys, Page

WIDTH = 80
"""Columns of what is printed."""
GAP = 3
BESIDE = "  "
CLEAR = "\x1b[H\x1b[J"
PACE = 0.5
"""Seconds between two stops while it plays."""
POLL = 0.3

MARKS = {"read": ("[", "]"), "written": (">", "<"), "now": ("{", "}")}
NO_MARK = (" ", " ")
"""What stands around a number, and what around others."""
COLOURS = {"read": "blue", "written": "bold yellow", "now": "bold blue", "padding": "dim", "later": "dim"}
QUIET = "dim"

KEYS = {
    **dict.fromkeys(["\x1b[c", "\x1boc", "l"], "next"),
    **dict.fromkeys(["\x1b[d", "\x1bod", "h"], "previous"),
    **dict.fromkeys(["\x1b[1;2c", ".", ">"], "on"),
    **dict.fromkeys(["\x1b[1;2d", ",", "<"], "back"),
    **dict.fromkeys(["up", "k"], "up"),
    **dict.fromkeys(["down", "j"], "down"),
    **dict.fromkeys(["\x1b[h", "\x1boh", "\x1b[1~", "0"], "first"),
    **dict.fromkeys(["\x1b[f", "\x1bof", "\x1b[4~", "$"], "last"),
    **dict.fromkeys(["p", "ㅔ"], "phase"),
    **dict.fromkeys(["q", "escape", END], "quit"),
    " ": "play",
}
"""Commands by key, in lower case as `Keys` gives them."""


def printed(record: Mapping[str, Any], language: str = "en", phase: int | None = None, stop: int | None = None) -> str:
    """All stops of all passes as plain text, and the walk through the graph where there is one.

    Parameters
    ----------
    record
        Of a trace.
    language
        One of `tinycnn.texts.LANGUAGES`.
    phase, stop
        Numbers from 0: that pass alone, that stop of each pass alone.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> traced = tc.trace(tc.functional.relu, np.array([1.0, -2.0]), backward=False)
    >>> "y[1] is 0" in printed(traced.record)
    True
    """
    sayings = Sayings(language)
    lines: list[Text] = []
    if record.get("graph") is not None and phase is None:
        lines += [Text(part) for line in walk_lines(record["graph"], language) for part in _indented(line)]
    for operation in record["operations"]:
        for number, each in enumerate(operation["phases"]):
            if phase in (None, number):
                walked = Pass(operation, each)
                lines += _head(walked, sayings, WIDTH)
                for at in range(max(len(walked.stops), 1)):
                    if stop in (None, at):
                        lines += [*_stop(walked.moment(at), sayings, WIDTH), Text()]
                lines.append(Text())
    return "".join(f"{line.plain.rstrip()}\n" for line in _within(lines, WIDTH))


class Walk:
    """The screen on which a trace is walked through.

    Parameters
    ----------
    record
        With at least one operation.
    keys
        Of the terminal.
    language
        One of `tinycnn.texts.LANGUAGES`.
    phase, stop
        Where it begins, numbers from 0.
    """

    def __init__(self, record: Mapping[str, Any], keys: Keys, language: str, phase: int = 0, stop: int = 0):
        self.keys, self.sayings = keys, Sayings(language)
        self.passes = [Pass(operation, each) for operation in record["operations"] for each in operation["phases"]]
        self.at, self.stop = phase, min(stop, self._last(phase))
        self.step: int | None = None
        self.is_playing = self.is_done = False
        self.commands: dict[str, Callable[[], None]] = {
            "next": lambda: self.go(1),
            "previous": lambda: self.go(-1),
            "on": lambda: self.go_step(1),
            "back": lambda: self.go_step(-1),
            "up": lambda: self.go_row(-1),
            "down": lambda: self.go_row(1),
            "first": lambda: self.go(-self.stop),
            "last": lambda: self.go(self._last(self.at) - self.stop),
            "phase": self.next_phase,
            "play": self.play,
            "quit": self.quit,
        }

    @property
    def walked(self) -> Pass:
        """The pass that is shown."""
        return self.passes[self.at]

    def run(self) -> None:
        """Show and listen until the reader leaves."""
        sys.stdout.write("\n" * shutil.get_terminal_size().lines)  # what was on the screen can be scrolled back to
        self.draw()
        while not self.is_done:
            command = KEYS.get(self.keys.wait(PACE if self.is_playing else POLL))
            if command is not None:
                self.is_playing = self.is_playing and command == "play"
                self.commands[command]()
            elif self.is_playing:
                self.go(1)
                self.is_playing = self.stop < self._last(self.at)
            elif not self.keys.must_redraw:
                continue
            if not self.is_done:
                self.draw()

    def go(self, by: int) -> None:
        """To a stop so many later, as far as there are."""
        self.stop, self.step = min(max(self.stop + by, 0), self._last(self.at)), None

    def go_step(self, by: int) -> None:
        """One step on or back, also into the stop beside."""
        count = len(self.walked.moment(self.stop).steps)
        wanted = (0 if by > 0 else count - 1) if self.step is None else self.step + by
        if 0 <= wanted < count:
            self.step = wanted
        elif 0 <= self.stop + by <= self._last(self.at):
            self.go(by)
            self.step = 0 if by > 0 else len(self.walked.moment(self.stop).steps) - 1

    def go_row(self, by: int) -> None:
        """To the stop that computes the entry a row below or above."""
        found = stop_by_row(self.walked, self.stop, by)
        if found is not None:
            self.stop, self.step = found, None

    def next_phase(self) -> None:
        """The first stop of the next pass; after the last one, of the first."""
        self.at, self.stop, self.step = (self.at + 1) % len(self.passes), 0, None

    def play(self) -> None:
        """Play, or pause; from the start where the end is reached."""
        if not self.is_playing and self.stop == self._last(self.at):
            self.stop = 0
        self.is_playing, self.step = not self.is_playing, None

    def quit(self) -> None:
        """Leave."""
        self.is_done = True

    def draw(self) -> None:
        """Put the moment on the screen in one go."""
        self.keys.must_redraw = False
        columns, rows = shutil.get_terminal_size()
        moment = self.walked.moment(self.stop, self.step)
        head = _head(self.walked, self.sayings, columns)[:-1]
        told = (str(self.sayings.own[name]) for name in ("marks", "keys"))
        foot = [Text(line, style=QUIET) for text in told for line in _broken(text, columns)]
        room = rows - 1 - len(head) - len(foot)
        body = _stop(moment, self.sayings, columns, room - 1)
        left = room - len(body) - 1
        source = _source(moment, left) if left > 2 else []
        lines = [*head, *body, *([Text(), *source] if source else []), *foot]
        console = Page().console
        console.width = columns
        sys.stdout.write(CLEAR + _coloured(_within(lines[: rows - 1], columns), console))
        sys.stdout.flush()

    def _last(self, at: int) -> int:
        return max(len(self.passes[at].stops), 1) - 1


def walk(record: Mapping[str, Any], language: str = "en", phase: int = 0, stop: int = 0) -> None:
    """Walk through a trace with keys until the reader leaves; the terminal is as it was then."""
    with Keys() as keys:
        Walk(record, keys, language, phase, stop).run()


def stop_by_row(walked: Pass, stop: int, by: int) -> int | None:
    """The stop that computes the entry so many rows further down, in the same column; None where there is none."""
    result = walked.moment(stop).result
    shape = walked.operation["tensors"].get(result[0], {}).get("shape") if result else None
    if result is None or not shape:
        return None
    wanted = result[1] + by * (shape[-1] if len(shape) > 1 else 1)
    steps = walked.history.writers(result[0], wanted)
    numbers = [number for number, steps_of in enumerate(walked.stops) if any(step in steps_of for step in steps)]
    ahead = [number for number in numbers if (number > stop if by > 0 else number < stop)]
    if not ahead:
        return numbers[0] if numbers else None
    return ahead[0] if by > 0 else ahead[-1]


def _head(walked: Pass, sayings: Sayings, width: int) -> list[Text]:
    """Operation, pass, parameters and formula, and an empty line."""
    texts = sayings.of_pass(walked)
    said = [sayings.parameters(walked.operation), texts.get("formula", "")]
    quiet = [Text(line, style=QUIET) for text in said if text for line in _broken(text, width)]
    return [Text(f"{sayings.title(walked.operation)}: {texts['title']}", style="bold"), *quiet, Text()]


def _stop(moment: Moment, sayings: Sayings, width: int, height: int | None = None) -> list[Text]:
    """Position and sentence, the grids side by side, and lines with their numbers put in.

    That is the line of the step that has just run where a height is given, else those of all steps.
    """
    lines = [Text(sayings.position(moment), style="bold")]
    lines += [Text(line) for line in _broken(sayings.sentence(moment), width)]
    if height is None:
        end = [Text(f"{i:3}. {sayings.formula(moment, step)}") for i, step in enumerate(moment.steps, 1)]
    else:
        formula = sayings.formula(moment, moment.running) if moment.running else ""
        end = [Text(line, style="bold") for line in _broken(formula, width)]
    blocks = [_block(grid, width) for grid in grids_of(moment)]
    shown = blocks if height is None else _fitting(blocks, width, height - len(lines) - len(end) - 1)
    lines += _beside(shown, width)
    if len(shown) < len(blocks):
        lines.append(Text(sayings.own.say("grids_left", count=len(blocks) - len(shown)), style=QUIET))
    return [*lines, *end]


def _source(moment: Moment, most: int) -> list[Text]:
    """Lines of the source around the running one."""
    phase, running = moment.walked.phase, moment.running
    at = running["line"] - phase["first_line"] if running else 0
    start = max(0, min(at - most + 2, len(phase["source"]) - most))
    lines = []
    for i, line in enumerate(phase["source"][start : start + most], start):
        is_running = running is not None and i == at
        sign, style = ("▸", COLOURS["written"]) if is_running else (" ", "")
        lines.append(Text(f"{sign}{phase['first_line'] + i:>4} {narrowed(line)}", style=style))
    return lines


def _block(grid: Grid, width: int) -> list[Text]:
    """A grid as lines of one width: its caption, the heads, the rows."""
    head = max((cell_len(text) for text in grid.rows), default=0)
    texts = [cell.text for row in grid.cells for cell in row]
    wide = max([cell_len(text) + 2 for text in texts] + [cell_len(text) + 1 for text in grid.columns], default=3)
    grid = grid.cropped(len(grid.rows), max(1, (width - head) // wide))
    lines = [Text(grid.caption, style="bold"), Text(" " * head, style=QUIET)]
    lines[1].append("".join(_right(text, wide - 1) + " " for text in grid.columns))
    for name, row in zip(grid.rows, grid.cells, strict=True):
        line = Text(_right(name, head), style="")
        line.stylize(QUIET)
        for cell in row:
            line.append(*_marked(cell, wide))
        lines.append(line)
    longest = max(line.cell_len for line in lines)
    for line in lines:
        line.pad_right(longest - line.cell_len)
    return lines


def _marked(cell: Cell, wide: int) -> tuple[str, str]:
    """A number between its marks, and its colour."""
    mark = "now" if cell.is_now and cell.mark == "read" else cell.mark
    before, after = MARKS.get(mark, NO_MARK) if cell.text else NO_MARK
    return _right(f"{before}{cell.text}{after}", wide), COLOURS.get(mark, "")


def _right(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text


def _rows_of(blocks: Sequence[list[Text]], width: int) -> Iterator[list[list[Text]]]:
    """Blocks side by side as long as they fit."""
    row: list[list[Text]] = []
    used = 0
    for block in blocks:
        wide = block[0].cell_len
        if row and used + GAP + wide > width:
            yield row
            row, used = [], 0
        used += (GAP if row else 0) + wide
        row.append(block)
    if row:
        yield row


def _beside(blocks: Sequence[list[Text]], width: int) -> list[Text]:
    lines = []
    for row in _rows_of(blocks, width):
        for i in range(max(map(len, row))):
            parts = [block[i] if i < len(block) else Text(" " * block[0].cell_len) for block in row]
            lines.append(Text(" " * GAP).join(parts))
    return lines


def _fitting(blocks: Sequence[list[Text]], width: int, height: int) -> Sequence[list[Text]]:
    """As many of them as fit a height."""
    kept = list(blocks)
    while kept and sum(max(map(len, row)) for row in _rows_of(kept, width)) > height - (len(kept) < len(blocks)):
        kept.pop()
    return kept


def _broken(text: str, width: int) -> list[str]:
    """Lines of at most this many columns, broken between words."""
    return broken(text, lambda line: cell_len(line) <= width)


def _indented(line: str) -> list[str]:
    """A line broken to the width that is printed, each part under the first."""
    space = " " * (len(line) - len(line.lstrip()))
    return [space + part for part in _broken(line, WIDTH - len(space))] or [""]


def _within(lines: Sequence[Text], width: int) -> list[Text]:
    """Lines cut to a width; one that is cut ends in an ellipsis."""
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return list(lines)


def _coloured(lines: Sequence[Text], console: Console) -> str:
    with console.capture() as captured:
        for line in lines:
            console.print(line, no_wrap=True, crop=False)
    return captured.get()
