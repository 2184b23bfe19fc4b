"""The screen of a learner, in a pseudo-terminal: files are saved, keys are pressed, and what is shown is read."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.learn import small
from tinycnn.learn.desk import STATE, Desk
from tinycnn.learn.exercise import exercises
from tinycnn.learn.terminal import _printable
from tinycnn.learn.watch import AbandonedError, runner

CLEAR = "\x1b[H\x1b[J"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PATIENCE = 30


class Terminal:
    """``tinycnn learn`` in a terminal of its own."""

    def __init__(self, exercises, folder, *words, **environment):
        self.outside, self.inside = pty.openpty()
        termios.tcsetwinsize(self.inside, (24, 80))
        self.mode = termios.tcgetattr(self.inside)
        surroundings = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            small.command(exercises, "learn", *words),
            cwd=folder,
            stdin=self.inside,
            stdout=self.inside,
            stderr=self.inside,
            env=surroundings | {"TERM": "xterm"} | environment,
            start_new_session=True,
        )
        self.text, self.seen = "", 0

    @property
    def screen(self):
        """What was drawn last, without colours."""
        return COLOUR.sub("", self.text.rpartition(CLEAR)[2]).replace("\r\n", "\n")

    def press(self, keys):
        os.write(self.outside, keys.encode())

    def resize(self, lines, columns):
        termios.tcsetwinsize(self.inside, (lines, columns))
        os.kill(self.process.pid, signal.SIGWINCH)

    def wait_for(self, *parts):
        """Read until the screen holds all of these; the screen."""
        end = time.monotonic() + PATIENCE
        while not all(part in self.screen for part in parts):
            assert time.monotonic() < end, f"no {parts} in:\n{self.screen}"
            self.read()
        return self.screen

    def wait_for_passing(self, part):
        """Read until this was on the screen, if only for a moment, since this was last asked."""
        end = time.monotonic() + PATIENCE
        while part not in self.text[self.seen :]:
            assert time.monotonic() < end, f"no {part} in:\n{self.text}"
            self.read()
        self.seen = len(self.text)

    def read(self):
        if select.select([self.outside], [], [], 0.05)[0]:
            self.text += os.read(self.outside, 65536).decode(errors="replace")

    def end(self):
        """The exit status, once it has ended."""
        limit = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < limit, self.screen
            self.read()
        self.read()
        return self.process.returncode

    def is_restored(self):
        return termios.tcgetattr(self.inside) == self.mode

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.inside)
        os.close(self.outside)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    small.install(monkeypatch, small.make(tmp_path / "exercises"))
    yield Desk.make(tmp_path / "mine").folder
    exercises.cache_clear()


@pytest.fixture
def terminal(folder, tmp_path):
    opened = []

    def start(*words, **environment):
        opened.append(Terminal(tmp_path / "exercises", folder, *words, **environment))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_a_file_is_checked_when_it_is_saved_and_n_goes_on(terminal, folder):
    screen = terminal()
    shown = screen.wait_for("Exercise 1 of 3: To double", "Each save is checked here at once.", "] 0 of 3", "q quit")
    assert "01_double.py" in shown
    assert "n next" not in shown
    screen.press("n")
    screen.wait_for("This one has not passed yet.")
    small.solve(folder, "01_double", wrong="100 * ")
    shown = screen.wait_for('The case "x is 1" fails; 0 of 3 cases are right.', "A hundred times too much.")
    assert "must be 2, yours is 200" in shown
    assert "has not passed yet" not in shown
    small.solve(folder, "01_double")
    screen.wait_for("Right in all 3 cases.", "[##########--------------------] 1 of 3", "Press n", "n next")
    assert "passed 01_double" in (folder / STATE).read_text()
    screen.press("n")
    screen.wait_for("Exercise 2 of 3: To square", "Each save is checked")
    screen.press("q")
    assert screen.end() == 0
    assert screen.is_restored()
    assert "current 02_square" in (folder / STATE).read_text()


def test_a_file_with_the_same_time_but_another_text_is_checked(terminal, folder):
    screen = terminal()
    screen.wait_for("Each save is checked")
    path = folder / "01_double.py"
    before = path.stat()
    small.solve(folder, "01_double")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    screen.wait_for("Right in all 3 cases.")


def test_h_shows_hints_one_by_one_until_the_next_save(terminal, folder):
    screen = terminal()
    screen.wait_for("Each save is checked")
    screen.press("h")
    assert "Hint 2 of 3" not in screen.wait_for("Hint 1 of 3, a question:\nHint 1")
    screen.press("h")
    assert "These are all hints." not in screen.wait_for("Hint 1 of 3", "Hint 2 of 3, the formula:\nHint 2")
    screen.press("h")
    screen.wait_for("Hint 3 of 3, the steps:", "These are all hints.")
    assert "hints 01_double 3" in (folder / STATE).read_text()
    small.solve(folder, "01_double", wrong="100 * ")
    assert "Hint" not in screen.wait_for("yours is 200")


def test_l_lists_all_and_another_can_be_chosen(terminal):
    screen = terminal()
    screen.wait_for("Each save is checked")
    screen.press("l")
    screen.wait_for(">  1  To double", "   3  To triple", "Choose with the arrow keys")
    for keys, title in (
        ("3\n", "3 of 3: To triple"),
        ("l\x1b[A\n", "2 of 3: To square"),
        ("lk\n", "1 of 3: To double"),
        ("ljj\r", "3 of 3: To triple"),
        ("l\x1bOA\x1b[B\x1b[A\n", "2 of 3: To square"),
        ("l12\x7f\x7f1\n", "1 of 3: To double"),
    ):
        screen.press(keys)
        screen.wait_for(f"Exercise {title}", "Each save is checked")


def test_the_list_says_what_has_passed_and_can_be_left(terminal, folder):
    small.solve(folder, "01_double")
    screen = terminal()
    screen.wait_for("Right in all")
    screen.press("l9")
    screen.wait_for("Number: 9")
    screen.press("\n")
    screen.wait_for("There is no exercise 9.", ">  1  To double  passed")
    screen.press("l")
    screen.wait_for("Exercise 1 of 3", "Right in all")


def test_c_checks_all_and_names_what_is_wrong(terminal, folder):
    small.solve(folder, "01_double")
    small.solve(folder, "03_triple", wrong="100 * ")
    screen = terminal()
    screen.wait_for("Right in all")
    screen.press("c")
    screen.wait_for("1 of 3 have passed.", "Not yet right: 03_triple")
    small.solve(folder, "03_triple")
    small.solve(folder, "02_square")
    screen.press("c")
    screen.wait_for("3 of 3 have passed.", "All exercises that this machine can run have passed.")


def test_x_asks_and_keeps_the_old_text(terminal, folder):
    path = folder / "01_double.py"
    stub = path.read_text()
    path.write_text("def double(x):\n    return 7\n")
    screen = terminal()
    screen.wait_for("yours is 7")
    screen.press("x")
    screen.wait_for("Write 01_double.py as it was at first?")
    screen.press("n")
    screen.wait_for("yours is 7", "q quit")
    assert path.read_text() == "def double(x):\n    return 7\n"
    screen.press("xy")
    screen.wait_for("your text is kept as 01_double.py.old", "Each save is checked")
    assert path.read_text() == stub
    assert (folder / "01_double.py.old").read_text() == "def double(x):\n    return 7\n"


def test_a_deleted_file_is_told_and_x_brings_it_back(terminal, folder):
    screen = terminal()
    screen.wait_for("Each save is checked")
    (folder / "01_double.py").unlink()
    screen.wait_for("01_double.py is not here")
    screen.press("x")
    screen.wait_for("01_double.py is as it was at first.", "Each save is checked")
    assert (folder / "01_double.py").is_file()


def test_a_check_without_end_is_given_up_for_a_key_or_another_save(terminal, folder):
    (folder / "01_double.py").write_text("def double(x):\n    while True:\n        pass\n")
    screen = terminal()
    screen.wait_for("Checking 01_double.py")
    screen.press("h")
    screen.wait_for("Hint 1 of 3", "Checking 01_double.py")
    small.solve(folder, "01_double")
    screen.wait_for("Right in all 3 cases.")
    (folder / "01_double.py").write_text("def double(x):\n    while True:\n        pass\n")
    screen.wait_for("Checking 01_double.py")
    screen.press("q")
    assert screen.end() == 0
    assert "does not end within" not in screen.text  # as it says when its time is over


def test_a_key_that_waits_for_the_result_is_not_lost(terminal, folder):
    screen = terminal()
    screen.wait_for("Each save is checked")
    screen.seen = len(screen.text)
    text = "import time\ntime.sleep(2)\ndef double(x):\n    return x + x\n"
    (folder / "01_double.py").write_text(text)
    screen.wait_for_passing("Checking 01_double.py")
    screen.press("n")
    screen.wait_for("Exercise 2 of 3")


def test_korean_words_and_the_keys_of_a_korean_keyboard(terminal, folder):
    screen = terminal("--language", "ko")
    screen.wait_for("연습 문제 1/3: double 만들기", "저장할 때마다 여기에서 바로 검사해요.", "q 끝내기")
    screen.press("ㅗ")
    screen.wait_for("힌트 1/3, 생각해 볼 질문:")
    screen.press("ㅂ")
    assert screen.end() == 0
    assert "language ko" in (folder / STATE).read_text()


def test_a_damaged_state_is_told_until_a_key_is_pressed(terminal, folder):
    (folder / STATE).write_text("nonsense\ncurrent 02_square\n")
    screen = terminal()
    screen.wait_for("Exercise 2 of 3", "not understood and left out: line 1.", "q quit")
    screen.press("h")
    assert "not understood" not in screen.wait_for("Hint 1 of 3")
    assert (folder / f"{STATE}.old").read_text() == "nonsense\ncurrent 02_square\n"


def test_an_exercise_that_cannot_run_here_can_be_passed_over(terminal, folder, tmp_path):
    check = tmp_path / "exercises/01_double/check.py"
    check.write_text(check.read_text().replace("NEEDS = ()", 'NEEDS = ("no_such_program",)'))
    screen = terminal()
    screen.wait_for("needs no_such_program, which this machine lacks", "n next")
    screen.press("n")
    screen.wait_for("Exercise 2 of 3")


def test_what_code_prints_cannot_move_the_cursor(terminal, folder):
    small.solve(folder, "01_double", wrong="print('\\x1b[2J\\x07wiped') or 100 * ")
    shown = terminal().wait_for("wiped")
    assert "\ufffd[2J\ufffdwiped" in shown
    assert _printable("a\tb\x1b") == "a   b\\x1b"


def test_what_was_on_the_screen_is_not_wiped_but_scrolled_away(terminal):
    screen = terminal()
    screen.wait_for("Each save is checked")
    assert screen.text.partition(CLEAR)[0].count("\n") == 24
    assert "\x1b[3J" not in screen.text
    assert "\x1b[2J" not in screen.text


def test_colour_only_where_it_is_wanted(terminal, folder):
    small.solve(folder, "01_double")
    colourful, plain = terminal(), terminal(NO_COLOR="1")
    colourful.wait_for("Right in all")
    assert COLOUR.search(colourful.text)
    plain.wait_for("Right in all")
    assert not COLOUR.search(plain.text)


def test_another_size_of_the_window_is_drawn_anew(terminal):
    screen = terminal()
    screen.wait_for("Each save is checked")
    screen.text = ""
    screen.resize(24, 40)
    end = time.monotonic() + PATIENCE
    while max(map(len, screen.wait_for("q quit").splitlines())) > 40:  # what was on its way when the size changed
        assert time.monotonic() < end, screen.screen
        screen.read()
    screen.press("l")
    assert "  2  To square" in screen.wait_for("Choose with")
    screen.resize(4, 40)
    while "  2  To square" in screen.wait_for("Choose with"):
        screen.read()
    assert ">  1  To double" in screen.screen


def test_a_message_that_is_too_long_for_the_window_says_so(terminal):
    screen = terminal()
    assert "further up" not in screen.wait_for("Each save is checked", "q quit")
    screen.resize(9, 80)
    screen.wait_for("It begins further up")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_the_terminal_is_restored_when_it_is_stopped(terminal, folder, number, status):
    small.solve(folder, "01_double")
    screen = terminal()
    screen.wait_for("Right in all")
    assert not screen.is_restored()
    os.kill(screen.process.pid, number)
    assert screen.end() == status
    assert screen.is_restored()


def test_a_pause_and_a_return_leave_the_keys_working(terminal):
    screen = terminal()
    screen.wait_for("Each save is checked")
    os.kill(screen.process.pid, signal.SIGSTOP)
    termios.tcsetattr(screen.inside, termios.TCSANOW, screen.mode)  # as a shell does
    screen.press("h")  # before the program has woken
    os.kill(screen.process.pid, signal.SIGCONT)
    screen.wait_for("Hint 1 of 3")


def test_progress_outlives_a_kill(terminal, folder):
    small.solve(folder, "01_double")
    screen = terminal()
    screen.wait_for("Right in all")
    screen.press("nh")
    screen.wait_for("Exercise 2 of 3", "Hint 1")
    screen.process.kill()
    screen.process.wait()
    terminal().wait_for("Exercise 2 of 3: To square", "1 of 3")
    assert "hints 02_square 1" in (folder / STATE).read_text()


def test_a_terminal_that_goes_away_ends_it(folder, tmp_path):
    screen = Terminal(tmp_path / "exercises", folder)
    screen.wait_for("Each save is checked")
    os.close(screen.inside)
    os.close(screen.outside)
    screen.process.wait(PATIENCE)  # which raises where it goes on


def test_a_runner_that_is_given_up_leaves_no_process(tmp_path):
    script = (
        "import subprocess, sys, time; child = subprocess.Popen(['sleep', '60']);"
        "open(sys.argv[1], 'w').write(f'{child.pid}.'); time.sleep(60)"
    )
    pid = tmp_path / "pid"

    def is_over():
        return pid.exists() and pid.read_text().endswith(".")

    with pytest.raises(AbandonedError):
        runner(is_over)([sys.executable, "-c", script, str(pid)], tmp_path, tmp_path, tmp_path, 30)
    status = Path(f"/proc/{pid.read_text()[:-1]}/stat")
    end = time.monotonic() + PATIENCE
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(("code", "ending"), [("pass", "done"), ("raise SystemExit(3)", "crash")])
def test_a_runner_tells_how_it_ended(tmp_path, code, ending):
    command = [sys.executable, "-c", code]
    assert runner(lambda: False)(command, tmp_path, tmp_path, tmp_path, 30) == ending


def test_a_runner_stops_what_takes_too_long(tmp_path):
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert runner(lambda: False)(command, tmp_path, tmp_path, tmp_path, 0.3) == "time"
