"""A run's folder: whether it is free, who holds it, and one sentence for what the operating system says of it."""

from __future__ import annotations

import fcntl
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote

from tinycnn.storage import PARTIAL
from tinycnn.training.checkpoint import load_checkpoint

LAST, BEST, METRICS, CONFIG, LOCK = "last.safetensors", "best.safetensors", "metrics.jsonl", "config.json", ".lock"
UNFINISHED = f".{LAST}.*{PARTIAL}"  # all that a start leaves that was killed
ANOTHER = "name another place with --out"


def require_vacant(folder: Path) -> None:
    """Refuse a folder that a new run cannot have: one with anything in it but what a killed start left.

    Raises
    ------
    FileExistsError
        Saying what is there.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: name a folder with --out")
    if (folder / LAST).is_file():
        raise FileExistsError(
            f"{folder} holds {_described(folder / LAST)}: go on with --resume {quote(str(folder))}, or {ANOTHER}"
        )
    if any(entry.name != LOCK and not entry.match(UNFINISHED) for entry in folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty and holds no run: {ANOTHER}")


def _described(last: Path) -> str:
    try:
        checkpoint = load_checkpoint(last)
    except ValueError as error:
        return f"a run that cannot be read ({error})"
    recipe, state = checkpoint.recipe, checkpoint.state
    done = state["position"]["epoch"] if state else 0
    return f"a run of {recipe.model} on {recipe.data}, {done} of {recipe.epochs} epochs done"


class Lock:
    """Holds a folder for this process until it is released or forgotten; the system lets go of it when a process dies.

    A process that holds a folder gets it again: in a notebook, a run is resumed while the name of the old one still
    stands for it.
    """

    def __init__(self, descriptor: int):
        self.release = weakref.finalize(self, os.close, descriptor)


_locks: weakref.WeakValueDictionary[tuple[int, int], Lock] = weakref.WeakValueDictionary()
"""By device and inode of the locked file."""


def hold(folder: Path) -> Lock:
    """Hold a folder.

    Raises
    ------
    BlockingIOError
        When another process holds it.
    OSError
        When it cannot be written to.
    """
    while True:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        status = os.fstat(descriptor)
        held = _locks.get((status.st_dev, status.st_ino))
        if held and held.release.alive:
            os.close(descriptor)
            return held
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise BlockingIOError(f"another process is training in {folder}: wait for it, or stop it") from None
        if _is_still_there(folder / LOCK, status):
            lock = _locks[status.st_dev, status.st_ino] = Lock(descriptor)
            return lock
        os.close(descriptor)  # a start that failed removed the file after it was opened here: another one counts now


def _is_still_there(path: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), status)
    except FileNotFoundError:
        return False


def clear(folder: Path) -> None:
    """Remove what a start has made."""
    for name in (LAST, CONFIG, METRICS, LOCK):
        (folder / name).unlink(missing_ok=True)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder, unless something is in it."""
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def one_sentence(what: str, advice: str) -> Iterator[None]:
    """Make one sentence of an error of the operating system; those that are raised here are one already."""
    try:
        yield
    except OSError as error:
        if error.errno is None and isinstance(error, (FileExistsError, BlockingIOError)):
            raise
        raise OSError(f"{what} ({error.strerror or error}): {advice}") from None
