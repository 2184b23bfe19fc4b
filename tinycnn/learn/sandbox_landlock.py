"""What a process gives up for good before hostile code runs in it: files by Landlock, system calls by seccomp.

Landlock bounds which files may be opened, and to do what; it does not hinder sockets of the kinds that it does not
know, nor kernel interfaces that hostile code has no business with, such as ptrace or new namespaces. Those a seccomp
filter refuses. Both hold for all children, through every exec, and cannot be taken back.

It runs on the standard library alone, in a process that has loaded nothing of this package.
"""

from __future__ import annotations

import ctypes
import os
import platform
import stat
import struct
from collections.abc import Iterator, Sequence

LIBC = ctypes.CDLL(None, use_errno=True)

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << n for n in range(6))
MAKE_DIR, MAKE_REG = 1 << 7, 1 << 8
REFER, TRUNCATE, IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
"""The rights that make sense for what is not a folder; the kernel refuses a rule with others."""
WRITE = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER
"""All but links, sockets, pipes and devices: whoever reads the folder afterwards finds plain files alone."""

HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights on files that a version of Landlock knows; those from 5 on know no more."""
TCP = 0b11
"""Bind and connect, known from version 4."""
SCOPES = 0b11
"""Abstract Unix sockets and signals, known from version 6."""

SET_NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""As the kernel names them; the numbers of system calls below are in the same order."""
REFUSED = {
    # no sockets at all, not even between two processes: a datagram socket of a pair can be sent elsewhere
    "socket": (41, 198),
    "socketpair": (53, 199),
    "bind": (49, 200),
    "connect": (42, 203),
    "io_uring_setup": (425, 425),  # it opens sockets past this filter
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    # what would be a way to new rights, or a larger part of the kernel to attack
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "fsopen": (430, 430),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "syslog": (103, 116),
    # memory that outlives the process, or that no limit counts
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
}
FOR_ITSELF = {
    # the first argument is a process: 0 for the one that calls; a process of the same user could be starved or stopped
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
}
REFUSED_ON_SHARED_FILES = {
    # Landlock does not know these, so that only a file system that is read-only would stop them
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}
CLONE, CLONE3 = (56, 220), (435, 435)
NAMESPACES = 0x7E020000
"""The flags of clone() that make namespaces."""

LOAD, EQUALS, AT_LEAST, HAS_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, MACHINE, FIRST_ARGUMENT = 0, 4, 16
"""Where the filter finds them."""
EPERM, ENOSYS = 1, 38
FOREIGN = 0x40000000
"""From here on x86 has the calls of its 32-bit pointers, by other numbers."""


def system_call(number: int, *arguments: int | bytes | None) -> int:
    """Call the kernel, and raise OSError where it refuses."""
    ctypes.set_errno(0)
    words = [ctypes.c_long(word) if isinstance(word, int) else ctypes.c_char_p(word) for word in arguments]
    result = int(LIBC.syscall(ctypes.c_long(number), *words))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def version() -> int:
    """Of the kernel's Landlock; 0 where it has none or it is switched off."""
    try:
        return system_call(CREATE_RULESET, None, 0, 1)
    except OSError:
        return 0


def ruleset(readable: Sequence[str], writable: Sequence[str], listed: Sequence[str], hidden: Sequence[str]) -> int:
    """A set of Landlock rules, as the number of an open file; what does not exist is left out.

    Parameters
    ----------
    readable
        Files and folders that may be read and executed.
    writable
        Those that may be written.
    listed
        Folders of which the names may be seen, with the names of all below.
    hidden
        Folders within the readable ones, of which at most the names in them may be seen.
    """
    known = version()
    handled = HANDLED[min(known, max(HANDLED))]
    words = [handled, TCP if known >= 4 else 0, SCOPES if known >= 6 else 0]
    fields = words[: 1 if known < 4 else 2 if known < 6 else 3]
    rules = system_call(CREATE_RULESET, struct.pack(f"={len(fields)}Q", *fields), 8 * len(fields), 0)
    for place in readable:
        for path, rights in _around(place, [os.path.realpath(folder) for folder in hidden]):
            _allow(rules, path, rights & handled)
    for places, rights in ((writable, WRITE), (listed, READ_DIR)):
        for place in places:
            _allow(rules, place, rights & handled)
    return rules


def _around(place: str, hidden: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Rules that give a folder but for what is hidden in it; Landlock can only allow, never except."""
    resolved = os.path.realpath(place)
    if resolved in hidden:
        return
    if not any(folder.startswith(resolved.rstrip("/") + "/") for folder in hidden):
        yield resolved, READ
        return
    yield resolved, READ_DIR
    for name in os.listdir(resolved):
        yield from _around(os.path.join(resolved, name), hidden)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= OF_FILES
        system_call(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def restrict(rules: int, shared_files: bool) -> None:
    """Give up new privileges, all files but those of the rules, and the refused system calls.

    Parameters
    ----------
    rules
        From :func:`ruleset`.
    shared_files
        Whether files of others can be reached whose modes a process of this user could change.
    """
    control(SET_NO_NEW_PRIVILEGES, 1)
    system_call(RESTRICT_SELF, rules, 0)
    instructions = b"".join(_filter(platform.machine(), shared_files))
    code = ctypes.create_string_buffer(instructions, len(instructions))
    program = struct.pack("@HP", len(instructions) // 8, ctypes.addressof(code))
    held = ctypes.create_string_buffer(program, len(program))
    control(SET_SECCOMP, FILTER, ctypes.addressof(held))


def control(option: int, *arguments: int) -> None:
    """Call prctl()."""
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:4]]
    if LIBC.prctl(ctypes.c_int(option), *words) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _filter(machine: str, shared_files: bool) -> Iterator[bytes]:
    """The seccomp filter: what is not refused is allowed."""

    def step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("=HBBI", code, then, otherwise, value)

    place = list(MACHINES).index(machine)
    calls = {**REFUSED, **(REFUSED_ON_SHARED_FILES if shared_files else {})}
    yield step(LOAD, MACHINE)
    yield step(EQUALS, MACHINES[machine], 1)
    yield step(RETURN, KILL)
    yield step(LOAD, NUMBER)
    if machine == "x86_64":
        yield step(AT_LEAST, FOREIGN, 0, 1)
        yield step(RETURN, ERROR | ENOSYS)
    for numbers in calls.values():
        if numbers[place] is not None:
            yield step(EQUALS, numbers[place] or 0, 0, 1)
            yield step(RETURN, ERROR | EPERM)
    for numbers in FOR_ITSELF.values():
        yield step(EQUALS, numbers[place], 0, 4)
        yield step(LOAD, FIRST_ARGUMENT)
        yield step(EQUALS, 0, 1)
        yield step(RETURN, ERROR | EPERM)
        yield step(RETURN, ALLOW)
    yield step(EQUALS, CLONE3[place], 0, 1)
    yield step(RETURN, ERROR | ENOSYS)  # its flags lie where no filter can look; the C library then uses clone()
    yield step(EQUALS, CLONE[place], 0, 3)
    yield step(LOAD, FIRST_ARGUMENT)
    yield step(HAS_BITS, NAMESPACES, 0, 1)
    yield step(RETURN, ERROR | EPERM)
    yield step(RETURN, ALLOW)
