"""A tutorial under ``marimo run`` in a browser: its controls moved, its questions answered, its numbers read."""

from __future__ import annotations

import json
import math
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from tests.tutorials.move import Move
from tests.tutorials.source import ANNOUNCED

HOST = "127.0.0.1"
MINUTES = 10  # that all cells may take, where kernels must first be compiled
PATIENCE = 10  # seconds to wait for what does not come, though no cell runs
KINDS = {"marimo-slider": "slider", "marimo-dropdown": "combobox", "marimo-switch": "switch", "marimo-button": "button"}
OURS = {"include": [[".output-area"]], "exclude": [["marimo-ui-element"], ["marimo-tex"], ["marimo-table"]]}
WHOLE = re.compile(r"-?[\d,]+(\.0)?")


class Served(NamedTuple):
    """A server with notebooks on it."""

    address: str
    log: Path

    def page_of(self, name: str) -> str:
        return f"{self.address}/?file={name}.py"


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve all notebooks of a folder; nothing but warnings and errors comes into the log."""
    port, log = free_port(), folder / "log"
    options = ["--headless", "--no-token", "--host", HOST, "--port", str(port), "--session-ttl", "1"]
    notebooks = sorted(str(path) for path in folder.glob("*.py"))
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "marimo", "-q", "run", *notebooks, *options], stdout=file, stderr=file
        )
    try:
        wait_for(f"http://{HOST}:{port}/health", server)
        yield Served(f"http://{HOST}:{port}", log)
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def wait_for(address: str, server: subprocess.Popen[Any]) -> None:
    """Wait until something answers there, as long as the server lives."""
    for _ in range(600):
        assert server.poll() is None, f"the server ended with status {server.returncode}"
        try:
            with urlopen(address, timeout=10):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise TimeoutError(address)


class Tutorial:
    """One notebook, open in a browser."""

    def __init__(self, context: Any, server: Served, name: str):
        self.server, self.log_starts = server, server.log.stat().st_size
        self.said: list[str] = []
        self.asked: list[str] = []
        self.runs = 0  # that are over
        self.is_running = False
        self.tab = context.new_page()
        self.tab.on("console", self._listen)
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("websocket", lambda socket: socket.on("framereceived", self._follow))
        self.tab.goto(server.page_of(name))
        self.wait()

    def _listen(self, message: Any) -> None:
        if message.type == "error" or "[STDERR]" in message.text:
            self.said.append(message.text)

    def _follow(self, message: Any) -> None:
        """Keep track of whether cells run, from what marimo tells its page."""
        told = json.loads(message)
        if told["op"] == "completed-run":
            self.runs, self.is_running = self.runs + 1, False
        elif told["op"] == "cell-op" and told["data"].get("status") in ("queued", "running"):
            self.is_running = True

    def logged(self) -> str:
        """Warnings and errors since this was opened."""
        return self.server.log.read_bytes()[self.log_starts :].decode().replace(ANNOUNCED, "")

    def wait(self) -> None:
        """Until no cell runs and each page to step through stands."""
        end = time.monotonic() + MINUTES * 60
        while self.is_running or not self.runs:
            assert time.monotonic() < end, f"cells still run after {MINUTES} minutes"
            self.tab.wait_for_timeout(50)
        self.tab.evaluate("new Promise(done => requestIdleCallback(done))")  # until it is drawn
        for frame in self.tab.frames[1:]:
            frame.wait_for_selector("[data-ready=true]", state="attached")

    def labels(self) -> dict[str, Any]:
        """The controls, by what is written beside them."""
        found = {}
        for kind in KINDS:
            for element in self.tab.locator(kind).all():
                found[letters(json.loads(element.get_attribute("data-label")))] = element
        return found

    def move(self, label: str, to: Any) -> None:
        """Move a control by what one does: keys for a slider, a click elsewhere."""
        element = self.labels()[letters(label)]
        kind = element.evaluate("element => element.localName")
        handle = element.get_by_role(KINDS[kind])
        if kind == "marimo-slider":
            self._slide(handle, float(element.get_attribute("data-step") or 1), to)
        elif kind == "marimo-dropdown":
            handle.select_option(label=to)
        else:
            assert kind == "marimo-button" or (handle.get_attribute("aria-checked") == "true") != to, (label, to)
            handle.click()

    def _slide(self, thumb: Any, step: float, to: float) -> None:
        least, now, largest = (float(thumb.get_attribute(f"aria-value{end}")) for end in ("min", "now", "max"))
        assert least <= to <= largest, f"{to} is not between {least} and {largest}"
        start, key = min([(now, ""), (least, "Home"), (largest, "End")], key=lambda place: abs(place[0] - to))
        thumb.focus()
        if key:
            self.tab.keyboard.press(key)
        steps = round((to - start) / step)
        for _ in range(abs(steps)):
            self.tab.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")
        stands = float(thumb.get_attribute("aria-valuenow"))
        assert math.isclose(stands, to, abs_tol=1e-9 * step), f"the slider stands at {stands}, and not at {to}"

    def numbers(self) -> dict[str, str]:
        """All that are shown, by name."""
        shown = self.tab.locator("output[data-number]")
        pairs = shown.evaluate_all("all => all.map(element => [element.dataset.number, element.textContent])")
        assert len(dict(pairs)) == len(pairs), f"a name is shown twice: {[name for name, _ in pairs]}"
        return dict(pairs)

    def differing(self, expected: Mapping[str, float | str], seconds: float) -> dict[str, tuple[Any, Any]]:
        """Which numbers are not what they should be: what is shown, what is expected."""
        wrong: dict[str, tuple[Any, Any]] = {}

        def is_right() -> bool:
            shown = self.numbers()
            pairs = {name: (shown.get(name, ""), value) for name, value in expected.items()}
            wrong.clear()
            wrong.update({name: pair for name, pair in pairs.items() if not says(*pair)})
            return not wrong

        self.wait_until(is_right, seconds)
        return wrong

    def wait_until(self, is_so: Callable[[], bool], seconds: float = PATIENCE) -> bool:
        """Whether it comes to be so within this time, in which no cell runs."""
        since = time.monotonic()
        while not (found := is_so()) and time.monotonic() < since + seconds:
            self.tab.wait_for_timeout(50)
            if self.is_running:
                since = time.monotonic()
        return found

    def choose(self, asked: str, place: int) -> None:
        """Answer a question by its option, counted from 1."""
        for element in self.tab.locator("marimo-radio").all():
            if letters(asked) in letters(json.loads(element.get_attribute("data-label"))):
                element.get_by_role("radio").nth(place - 1).click()
                return
        raise AssertionError(f"nothing asks: {asked}")

    def outputs(self) -> list[str]:
        """What each cell shows, its letters alone."""
        return [letters(text) for text in self.tab.locator(".output-area").all_text_contents()]

    def awaited(self, words: str) -> int:
        """How many cells show these words."""
        return sum(letters(words) in text for text in self.outputs())

    def shows(self, parts: Sequence[str], seconds: float) -> bool:
        """Whether a cell comes to show all of these, one after the other."""
        wanted = re.compile(".*".join(map(letters, parts)))
        return self.wait_until(lambda: any(map(wanted.search, self.outputs())), seconds)

    def close(self) -> None:
        self.tab.close()

    def errors(self) -> list[str]:
        """What was logged or said in the console, and who was asked but the server."""
        self.wait()
        strangers = [url for url in self.asked if not url.startswith((self.server.address, "data:", "blob:", "about:"))]
        return [*self.logged().splitlines(), *self.said, *strangers]

    def inaccessible(self) -> list[Any]:
        """What axe finds in the cells' outputs, but for marimo's own controls and for what is in frames."""
        self.tab.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        found = self.tab.evaluate("part => axe.run(part, { iframes: false })", OURS)
        return [(fault["id"], node["html"][:300]) for fault in found["violations"] for node in fault["nodes"]]


def says(shown: str, expected: float | str) -> bool:
    """Whether this is how the number is written: all digits of a whole one, four of another."""
    if isinstance(expected, str):
        return shown == expected
    try:
        number = float(shown.replace(",", ""))
    except ValueError:
        return False
    if expected == 0:
        return abs(number) < 1e-12
    if WHOLE.fullmatch(shown) and len(shown) > 4:
        return math.isclose(number, expected, rel_tol=1e-9)
    half = 0.5 * 10.0 ** (math.floor(math.log10(abs(expected))) - 3)
    return abs(number - expected) <= half * (1 + 1e-6)


def letters(text: str) -> str:
    """Letters and digits alone: Markdown, HTML and a page say the same then."""
    return "".join(filter(str.isalnum, unescape(re.sub(r"</?[a-z][^>]*>", " ", text))))


def literal(text: str) -> str:
    """The longest piece of a text into which no value is filled."""
    return max(re.split(r"\{[^{}]*\}|\]\([^)]*\)", text), key=len)


def moved(tutorial: Tutorial, words: Mapping[str, Any], moves: Sequence[Move], patience: float = PATIENCE) -> list[Any]:
    """Move all controls in turn; which numbers then differ from what they should be."""
    wrong = []
    for control, to, shows in moves:
        assert shows, f"no number is expected of {control}"
        tutorial.move(words["controls"][control], to)
        if differing := tutorial.differing(shows, patience):
            wrong.append((control, to, differing))
    return wrong


def answered(
    tutorial: Tutorial, words: Mapping[str, Any], kit: Mapping[str, Any], patience: float = PATIENCE
) -> list[Any]:
    """Answer each question wrongly and then rightly; what is not said then."""
    wrong = []
    for key, question in words["questions"].items():
        right, why = question["right"], literal(question["why"])
        for place in (right % len(question["options"]) + 1, right):
            tutorial.choose(question["ask"], place)
            solution = literal(kit["solution"].format(option=question["options"][right - 1]))
            said = [kit["right"]] if place == right else [kit["wrong"], solution]
            if not tutorial.shows([*said, why], patience):
                wrong.append((key, place, said))
    return wrong
