"""``tinycnn tutorials``: the list, the learner's copies, and marimo on them, really started."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from tests.browsers import browser
from tests.oracles import oracle
from tinycnn.cli import tutorials as module
from tinycnn.tutorials.lesson import NAMES, WORDS, Lesson

oracle("marimo")
__all__ = ["browser"]  # the fixture

NAME = "05_im2col"
ORIGINAL = WORDS.with_name(f"{NAME}.py").read_text(encoding="utf-8")
COPY = Path("tinycnn-tutorials") / f"{NAME}.py"


@pytest.fixture
def started(monkeypatch):
    """The command that would have been started: the tests stay."""
    commands = []

    def start(program, command, environment):
        assert program == command[0] == sys.executable
        assert environment[module.RUN_AT_ONCE] == "true"
        commands.append(command[1:])
        raise SystemExit(0)

    monkeypatch.setattr(module.os, "execve", start)
    return commands


def opened(command, *words):
    """What is printed before marimo takes over."""
    with pytest.raises(SystemExit):
        command("tutorials", *words)


def test_the_list(command):
    outcome = command("tutorials", "--json")
    assert outcome.status == 0
    rows = outcome.json["tutorials"]
    assert [row["name"] for row in rows] == list(NAMES)
    assert rows[NAMES.index(NAME)] == {"name": NAME, "number": 5, "title": Lesson(NAME).title, "minutes": 30}
    lines = outcome.out.splitlines()
    for row, line in zip(rows, lines, strict=False):
        assert re.fullmatch(rf" ?{row['number']}  {re.escape(row['title'])} +{row['minutes']} min", line)
    assert "tutorials 1" in command("tutorials").out.splitlines()[-1]
    assert not Path("tinycnn-tutorials").exists()


@pytest.mark.parametrize("word", ["5", "05", NAME, f"{NAME}.py", "im2col"])
def test_it_is_found_by_number_and_by_name(word, command, started):
    opened(command, word)
    assert COPY.read_text(encoding="utf-8") == ORIGINAL
    (words,) = started
    assert words[:-1] == ["-m", "marimo", "--yes", "edit", "--skip-update-check", str(COPY), "--port"]
    assert 1024 <= int(words[-1]) <= 65535


def test_marimo_is_told_what_was_asked_for(command, started):
    opened(command, "5", "--run", "--folder", "mine", "--port", 40005, "--headless")
    (words,) = started
    assert words[3:] == ["run", "--include-code", f"mine/{NAME}.py", "--headless", "--port", "40005"]
    assert [path.name for path in Path("mine").iterdir()] == [f"{NAME}.py"]


def test_a_copy_that_was_changed_is_opened_as_it_is(command, started, capsys):
    opened(command, "5")
    assert capsys.readouterr().out.startswith(f"{COPY} is a copy for you to change\n")
    opened(command, "5")
    assert "copy" not in capsys.readouterr().out
    COPY.write_text("mine")
    opened(command, "5")
    assert "is opened as you left it; --fresh starts from the original" in capsys.readouterr().out
    assert COPY.read_text() == "mine"
    assert len(started) == 3
    assert len(list(COPY.parent.iterdir())) == 1


def test_a_fresh_copy_leaves_the_old_ones_beside(command, started, capsys):
    COPY.parent.mkdir()
    for text in ("first", "second"):
        COPY.write_text(text)
        opened(command, "5", "--fresh")
        assert COPY.read_text(encoding="utf-8") == ORIGINAL
    assert f"your copy is kept as {COPY}.old2\n" in capsys.readouterr().out
    kept = {path.name: path.read_text() for path in COPY.parent.iterdir() if path != COPY}
    assert kept == {f"{NAME}.py.old": "first", f"{NAME}.py.old2": "second"}
    opened(command, "5", "--fresh")  # what is fresh already is not kept
    assert len(list(COPY.parent.iterdir())) == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["im2kol"], "unknown tutorial 'im2kol': did you mean im2col?"),
        (["05_imcol"], "unknown tutorial '05_imcol': did you mean 05_im2col?"),
        (["99"], f"there is no tutorial 99: they are numbered from 1 to {len(NAMES)}"),
        (["0"], "there is no tutorial 0"),
        (["5", "--json"], "--json is for the list"),
        (["5", "--port", "0"], "--port is from 1 to 65535, got 0"),
        (["5", "--port", "70000"], "--port is from 1 to 65535, got 70000"),
        (["5", "--port", "web"], "expected a whole number such as 12, got 'web'"),
        (["5", "--folder", ""], "expected a path, got an empty word"),
        (["5", "--folder", "/dev/null"], "/dev/null is a file: name a folder for the copies by --folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(words, sentence, refused, started):
    assert sentence in refused("tutorials", *words)
    assert started == []
    assert list(Path.cwd().iterdir()) == []


def test_a_port_in_use_is_told(refused, started):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} cannot be used (Address already in use)" in refused("tutorials", "5", "--port", port)
    assert not COPY.exists()


def test_without_marimo_the_line_that_installs_it_is_told(refused, started, monkeypatch):
    monkeypatch.setitem(sys.modules, "marimo", None)
    assert refused("tutorials", "5") == "tinycnn: tutorials need marimo: pip install 'tinycnn[tutorials]'\n"
    assert not COPY.exists()


def address_of(process):
    """What marimo prints, after what the command says."""
    said = []
    for line in process.stdout:
        said.append(line)
        if address := re.search(r"http://\S+", line):
            return address.group(), said
    raise AssertionError(f"no address in {said}, {process.stderr.read()}")


def fetched(address):
    """The page, as soon as there is one; its key is kept as a browser keeps it."""
    client = build_opener(HTTPCookieProcessor())
    for _ in range(600):
        try:
            with client.open(address, timeout=10) as answer:
                return answer.read().decode()
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise TimeoutError(address)


@contextmanager
def served(folder, *options):
    """The command, really started in a folder: the process, and a port for it."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "tinycnn", "tutorials", "5", "--headless", "--port", str(port), *options],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_CONFIG_HOME": str(folder / "config")},  # marimo's settings are those of a new user
    ) as process:
        try:
            yield process, port
        finally:
            process.kill()


@pytest.mark.parametrize("options", [["--run"], []], ids=["run", "edit"])
def test_it_is_served_until_interrupted(options, tmp_path):
    with served(tmp_path, *options) as (process, port):
        address, said = address_of(process)
        page = fetched(address)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert said[0] == f"{COPY} is a copy for you to change\n"
    assert f":{port}" in address
    assert "<marimo-" in page
    assert process.returncode == 0
    assert error == ""
    assert (tmp_path / COPY).read_text(encoding="utf-8") == ORIGINAL


def test_the_editor_shows_words_and_step_page_at_once_and_after_a_reload(browser, tmp_path):
    with served(tmp_path) as (process, _):
        address, _ = address_of(process)
        with closing(browser.new_page()) as page:
            page.goto(address)
            for _ in range(2):
                page.get_by_role("heading", name=f"5. {Lesson(NAME).title}", exact=True).wait_for(timeout=120_000)
                page.locator("iframe[srcdoc]").wait_for(timeout=120_000)
                page.reload()
