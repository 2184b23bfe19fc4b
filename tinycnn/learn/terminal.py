"""A learner's terminal: single keys, and text that fits its width."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import select
import shutil
import signal
import sys
import termios
import tty
from types import FrameType, TracebackType
from typing import Any

WIDEST = 100
"""Columns beyond which prose is hard to read."""
KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|\x1b|.", re.DOTALL)
NAMES = {"\x1b[A": "up", "\x1bOA": "up", "\x1b[B": "down", "\x1bOB": "down", "\n": "enter", "\r": "enter"}
NAMES |= {"\x1b": "escape", "\x7f": "backspace", "\x08": "backspace"}
# What the same keys give while a Korean keyboard writes Hangul.
NAMES |= dict(zip("ㅜㅗㅣㅊㅌㅂㅛㅓㅏ", "nhlcxqyjk", strict=True))
END = "end"
"""The key that is read where the terminal has gone."""


def is_terminal() -> bool:
    """Whether a person can read the screen and press keys."""
    streams = (sys.stdin, sys.stdout)
    return all(stream is not None and stream.isatty() for stream in streams) and os.environ.get("TERM") != "dumb"


class Page:
    """Lines of text for standard output, in colour where it is a terminal and NO_COLOR is unset."""

    def __init__(self) -> None:
        from rich.console import Console

        is_plain = bool(os.environ.get("NO_COLOR")) or sys.stdout is None or not sys.stdout.isatty()
        width = 80 if is_plain and not is_terminal() else min(shutil.get_terminal_size().columns, WIDEST)
        self.console = Console(width=width, color_system=None if is_plain else "standard", highlight=False)
        self._lines: list[Any] = []

    def say(self, text: str = "", style: str = "") -> None:
        """Add text, which is broken between words where it is too long."""
        from rich.text import Text

        self._lines += [Text(_printable(line), style=style) for line in text.split("\n")]

    def text(self) -> str:
        """All of it, as it is to be written."""
        with self.console.capture() as captured:
            for line in self._lines:
                self.console.print(line)
        return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())

    def show(self) -> None:
        """Write it to standard output."""
        sys.stdout.write(self.text())
        sys.stdout.flush()


class Keys:
    """Single keys from standard input while this context lasts; then the terminal is as it was, whatever happened."""

    def __init__(self) -> None:
        self.must_redraw = False
        """Whether the terminal has another size, or was given back after a pause."""
        self._waiting: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")

    def __enter__(self) -> Keys:
        self._descriptor = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._descriptor)
        self._handlers = {
            number: signal.signal(number, handler)
            for number, handler in (
                (signal.SIGTERM, _leave),
                (signal.SIGHUP, _leave),
                (signal.SIGCONT, self._go_on),
                (signal.SIGWINCH, self._go_on),
            )
        }
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(termios.error):  # the terminal may have gone
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def wait(self, seconds: float) -> str:
        """The next key by its name; empty where none is pressed in this time."""
        if not self._waiting:
            self._read(seconds)
        return self._waiting.pop(0) if self._waiting else ""

    def is_pressed(self, *keys: str) -> bool:
        """Whether one of these keys, or any where none is named, was pressed and is still to be read."""
        self._read(0)
        return any(key in keys or not keys or key == END for key in self._waiting)

    def _read(self, seconds: float) -> None:
        try:
            if not select.select([self._descriptor], [], [], seconds)[0]:
                return
            found = os.read(self._descriptor, 1024)
        except OSError:
            found = b""
        if not found:
            self._waiting.append(END)
            return
        self._waiting += [NAMES.get(key, key.lower()) for key in KEY.findall(self._decoder.decode(found))]

    def _go_on(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGCONT:
            tty.setcbreak(self._descriptor, termios.TCSANOW)  # without dropping what was typed since
        self.must_redraw = True


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _printable(line: str) -> str:
    """The line without what would move the cursor: code under check prints what it likes."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line.expandtabs(4))
