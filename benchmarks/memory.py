"""How much memory is free here, and a refusal of what needs more before it is tried."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tinycnn.benchmarks.conv.convolutions import Convolution
from tinycnn.wording import readable_bytes

PROCESS = 150_000_000  # bytes of a process that has loaded a backend
COPIES = 6  # of all arrays: operands, result, and the same in float64 to see the error
CGROUP = Path("/sys/fs/cgroup")


def available(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = CGROUP) -> int:
    """Bytes that processes can still take without swapping, as the system says or the control group, if it is less."""
    fields = dict(line.split(":") for line in meminfo.read_text(encoding="utf-8").splitlines())
    free = 1024 * int(fields["MemAvailable"].split()[0])
    with suppress(OSError, ValueError):  # no control group, or one without a limit
        limit, used = (int((cgroup / f"memory.{name}").read_text()) for name in ("max", "current"))
        free = min(free, limit - used)
    return free


def require_memory(convolutions: Sequence[Convolution], backends: Sequence[str]) -> None:
    """Refuse convolutions that would not fit.

    Raises
    ------
    ValueError
        Naming the largest one.
    """

    def needed(found: Convolution) -> int:
        columns = found.geometry.column_bytes() if "numpy" in backends else 0
        return PROCESS + COPIES * found.geometry.least_bytes() + columns

    free, largest = available(), max(convolutions, key=needed)
    if needed(largest) > free:
        raise ValueError(
            f"{largest} needs about {readable_bytes(needed(largest))} to be measured, {readable_bytes(free)} are free "
            "here: fewer images (--batch) need less"
        )
