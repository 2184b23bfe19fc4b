"""``tinycnn tutorials``."""

from __future__ import annotations

import json as json_format
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import NoReturn

from tinycnn.choices import look_up
from tinycnn.cli.learn.place import program
from tinycnn.cli.options import Place, Whole
from tinycnn.cli.status import DONE
from tinycnn.optional import require
from tinycnn.storage import replace, unused_name
from tinycnn.wording import table

RUN_AT_ONCE = "_MARIMO_CONFIG_OVERLOAD_RUNTIME_AUTO_INSTANTIATE"
"""Without it marimo's editor opens a notebook with no cell run: code alone, neither words nor pictures."""


def tutorials(
    name: str | None = None,
    *,
    folder: Place = Path("tinycnn-tutorials"),
    run: bool = False,
    fresh: bool = False,
    port: Whole | None = None,
    headless: bool = False,
    json: bool = False,
) -> int:
    """List the tutorials, or open one in the browser, as a copy of your own. Ctrl-C ends it.

    Parameters
    ----------
    name
        Or number of the tutorial; all are listed where not given.
    folder
        For the copies. One that is there already is opened as you left it.
    run
        To read and to move the controls, without changing the code.
    fresh
        Start from the original again; your copy is kept beside it, as .old.
    port
        Of the server on this machine; a free one where not given.
    headless
        Print the address and open no browser.
    json
        Print the list as one JSON object on the last line.
    """
    if name is None:
        return _list(json)
    if json:
        raise ValueError("--json is for the list: leave it out, or the tutorial's name")
    require("marimo", "tutorials")
    original = _original(name)
    if port is not None:
        _require_free(port)
    return _open(_copy(original, folder, fresh), run, port or _free_port(), headless)


def _open(notebook: Path, run: bool, port: int, headless: bool) -> NoReturn:
    """Become marimo, which answers Ctrl-C itself."""
    command = [sys.executable, "-m", "marimo", "--yes"]
    command += ["run", "--include-code"] if run else ["edit", "--skip-update-check"]
    command += [str(notebook), *(["--headless"] if headless else []), "--port", str(port)]
    print("where kernels must be compiled, the first cells take half a minute, once; Ctrl-C here ends it")
    sys.stdout.flush()
    os.execve(command[0], command, os.environ | {RUN_AT_ONCE: "true"})


def _list(json: bool) -> int:
    from tinycnn.tutorials.lesson import NAMES, Lesson

    lessons = [Lesson(name) for name in NAMES]
    rows = [(str(lesson.number), lesson.title, f"{lesson.minutes} min") for lesson in lessons]
    print(table(rows, right={0, 2}))
    print(f"\nOpen one by its number: {program()} tutorials {lessons[0].number}")
    if json:
        found = [
            {"name": lesson.name, "number": lesson.number, "title": lesson.title, "minutes": lesson.minutes}
            for lesson in lessons
        ]
        print(json_format.dumps({"tutorials": found}))
    return DONE


def _original(word: str) -> Path:
    """The notebook of a number such as 5, or a name such as 05_im2col, 05_im2col.py or im2col."""
    from tinycnn.tutorials.lesson import NAMES, WORDS

    by_number = {int(name[:2]): name for name in NAMES}
    if word.isdecimal():
        if int(word) not in by_number:
            raise ValueError(
                f"there is no tutorial {word}: they are numbered from {min(by_number)} to {max(by_number)}"
            )
        name = by_number[int(word)]
    else:
        by_name = {name: name for name in NAMES} | {name.partition("_")[2]: name for name in NAMES}
        name = look_up("tutorial", Path(word).stem, by_name)
    return WORDS.with_name(f"{name}.py")


def _copy(original: Path, folder: Path, fresh: bool) -> Path:
    """The learner's copy, made where there is none; one that was changed is opened, or kept beside a fresh one."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: name a folder for the copies by --folder")
    copy, content = folder / original.name, original.read_bytes()
    if copy.exists():
        if copy.read_bytes() == content:
            return copy
        if not fresh:
            print(f"{copy} is opened as you left it; --fresh starts from the original and keeps yours beside it")
            return copy
        kept = unused_name(copy)
        shutil.copyfile(copy, kept)
        print(f"your copy is kept as {kept}")
    folder.mkdir(parents=True, exist_ok=True)
    replace(copy, lambda temporary: temporary.write_bytes(content))
    print(f"{copy} is a copy for you to change")
    return copy


def _free_port() -> int:
    """One of the system's choice: marimo's own search lets two that start at the same moment take the same."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _require_free(port: int) -> None:
    if not 1 <= port <= 65535:
        raise ValueError(f"--port is from 1 to 65535, got {port}")
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", port))
        except OSError as error:
            raise ValueError(
                f"port {port} cannot be used ({error.strerror}): name another one, or leave --port out"
            ) from None
