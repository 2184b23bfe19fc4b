"""How much memory is free here, and a refusal of what needs more before it is tried."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tinycnn.benchmarks.conv.convolutions import Convolution
from tinycnn.wording import readable_bytes

PROCESS = 150_000_000  # bytes of a process that has loaded a backend
COPIES = 6  # of all arrays: operands, result, and the same in float64 to see the error
COLUMNS = 3  # of one image's column matrix: in float64 for the error, and in float32
CGROUPS = (  # where a limit stands, what is used, and which of that is a file's and can be given up: version 2, then 1
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)


def available(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that processes can still take without swapping, as the system says or the control group, if it is less."""
    fields = dict(line.split(":") for line in meminfo.read_text(encoding="utf-8").splitlines())
    free = 1024 * int(fields["MemAvailable"].split()[0])
    for limit, used, inactive in CGROUPS:
        with suppress(OSError, ValueError):  # no control group, or one without a limit
            left = int((cgroup / limit).read_text()) - int((cgroup / used).read_text())
            lines = (cgroup / used).with_name("memory.stat").read_text().splitlines()
            free = min(free, left + int(dict(line.split() for line in lines)[inactive]))
    return free


def require_memory(convolutions: Sequence[Convolution], sides: int) -> None:
    """Refuse convolutions that would not fit, in so many processes at once.

    Raises
    ------
    ValueError
        Naming the largest one.
    """

    def needed(found: Convolution) -> int:
        g = found.geometry
        return sides * (PROCESS + COPIES * g.least_bytes()) + COLUMNS * g.column_bytes() // g.N

    free, largest = available(), max(convolutions, key=needed)
    if needed(largest) > free:
        raise ValueError(
            f"{largest} needs about {readable_bytes(needed(largest))} to be measured, {readable_bytes(free)} are free "
            "here: fewer images need less"
        )
