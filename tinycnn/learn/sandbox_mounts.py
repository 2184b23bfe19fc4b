"""A root of its own for hostile code: what it may read, read-only, one small folder to write, and nothing else.

There is no /proc in it, no /home, no /tmp, and no way back. It is made in a mount namespace, of which nobody else sees
anything, and vanishes with its last process. What is written goes to memory, of which there is only so much, and
:func:`hand_over` copies from there what is a plain file.

It runs on the standard library alone.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING or __package__:
    from tinycnn.learn.sandbox_landlock import LIBC, system_call
else:  # the launcher loads it beside itself
    from sandbox_landlock import LIBC, system_call

NEW_MOUNTS, NEW_HOST_NAME, NEW_IPC, NEW_USERS = 0x20000, 0x4000000, 0x8000000, 0x10000000
NEW_PROCESSES, NEW_NETWORK = 0x20000000, 0x40000000

READ_ONLY, NO_SETUID, NO_DEVICES, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 0x1000, 0x4000, 0x40000
DETACH = 2
MOUNT_SETATTR, PIVOT_ROOT = 442, {"x86_64": 155, "aarch64": 41}
ALL_BELOW = 0x8000
HERE = -100

ENTRIES = 4096
"""Files and folders that may be made."""
COPIED = 256 * 1024**2
"""Bytes of the caller's folders that are copied where only the caller may read them."""
DEPTH = 8
"""How many folders deep what was written is handed over."""


class TooMuchError(Exception):
    """More than the limits allow."""


class View(NamedTuple):
    """What is to be seen.

    Attributes
    ----------
    system
        Paths of Python and what it needs, shown as they are.
    given
        Paths of the caller's files and folders: shown as they are, or copied where others may not read them.
    output
        The folder that can be written.
    size
        Bytes that may be written.
    owner
        Who writes.
    """

    system: Sequence[str]
    given: Sequence[str]
    output: str
    size: int
    owner: int


def leave_the_others(as_root: bool) -> None:
    """New namespaces for mounts, network, host name, IPC and, for children, processes; without root also for users."""
    user, group = os.geteuid(), os.getegid()
    wanted = NEW_MOUNTS | NEW_HOST_NAME | NEW_IPC | NEW_PROCESSES | NEW_NETWORK | (0 if as_root else NEW_USERS)
    _checked(LIBC.unshare(wanted))
    if not as_root:
        for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(line)


def enter(view: View, machine: str) -> int:
    """Make the view the root, and return the caller's output folder as an open file: it is no longer to be seen."""
    _mount(None, "/", None, PRIVATE | RECURSIVE)
    outside = os.open(view.output, os.O_RDONLY | os.O_DIRECTORY)
    shown = dict.fromkeys([*view.system, *view.given, os.devnull])
    places = {path: os.open(path, os.O_PATH) for path in shown if os.path.exists(path)}
    root = view.output
    _mount("tmpfs", root, "tmpfs", NO_SETUID | NO_DEVICES, f"size={COPIED},mode=755")
    bound: list[str] = []
    budget = COPIED
    for path in sorted(places, key=lambda path: path.count("/")):
        if any(path.startswith(above + "/") for above in bound):
            continue
        target = root + path
        if path in view.given and not _is_open_to_all(os.path.realpath(path)):
            budget = _copy(os.path.realpath(path), target, budget)
            continue
        _make(target, is_folder=stat.S_ISDIR(os.fstat(places[path]).st_mode))
        _mount(f"/proc/self/fd/{places[path]}", target, None, BIND | RECURSIVE)
        if path != os.devnull:
            _set_attributes(target, READ_ONLY | NO_SETUID | NO_DEVICES, ALL_BELOW)
        bound.append(path)
    if not os.path.isdir(root + view.output):
        os.makedirs(root + view.output, mode=0o755)
    options = f"size={view.size},nr_inodes={ENTRIES},mode=700"
    _mount("tmpfs", root + view.output, "tmpfs", NO_SETUID | NO_DEVICES, options)
    os.chown(root + view.output, view.owner, -1)
    _set_attributes(root, READ_ONLY, 0)
    os.chdir(root)
    system_call(PIVOT_ROOT[machine], b".", b".")
    _checked(LIBC.umount2(b".", DETACH))
    os.chdir("/")
    for place in places.values():
        os.close(place)
    return outside


def _is_open_to_all(path: str) -> bool:
    """Whether an unprivileged user may read all that is there."""
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        return mode & 0o5 == 0o5 and all(_is_open_to_all(entry.path) for entry in os.scandir(path))
    return bool(mode & 0o4) or not stat.S_ISREG(mode)


def _copy(source: str, target: str, budget: int) -> int:
    """Copy plain files and folders for all to read, and return how many more bytes may be copied."""
    mode = os.lstat(source).st_mode
    if stat.S_ISDIR(mode):
        os.makedirs(target, mode=0o755, exist_ok=True)
        for name in os.listdir(source):
            budget = _copy(os.path.join(source, name), os.path.join(target, name), budget)
    elif stat.S_ISREG(mode):
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        budget -= os.path.getsize(source)
        if budget < 0:
            raise TooMuchError(f"{source}: more than {COPIED} bytes that only their owner may read")
        with open(source, "rb") as read, open(target, "wb") as written:
            while block := read.read(1 << 20):
                written.write(block)
        os.chmod(target, 0o644)
    return budget


def hand_over(source: str, target: int, budget: int) -> None:
    """Copy what was written to the caller's folder: plain files and folders, never what a link points to.

    Parameters
    ----------
    source
        The folder that was written, by processes that are all dead.
    target
        The caller's folder, an open file.
    budget
        Bytes that may be copied: files with holes are larger than what they take.
    """
    pending = [(source, target, 0)]
    while pending:
        folder, there, depth = pending.pop()
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False) and depth < DEPTH:
                os.mkdir(entry.name, 0o700, dir_fd=there)
                pending.append((entry.path, os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=there), depth + 1))
            elif entry.is_file(follow_symlinks=False):
                budget -= entry.stat(follow_symlinks=False).st_size
                if budget < 0:
                    raise TooMuchError("too much was written")
                _copy_file(entry.path, entry.name, there)
        os.close(there)


def _copy_file(path: str, name: str, folder: int) -> None:
    made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    with open(path, "rb") as read, open(made, "wb") as written:
        while block := read.read(1 << 20):
            written.write(block)


def _make(path: str, is_folder: bool) -> None:
    os.makedirs(path if is_folder else os.path.dirname(path), mode=0o755, exist_ok=True)
    if not is_folder:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = [word.encode() if word is not None else None for word in (source, target, kind)]
    _checked(LIBC.mount(*words, ctypes.c_ulong(flags), options.encode() or None), target)


def _set_attributes(path: str, attributes: int, flags: int) -> None:
    system_call(MOUNT_SETATTR, HERE, path.encode(), flags, struct.pack("=4Q", attributes, 0, 0, 0), 32)


def _checked(result: int, path: str | None = None) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
