"""A trace in the terminal: what is printed equals the record, and keys lead where they should."""

import os
import pty
import re
import subprocess
import sys
import termios

import numpy as np
import pytest
from rich.cells import cell_len

import tinycnn as tc
import tinycnn.functional as F
from tests.learn.test_watch import Terminal
from tinycnn.inspect.trace.entries import number_text
from tinycnn.inspect.trace.examples import example
from tinycnn.inspect.trace.stops import Pass, stops_of
from tinycnn.inspect.trace.terminal import KEYS, WIDTH, Walk, printed, stop_by_row
from tinycnn.inspect.trace.walk_text import walk_lines
from tinycnn.learn.terminal import END

NUMBER = re.compile(r"(?<![\w.])−?\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def record():
    return example("conv2d", {"input": (5, 5), "kernel": (3,), "stride": (2,)}, backward=True).record


def grid_under(caption, lines, width=8):
    """The lines of the grid that begins with a caption at the left edge."""
    start = next(i for i, line in enumerate(lines) if line.startswith(caption))
    return lines[start + 2 : start + 2 + width]


def test_every_stop_of_every_pass_is_printed(record):
    text = printed(record)
    for phase in record["operations"][0]["phases"]:
        count = len(stops_of(phase))
        for number in range(1, count + 1):
            assert f"stop {number} of {count}\n" in text
    assert "\x1b" not in text


def test_the_numbers_are_those_of_the_record(record):
    lines = printed(record, phase=0, stop=3).splitlines()
    rows = [NUMBER.findall(line)[1:6] for line in grid_under("x[0, 0]", lines, 5)]  # the first one is the row's
    values = record["operations"][0]["tensors"]["x"]["values"]
    assert [text for row in rows for text in row] == [number_text(value) for value in values]
    steps = record["operations"][0]["phases"][0]["steps"]
    last = number_text(steps[-1]["writes"][0][2])
    assert lines[-3].endswith(f"= {last}")
    assert f"y[0, 0, 1, 1] is {last}" in "\n".join(lines)


def test_marks_stand_around_what_is_read_and_written(record):
    lines = printed(record, phase=0, stop=3).splitlines()
    text = "\n".join(line[:31] for line in grid_under("x[0, 0]", lines, 5))
    assert text.count("[") == text.count("]") == 9
    assert [line.count("[") for line in text.splitlines()] == [0, 0, 3, 3, 3]
    y = number_text(record["operations"][0]["tensors"]["y"]["values"][3])
    assert f">{y}<" in "\n".join(lines)


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("shape", [(5, 5), (2, 6, 12), (1, 3, 30)])
def test_no_line_is_wider_than_the_terminal(shape, language):
    made = example("conv2d", {"input": shape, "padding": (1,)}, backward=len(shape) == 2)
    for line in printed(made.record, language).splitlines():
        assert cell_len(line) <= WIDTH


@pytest.mark.parametrize("language", ["en", "ko"])
def test_columns_stand_below_their_heads(record, language):
    lines = printed(record, language, phase=0, stop=0).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("x[0, 0]"))
    heads = [match.end() for match in re.finditer(r"\d+", lines[start + 1][:31])]
    for line in lines[start + 2 : start + 7]:
        ends = [match.end() for match in NUMBER.finditer(line[:31])][1:]
        assert ends == heads


def test_a_graph_is_told_in_lines():
    traced = tc.trace(lambda a: F.relu(a) * a + a, np.array([3.0]))
    lines = walk_lines(traced.record["graph"])
    assert sum(line[0].isdigit() for line in lines if line) == len(traced.record["graph"]["walk"])
    assert any("to a, the last of 3 parts: their sum is 7" in line for line in lines)  # 2a + 1
    assert "\n".join(lines[:3]) in printed(traced.record)


def test_a_walk_without_waiting_tells_what_is_lost():
    def twice(a):
        b = a * 3
        return F.relu(b) + b

    graph = tc.trace(twice, np.array([2.0])).record["graph"]
    text = "\n".join(walk_lines(graph))
    assert "a got 3, and 6 is right" in text
    assert "ko" not in text
    assert "{" not in "\n".join(walk_lines(graph, "ko"))


class Pressed:
    """Keys that were pressed beforehand; then the terminal goes."""

    must_redraw = False

    def __init__(self, *keys):
        self.keys = list(keys)

    def wait(self, seconds):
        return self.keys.pop(0) if self.keys else END


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ((), (0, 0, None)),
        (("\x1b[c",), (0, 1, None)),
        (("\x1b[c", "\x1b[d", "\x1b[d"), (0, 0, None)),
        (("\x1b[f",), (0, 3, None)),
        (("\x1b[f", "\x1b[c", "\x1b[h"), (0, 0, None)),
        (("down",), (0, 2, None)),
        (("down", "down"), (0, 2, None)),
        (("down", "up"), (0, 0, None)),
        ((".",), (0, 0, 0)),
        ((".", "."), (0, 0, 1)),
        ((",",), (0, 0, 9)),
        (("\x1b[c", ".", ","), (0, 0, 9)),
        (("\x1b[1;2d", "\x1b[1;2c"), (0, 1, 0)),
        ((".", "\x1b[c"), (0, 1, None)),
        (("p",), (1, 0, None)),
        (("p", "p", "p", "p"), (0, 0, None)),
        ((" ", "", "", " "), (0, 2, None)),
        ((" ", *[""] * 9), (0, 3, None)),
        (("\x1b[f", " ", "", " "), (0, 1, None)),
        (("?", "x"), (0, 0, None)),
    ],
)
def test_keys_lead_to_places(record, capsys, keys, place):
    walk = Walk(record, Pressed(*keys), "en")
    walk.run()
    assert walk.is_done
    assert (walk.at, walk.stop, walk.step) == place


def test_every_command_has_a_key(record):
    assert set(KEYS.values()) == set(Walk(record, Pressed(), "en").commands)


def test_a_row_up_or_down_is_in_the_same_column(record):
    walked = Pass(record["operations"][0], record["operations"][0]["phases"][0])
    assert [stop_by_row(walked, stop, 1) for stop in range(4)] == [2, 3, None, None]
    assert [stop_by_row(walked, stop, -1) for stop in range(4)] == [None, None, 0, 1]


class StepTerminal(Terminal):
    """``tinycnn step`` in a terminal of its own."""

    def __init__(self, folder, *words, size=(40, 80)):
        self.outside, self.inside = pty.openpty()
        termios.tcsetwinsize(self.inside, size)
        self.mode = termios.tcgetattr(self.inside)
        surroundings = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tinycnn", "step", *words],
            cwd=folder,
            stdin=self.inside,
            stdout=self.inside,
            stderr=self.inside,
            env=surroundings | {"TERM": "xterm"},
            start_new_session=True,
        )
        self.text, self.seen = "", 0


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def start(*words, **options):
        opened.append(StepTerminal(tmp_path, *words, **options))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_arrows_walk_and_the_terminal_is_given_back(terminal):
    screen = terminal("conv", "--stride", "2", "--backward")
    shown = screen.wait_for("Forward", "stop 1 of 4", "▸", "q quit")
    assert "\x1b[" in screen.text
    assert all(cell_len(line) <= 80 for line in shown.splitlines())
    screen.press("\x1b[C")
    screen.wait_for("stop 2 of 4", "y[0, 0, 0, 1]")
    screen.press("\x1b[B")
    screen.wait_for("stop 4 of 4", "y[0, 0, 1, 1]")
    screen.press("\x1b[1;2D")
    screen.wait_for("stop 4 of 4, step 10 of 10")
    screen.press("\x1b[H")
    screen.wait_for("stop 1 of 4")
    screen.press("p")
    screen.wait_for("Gradient of the input", "stop 1 of 4")
    screen.press("q")
    assert screen.end() == 0
    assert screen.is_restored()


def test_it_begins_where_it_is_told_to_and_plays_to_the_end(terminal):
    screen = terminal("conv", "--stride", "2", "--backward", "--phase", "backward_weight", "--stop", "7")
    screen.wait_for("stop 7 of 9")
    screen.press(" ")
    screen.wait_for("stop 9 of 9")
    screen.press("q")
    assert screen.end() == 0


def test_a_small_window_says_what_does_not_fit_and_a_larger_one_shows_it(terminal):
    screen = terminal("conv", size=(20, 60))
    shown = screen.wait_for("stop 1 of 9", "do not fit", "q quit")
    assert len(shown.splitlines()) <= 20
    assert all(cell_len(line) <= 60 for line in shown.splitlines())
    screen.resize(60, 80)
    assert "do not fit" not in screen.wait_for("stop 1 of 9", "y: k × n p q")
    screen.press("q")
    assert screen.end() == 0
