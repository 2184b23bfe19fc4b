"""Starts a command that is not trusted, watches it, and leaves nothing of it behind: ``python launcher.py REPORT``.

Three processes: the launcher enters new namespaces and waits; the supervisor, number 1 in the new process namespace,
counts time and memory; the worker gives up its rights and becomes the command. When the supervisor ends, the kernel
kills all that is left in the namespace. Where namespaces cannot be had the launcher is the supervisor, all orphans
become its children, and it kills the tree.

The job comes as a line of JSON on standard input. That pipe stays open as long as the caller lives: its end means that
the caller is gone, and so must be the command. What happened is written to the open file REPORT, as JSON.

It runs by itself, on the standard library alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING or __package__:
    from tinycnn.learn import sandbox_landlock, sandbox_mounts
else:  # run as a file, when the package must not be loaded
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # last, so that no file here stands for one of Python's
    import sandbox_landlock
    import sandbox_mounts

BECOME_REAPER, DIE_WITH_PARENT = 36, 1
LOOK = 0.2
"""Seconds between two looks at the memory."""
FIRST_TO_GO = b"1000"
"""When memory is short the kernel ends the command, and nothing of the caller's."""
OWN_USERS, HOW_MANY = 60000, 5000
PAGE = resource.getpagesize()


class Job(NamedTuple):
    """What the caller asks for; see ``sandbox.run``."""

    command: list[str]
    environment: dict[str, str]
    output: str
    system: list[str]
    listed: list[str]
    given: list[str]
    hidden: list[str]
    namespaces: bool
    seconds: float
    memory: int
    processor: int
    file_size: int
    written: int
    processes: int
    open_files: int


class Setting(NamedTuple):
    """Where the supervisor stands: whose the worker is, an open /proc, its own number there, where output goes."""

    user: int
    group: int
    processes: int
    own: int
    outside: int | None


def main(report: int) -> None:
    """Do the job."""
    os.set_inheritable(report, False)
    os.umask(0o022)
    try:
        job = Job(**json.loads(sys.stdin.buffer.readline()))
        _check(job)
        if job.namespaces:
            sandbox_mounts.leave_the_others(as_root=os.geteuid() == 0)
            supervisor = os.fork()
            if supervisor:
                _let_go_of_output()
                os.waitpid(supervisor, 0)
                os._exit(0)
            sandbox_landlock.control(DIE_WITH_PARENT, signal.SIGKILL)
        else:
            sandbox_landlock.control(BECOME_REAPER, 1)
        told = _supervise(job, _prepare(job), report)
    except Exception as error:  # it must be told, whatever it is
        told = {"error": str(error) or repr(error)}
    _write(report, told)
    os._exit(0)


def _check(job: Job) -> None:
    """Refuse what could not be contained."""
    version = sandbox_landlock.version()
    if platform.machine() not in sandbox_landlock.MACHINES:
        raise OSError(f"the system calls of {platform.machine()} are not known here, only those of x86-64 and aarch64")
    if version == 0:
        raise OSError("this kernel has no Landlock: it needs Linux 5.13 or later with landlock in its lsm= list")
    if not job.namespaces and os.geteuid() != 0 and version < 6:
        raise OSError(
            f"without namespaces Landlock version 6 is needed (Linux 6.12), this kernel has {version}: "
            "a submission could send signals to your other processes"
        )


def _prepare(job: Job) -> Setting:
    """The view, or without namespaces the output folder, made ready for the user who will write it."""
    processes, own = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY), int(os.readlink("/proc/self"))
    as_root = os.geteuid() == 0
    user = OWN_USERS + own % HOW_MANY if as_root else os.geteuid()
    group = user if as_root else os.getegid()
    if job.namespaces:
        view = sandbox_mounts.View(job.system, job.given, job.output, job.written, user)
        return Setting(user, group, processes, own, sandbox_mounts.enter(view, platform.machine()))
    os.chown(job.output, user, group)
    return Setting(user, group, processes, own, None)


def _supervise(job: Job, setting: Setting, report: int) -> dict[str, Any]:
    """Run the worker, and say how it ended."""
    start = time.monotonic()
    worker = os.fork()
    if worker == 0:
        _become_the_command(job, setting, report)
    try:
        _let_go_of_output()
        told = _watch(job, setting, worker, start)
        told["seconds"] = time.monotonic() - start
    finally:
        _kill_all(job, setting)
    try:
        if setting.outside is None:
            _take_back(job.output, 0)
        else:
            sandbox_mounts.hand_over(job.output, setting.outside, job.written)
    except sandbox_mounts.TooMuchError:
        told["ending"] = "files"
    return told


def _watch(job: Job, setting: Setting, worker: int, start: float) -> dict[str, Any]:
    """Wait for the worker's end, its time, its memory, or the end of the caller."""
    watched = select.poll()
    watched.register(0, select.POLLIN)
    watched.register(os.pidfd_open(worker), select.POLLIN)
    looked = 0.0
    while True:
        events = [place for place, _ in watched.poll(50)]
        for pid, status, usage in _reaped():
            if pid == worker:
                code = os.waitstatus_to_exitcode(status)
                return {"ending": _ending(code, usage.ru_utime + usage.ru_stime, job), "status": code}
        now = time.monotonic()
        if 0 in events or now - start > job.seconds:
            return {"ending": "time", "status": None}
        if now - looked > LOOK:
            looked = now
            if sum(_memory(setting.processes, pid) for pid in _below(setting)) > job.memory:
                return {"ending": "memory", "status": None}
            if setting.outside is None and _written(job.output) > job.written:
                return {"ending": "files", "status": None}


def _ending(code: int, used: float, job: Job) -> str:
    """What an exit status means; whoever ignores SIGXCPU is killed a second later, by another clock."""
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and used > 0.9 * job.processor):
        return "time"
    return "crash" if code else "done"


def _reaped() -> list[tuple[int, int, Any]]:
    """All children that have ended: the worker, and what it left behind."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while (found := os.wait4(-1, os.WNOHANG))[0]:
            ended.append(found)
    return ended


def _become_the_command(job: Job, setting: Setting, report: int) -> NoReturn:
    """Give up all rights, and run the command."""
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        with contextlib.suppress(OSError):
            os.write(os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=setting.processes), FIRST_TO_GO)
        for kind, limit in _limits(job, setting):
            highest = resource.getrlimit(kind)[1]
            last = limit + 1 if kind == resource.RLIMIT_CPU else limit
            bound = last if highest == resource.RLIM_INFINITY else min(last, highest)
            resource.setrlimit(kind, (min(limit, bound), bound))
        readable, writable = [*job.system, *job.given], [job.output, os.devnull]
        rules = sandbox_landlock.ruleset(readable, writable, job.listed, job.hidden)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(setting.group, setting.group, setting.group)
            os.setresuid(setting.user, setting.user, setting.user)
        os.chdir(job.output)
        sandbox_landlock.restrict(rules, shared_files=not job.namespaces)
        os.execve(job.command[0], job.command, job.environment)
    except OSError as error:
        _write(report, {"error": f"{job.command[0]} could not be started: {error}"})
    os._exit(127)


def _limits(job: Job, setting: Setting) -> list[tuple[int, int]]:
    """What one process may take, and how many there may be."""
    shares_its_user = not job.namespaces and os.geteuid() != 0
    others = _tasks_of(setting.user, setting.processes) if shares_its_user else 0
    return [
        (resource.RLIMIT_AS, job.memory),
        (resource.RLIMIT_CPU, job.processor),
        (resource.RLIMIT_FSIZE, job.file_size),
        (resource.RLIMIT_NOFILE, job.open_files),
        (resource.RLIMIT_NPROC, job.processes + others),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ]


def _tasks_of(user: int, processes: int) -> int:
    """Threads that a user runs already: the kernel's limit counts them all."""
    tasks = 0
    for pid in filter(str.isdigit, os.listdir(processes)):
        with contextlib.suppress(OSError):
            if os.stat(pid, dir_fd=processes).st_uid == user:
                tasks += int(_field(processes, pid, "stat", 17))
    return tasks


def _field(processes: int, pid: str | int, name: str, number: int) -> str:
    """A word of /proc/PID/stat, counted from the one after the name in brackets, or of another such file."""
    file = os.open(f"{pid}/{name}", os.O_RDONLY, dir_fd=processes)
    try:
        return os.read(file, 4096).decode(errors="replace").rpartition(") ")[2].split()[number]
    finally:
        os.close(file)


def _below(setting: Setting) -> list[int]:
    """The worker and all that it started: whatever loses its parent becomes the supervisor's child."""
    children: dict[int, list[int]] = {}
    for pid in filter(str.isdigit, os.listdir(setting.processes)):
        with contextlib.suppress(OSError):
            children.setdefault(int(_field(setting.processes, pid, "stat", 1)), []).append(int(pid))
    found, pending = [], list(children.get(setting.own, ()))
    while pending:
        found.append(pending.pop())
        pending += children.get(found[-1], ())
    return found


def _memory(processes: int, pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(_field(processes, pid, "statm", 1)) * PAGE
    return 0


def _kill_all(job: Job, setting: Setting) -> None:
    """End the worker and all that it started, and wait until they are gone."""
    if job.namespaces:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
    while tree := set(_below(setting)):
        stopped: set[int] = set()
        while new := tree - stopped:  # stopped ones fork no more, and take up the number there may be
            _send(new, signal.SIGSTOP)
            stopped |= new
            tree = set(_below(setting))
        _send(stopped, signal.SIGKILL)
        time.sleep(0.002)
        _reaped()


def _send(processes: set[int], number: int) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _written(folder: str) -> int:
    """Bytes on disk below a folder, at least a block for each entry."""
    total, pending = 0, [folder]
    while pending:
        with contextlib.suppress(OSError):
            for entry in os.scandir(pending.pop()):
                total += max(PAGE, 512 * entry.stat(follow_symlinks=False).st_blocks)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return total


def _take_back(folder: str, depth: int) -> None:
    """Make what was written the caller's own, to read and to remove; what lies too deep to be of use is removed."""
    os.chown(folder, os.geteuid(), os.getegid())
    os.chmod(folder, 0o700)
    for entry in os.scandir(folder):
        if not entry.is_dir(follow_symlinks=False):
            os.chown(entry.path, os.geteuid(), os.getegid(), follow_symlinks=False)
            os.chmod(entry.path, 0o600)
        elif depth < sandbox_mounts.DEPTH:
            _take_back(entry.path, depth + 1)
        else:
            subprocess.run(["rm", "-rf", "--", entry.path], check=False)


def _let_go_of_output() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _write(report: int, told: dict[str, Any]) -> None:
    os.write(report, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
