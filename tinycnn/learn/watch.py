"""The screen that checks an exercise each time its file is saved, and listens to single keys."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial

from tinycnn.learn import screens
from tinycnn.learn.desk import LACKING, MISSING, PASSED, UNTOUCHED, Desk
from tinycnn.learn.exercise import Exercise, exercise, exercises
from tinycnn.learn.feedback import Verdict
from tinycnn.learn.process import Runner, watched
from tinycnn.learn.screens import GOOD, QUIET, WARNING
from tinycnn.learn.step import step_page
from tinycnn.learn.terminal import END, Keys, Page

POLL = 0.3
"""Seconds between two looks at the file."""
SETTLE = 0.05
"""Seconds for which a file must stay the same before it is checked: editors save in several steps."""
SLOW = 0.7
"""Seconds after which a check is told to be going on."""
CLEAR = "\x1b[H\x1b[J"
"""From the top of the screen; what was scrolled away stays."""


class AbandonedError(Exception):
    """A check was stopped, as the file was saved again or a key was pressed."""


def runner(is_over: Callable[[], bool]) -> Runner:
    """As `tinycnn.learn.process.bounded`, but given up as soon as the learner wants something else.

    Raises
    ------
    AbandonedError
        When it was.
    """

    def look() -> None:
        if is_over():
            raise AbandonedError

    return lambda command, job, out, file, seconds: watched(command, seconds, look)


class Watch:
    """The learner's screen.

    Parameters
    ----------
    desk
        The learner's folder.
    keys
        Of the terminal.
    program
        How the learner calls the program.
    """

    def __init__(self, desk: Desk, keys: Keys, program: str):
        self.desk, self.keys, self.program = desk, keys, program
        self.verdict: Verdict | None = None
        self.checked = ("", "")
        """Name of the exercise that the verdict is of, or will be, and checksum of its file."""
        self.shown_hints: tuple[str, ...] = ()
        self.said: list[str] = []
        """Sentences beside the verdict."""
        self.is_done = False
        self.commands = {
            "n": self.next,
            "h": self.hint,
            "s": self.step,
            "l": self.choose,
            "c": self.check_all,
            "x": self.reset,
            "q": self.quit,
            END: self.quit,
        }

    @property
    def one(self) -> Exercise:
        """The exercise that is being worked on."""
        return exercise(self.desk.current)

    def run(self) -> None:
        """Check and listen until the learner leaves."""
        sys.stdout.write("\n" * shutil.get_terminal_size().lines)  # what was on the screen can be scrolled back to
        self.draw()
        while not self.is_done:
            self.look()
            key = self.keys.wait(POLL)
            if key in self.commands:
                self.said, self.desk.notes = [], []
                self.commands[key]()
                if not self.is_done:
                    self.draw()
            elif self.keys.must_redraw:
                self.draw()

    def look(self) -> None:
        """Check the file, if it is another than the one that was checked."""
        one, now = self.one, self.desk.checksum(self.one)
        if self.checked != (one.name, now):
            if self.checked[0] == one.name:
                time.sleep(SETTLE)
                if self.desk.checksum(one) != now:
                    return
            self.checked, self.verdict, self.shown_hints, self.said = (one.name, now), None, (), []
        if self.verdict is None:
            with contextlib.suppress(AbandonedError):
                self.verdict = self.desk.check(one, self.runner(one, now))
                self.draw()

    def runner(self, one: Exercise, checksum: str) -> Runner:
        """A runner that gives up when the file is another, or a key is pressed that does not wait for the result."""
        start, is_told = time.monotonic(), False

        def is_over() -> bool:
            nonlocal is_told
            if not is_told and time.monotonic() - start > SLOW:
                is_told = True
                self.draw(self.desk.words.say("learn.checking", file=self.desk.path(one).name))
            return self.keys.is_pressed("h", "l", "x", "q") or self.desk.checksum(one) != checksum

        return runner(is_over)

    def next(self) -> None:
        """Go on to the next exercise."""
        following = self.desk.following()
        if self.desk.state(self.one) not in (PASSED, LACKING):
            self.said = [self.desk.words["watch.not_passed"]]
        elif following is None:
            self.said = [self.desk.words["watch.already_last"]]
        else:
            self.go_to(following)

    def go_to(self, one: Exercise) -> None:
        """Show another exercise."""
        if one.name != self.desk.current:
            self.verdict = None
        self.desk.go_to(one)

    def hint(self) -> None:
        """Show one hint more."""
        self.shown_hints = self.desk.next_hint(self.one)

    def step(self) -> None:
        """Write the page that steps through the learner's function."""
        one, now = self.one, self.desk.checksum(self.one)
        try:
            found, path = step_page(self.desk, one, runner=self.runner(one, now))
        except AbandonedError:
            self.keys.wait(0)
            self.said = [self.desk.words["watch.stopped"]]
            return
        except OSError as error:
            self.said = [self.desk.words.say("step.unwritten", file=error.filename, reason=error.strerror)]
            return
        self.said = [found.message]
        if path is not None:
            self.said.append(self.desk.words.say("step.page", file=screens.shown(path)))

    def reset(self) -> None:
        """Write the file as it was at first, after a question where there is something in it."""
        desk, one = self.desk, self.one
        file = desk.path(one).name
        if desk.state(one) not in (MISSING, UNTOUCHED):
            question = desk.words.say("watch.reset", file=file)
            if self.answer(partial(self.draw, question)) != "y":
                return
        try:
            kept = desk.reset(one)
        except OSError as error:
            self.said = [desk.words.say("learn.unreset", file=file, reason=error.strerror)]
            return
        self.look()
        self.said = [desk.words.say("learn.kept" if kept else "learn.reset", file=file, kept=kept and kept.name)]

    def answer(self, draw: Callable[[], None]) -> str:
        """The key that the learner presses next, on a screen that is drawn again where need be."""
        draw()
        while not (key := self.keys.wait(POLL)):
            if self.keys.must_redraw:
                draw()
        return key

    def check_all(self) -> None:
        """Check every exercise, and say which are not right yet."""
        desk, failing = self.desk, []
        everything = list(exercises().values())
        run = runner(self.keys.is_pressed)
        for done, one in enumerate(everything):
            values = {"done": done, "total": len(everything), "file": desk.path(one).name}
            self.draw(desk.words.say("watch.checking_all", **values))
            try:
                is_right = desk.state(one) != UNTOUCHED and desk.check(one, run).passed
            except AbandonedError:
                self.keys.wait(0)
                self.said = [desk.words["watch.stopped"]]
                return
            if not is_right and desk.state(one) != UNTOUCHED:
                failing.append(one.name)
        self.said = [desk.words.say("watch.checked_all", passed=desk.count(), total=len(everything))]
        if failing:
            self.said.append(desk.words.say("watch.failing", names=", ".join(failing)))

    def choose(self) -> None:
        """List all exercises, and let the learner choose."""
        everything = list(exercises().values())
        numbers = {one.number: one for one in everything}
        chosen, typed, said = self.one, "", ""
        while True:
            status = said or (self.desk.words.say("watch.list_number", typed=typed) if typed else "")
            key, said = self.answer(partial(self.draw_list, chosen, status)), ""
            place = everything.index(chosen)
            if key in ("up", "k"):
                chosen, typed = everything[max(0, place - 1)], ""
            elif key in ("down", "j"):
                chosen, typed = everything[min(len(everything) - 1, place + 1)], ""
            elif key in set("0123456789"):
                typed = (typed + key)[-2:]
                chosen = numbers.get(int(typed), chosen)
            elif key == "backspace":
                typed = typed[:-1]
            elif key == "enter":
                if not typed or int(typed) in numbers:
                    self.go_to(chosen)
                    return
                said, typed = self.desk.words.say("watch.no_number", typed=typed), ""
            elif key in ("l", "q", "escape", END):
                self.is_done = key == END
                return

    def quit(self) -> None:
        """Leave."""
        page = Page()
        page.say()
        folder = screens.shown(self.desk.folder.resolve())
        page.say(
            self.desk.words.say("watch.bye", program=self.program, folder="" if folder == "." else folder).rstrip()
        )
        page.show()
        self.is_done = True

    def draw(self, status: str = "") -> None:
        """The whole screen, with a sentence on what is going on."""
        desk, one, page = self.desk, self.one, Page()
        verdict = self.verdict
        screens.heading(page, desk, one)
        if verdict is None:
            status = status or desk.words.say("learn.checking", file=desk.path(one).name)
        else:
            screens.told(page, desk, one, verdict)
        if self.shown_hints:
            screens.hints(page, desk, one, self.shown_hints)
        if verdict is not None and verdict.passed:
            self.say_passed(page)
        for sentence in (*desk.notes, *self.said):
            page.say()
            page.say(sentence, WARNING)
        page.say()
        if page.text().count("\n") + 3 > shutil.get_terminal_size().lines:
            page.say(desk.words["watch.scroll"], QUIET)
        screens.progress(page, desk)
        may_go_on = verdict is not None and (verdict.passed or verdict.fault == LACKING)
        page.say(status or desk.words["watch.keys_passed" if may_go_on else "watch.keys"], WARNING if status else QUIET)
        self.write(page)

    def say_passed(self, page: Page) -> None:
        """What comes after an exercise that has passed."""
        desk, following = self.desk, self.desk.following()
        page.say()
        if following is None:
            page.say(desk.words["learn.done"], GOOD)
        else:
            page.say(desk.words.say("watch.press_next", name=following.texts(desk.language)["title"]), "bold")
        page.say(desk.words.say("watch.compare", program=self.program, number=self.one.number), QUIET)

    def draw_list(self, chosen: Exercise, status: str) -> None:
        """The list with the chosen one marked."""
        page = Page()
        screens.listing(page, self.desk, chosen.name, max(1, shutil.get_terminal_size().lines - 3))
        screens.progress(page, self.desk)
        page.say(status or self.desk.words["watch.list"], WARNING if status else QUIET)
        self.write(page)

    def write(self, page: Page) -> None:
        """Put a page on the screen in one go."""
        self.keys.must_redraw = False
        sys.stdout.write(CLEAR + page.text())
        sys.stdout.flush()


def watch(desk: Desk, program: str) -> None:
    """Watch until the learner leaves; the terminal is as it was then."""
    with Keys() as keys:
        Watch(desk, keys, program).run()
