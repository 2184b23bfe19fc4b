"""Runs code that is not trusted: no other files, no network, no other processes, bounded time, memory and disk.

Three walls, each of which would do by itself for most attacks: Landlock and a seccomp filter (``sandbox_landlock.py``),
a root file system of its own in new namespaces (``sandbox_mounts.py``), and, for a caller who is root, a user of its
own. Where the second cannot be had, as for a normal user on some systems, the first holds alone.
``sandbox_launcher.py`` puts them up, in a process of its own, and takes all down at the end.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

LAUNCHER = Path(__file__).with_name("sandbox_launcher.py")
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}
KEPT = 64 * 1024
"""Bytes that are kept of what is printed."""
SPARE = 20.0
"""Seconds after its time is over in which the launcher must have cleaned up."""

TRIAL = """
import os, socket, sys
secret, folder, output, caller = sys.argv[1:]
attempts = {
    "read other files": lambda: open(secret),
    "change its own folder": lambda: open(folder + "/made", "w"),
    "write elsewhere": lambda: open(os.path.dirname(secret) + "/made", "w"),
    "open sockets": lambda: socket.socket(),
    "see other processes": lambda: open("/proc/" + caller + "/environ"),
    "send signals": lambda: os.kill(int(caller), 0),
}
for name, attempt in attempts.items():
    try:
        attempt()
    except OSError:
        continue
    sys.exit("the trial could " + name)
open(output + "/made", "w").close()
"""
"""What must be refused, tried before anything hostile is run: the kernel's word is not enough."""


class SandboxError(RuntimeError):
    """The command could not be run as it must be; nothing is said of the command."""


@dataclass(frozen=True)
class Limits:
    """What a command may take.

    Attributes
    ----------
    seconds
        By the clock.
    processor_seconds
        Of one process.
    memory
        Bytes of addresses of one process, and bytes in memory of all together.
    file_size
        Bytes of one file.
    written
        Bytes of all files.
    processes
        That run at the same time; threads count.
    open_files
        Of one process.
    """

    seconds: float = 15.0
    processor_seconds: int = 15
    memory: int = 4 * 1024**3
    file_size: int = 32 * 1024**2
    written: int = 64 * 1024**2
    processes: int = 16
    open_files: int = 128


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes
    ----------
    ending
        "done" (exit status 0), "crash" (another status, or a signal), "time", "memory" (of all its processes together),
        or "files" (too much was written; what was handed back is then incomplete).
    status
        The exit status, minus the number of the signal that ended it, or None where it was stopped from outside.
    printed, errors
        Standard output and standard error, the first 64 KiB of each.
    seconds
        That it ran.
    """

    ending: str
    status: int | None
    printed: str
    errors: str
    seconds: float


def available() -> str | None:
    """None where hostile code can be contained, else the sentence that says why not.

    It is tried once: a harmless command attempts what must be refused.
    """
    return _mode(_user())[1]


def run(
    command: Sequence[str],
    *,
    folder: Path,
    output: Path,
    limits: Limits | None = None,
    readable: Sequence[Path] = (),
    hidden: Sequence[Path] = (),
) -> Outcome:
    """Run a command so that it can do no harm.

    Parameters
    ----------
    command
        The program, by its whole path, and its arguments.
    folder
        May be read.
    output
        An empty folder, the only one that may be written; plain files and folders are found in it afterwards.
    limits
        What the command may take.
    readable
        More files and folders that may be read.
    hidden
        Folders of Python's packages, and of this one, that may not be read.

    Raises
    ------
    SandboxError
        Where the command cannot be contained, or could not be started.
    """
    namespaces, reason = _mode(_user())
    if reason is not None:
        raise SandboxError(reason)
    return _run(command, folder, output, limits or Limits(), readable, namespaces, hidden)


def _user() -> int:
    return os.geteuid() if sys.platform == "linux" else -1


@cache
def _mode(user: int) -> tuple[bool, str | None]:
    """Whether namespaces are used, and why nothing can be run. What is possible depends on the user."""
    if sys.platform != "linux":
        return False, "Submissions can be contained on Linux alone: it has Landlock, which bounds what they may read."
    reasons = []
    for namespaces in (True, False):
        reason = _trial(namespaces)
        if reason is None:
            return namespaces, None
        if reason not in reasons:
            reasons.append(reason)
    return False, f"Submissions cannot be contained here: {'; without namespaces: '.join(reasons)}."


def _trial(namespaces: bool) -> str | None:
    """Why a sandbox of this kind does not hold."""
    with tempfile.TemporaryDirectory(prefix="tinycnn-trial-") as place:
        os.chmod(place, 0o755)
        secret, folder, output = (Path(place, name) for name in ("secret", "folder", "output"))
        secret.touch()
        folder.mkdir()
        output.mkdir()
        words = [sys.executable, "-I", "-S", "-c", TRIAL, *map(str, (secret, folder, output, os.getpid()))]
        try:
            outcome = _run(words, folder, output, Limits(), (), namespaces)
        except SandboxError as error:
            return str(error)
        return None if outcome.ending == "done" else outcome.errors.strip() or f"the trial ended with {outcome.status}"


def _run(
    command: Sequence[str],
    folder: Path,
    output: Path,
    limits: Limits,
    readable: Sequence[Path],
    namespaces: bool,
    hidden: Sequence[Path] = (),
) -> Outcome:
    output = output.resolve()
    if any(output.iterdir()):
        raise ValueError(f"{output} is not empty: what is found there afterwards must be from this run")
    job = {
        "command": list(command),
        "environment": {**ENVIRONMENT, "HOME": str(output), "TMPDIR": str(output)},
        "output": str(output),
        "system": _paths([*map(Path, SYSTEM), *_python(), *_package("tinycnn"), *_package("tinycnn.kernels")])
        + [f"{clone}/setup.cfg" for clone in _clone()],
        "listed": _clone(),
        "given": _paths([folder, *readable]),
        "hidden": _paths([*_package("tinycnn.tutorials"), *hidden]),  # the exercises hold their solutions
        "namespaces": namespaces,
        "seconds": limits.seconds,
        "memory": limits.memory,
        "processor": math.ceil(limits.processor_seconds),
        "file_size": limits.file_size,
        "written": limits.written,
        "processes": limits.processes,
        "open_files": limits.open_files,
    }
    printed, errors, report = _launch(job, limits.seconds + SPARE)
    told = json.loads(report.partition(b"\n")[0] or b'{"error": "its launcher ended without a word"}')
    if "error" in told:
        raise SandboxError(told["error"])
    return Outcome(told["ending"], told["status"], _text(printed), _text(errors), told["seconds"])


def _launch(job: Mapping[str, Any], seconds: float) -> list[bytes]:
    """Give the launcher its job, and return what comes from its output, its errors and its report."""
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as report:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LAUNCHER), str(writing)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                pass_fds=(writing,),
                start_new_session=True,
                cwd="/",
            )
        finally:
            os.close(writing)
        with process, _stopped_at_the_end(process):
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(job).encode() + b"\n")
            return _gather([process.stdout, process.stderr, report], time.monotonic() + seconds)


@contextlib.contextmanager
def _stopped_at_the_end(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens here: the end of its input tells the launcher to kill all, and if it does not, it is killed."""
    try:
        yield
    finally:
        try:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(SPARE / 2)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _gather(pipes: Sequence[IO[bytes]], deadline: float) -> list[bytes]:
    """Read all pipes to their end, of which the first bytes are kept."""
    kept = [bytearray() for _ in pipes]
    with selectors.DefaultSelector() as selector:
        for pipe, start in zip(pipes, kept, strict=True):
            selector.register(pipe, selectors.EVENT_READ, start)
        while selector.get_map():
            if time.monotonic() > deadline:
                raise SandboxError("its launcher did not end in time, and was killed")
            for key, _ in selector.select(1.0):
                block = os.read(key.fd, KEPT)
                key.data.extend(block[: KEPT - len(key.data)])
                if not block:
                    selector.unregister(key.fileobj)
    return [bytes(start) for start in kept]


def _python() -> list[Path]:
    """Where Python and its packages are."""
    folders = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
    return [Path(folder) for folder in (*folders, sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))]


def _package(name: str) -> list[Path]:
    """The folder of a package, which in an editable install lies outside of Python's.

    Not its whole search path: that may have folders in it that hold much else.
    """
    found = importlib.util.find_spec(name)
    return [Path(found.origin).parent] if found and found.origin else []


def _clone() -> list[str]:
    """Where the library runs from a clone: it then looks beside its own folder, and for ``setup.cfg`` there."""
    beside = [folder.parent for folder in _package("tinycnn")]
    return [str(folder) for folder in beside if (folder / "setup.cfg").is_file()]


def _paths(paths: Sequence[Path]) -> list[str]:
    """Each as it is called and as it is found behind links: both are looked for."""
    called = [path.absolute() for path in paths if ".." not in path.absolute().parts]
    return list(dict.fromkeys(map(str, [*called, *(path.resolve() for path in paths)])))


def _text(printed: bytes) -> str:
    return printed.decode("utf-8", errors="replace")
