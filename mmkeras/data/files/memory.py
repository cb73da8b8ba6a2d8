"""Whether what a header promises fits into memory, before it is decoded.

What is refused as too large is so on every machine. What is not may still be
more than this one has left: Linux gives out memory that it has not, and ends
a process which uses it.
"""

import contextlib
import re
from pathlib import Path

# To look takes longer than to try.
SMALL_BYTES = 2**26
_KIBIBYTES = re.compile(r"^(MemAvailable|VmSize):\s+(\d+) kB$", re.M)


class NotEnoughMemory(MemoryError):
    """A sample would not fit into the memory that is left."""


def check_memory(needed_bytes: float, where: str) -> None:
    """Raises NotEnoughMemory unless so many bytes are free.

    Args:
        needed_bytes: What the decoded sample takes, at least.
        where: The file, for messages.
    """
    if needed_bytes < SMALL_BYTES:
        return
    free = free_bytes()
    if free is not None and needed_bytes > free:
        raise NotEnoughMemory(
            f"{where}: {needed_bytes:,.0f} bytes needed to decode it, {free:,} "
            "bytes free"
        )


def free_bytes() -> int | None:
    """Returns how many bytes this process may still take; None: unknown."""
    found = [_kibibytes("/proc/meminfo"), _left_of_limit(), _left_of_group()]
    return min((max(0, n) for n in found if n is not None), default=None)


def _kibibytes(path: str) -> int | None:
    with contextlib.suppress(OSError):
        if line := _KIBIBYTES.search(Path(path).read_text("utf-8")):
            return 1024 * int(line[2])
    return None


def _left_of_limit() -> int | None:
    """Returns what `ulimit -v` leaves."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = _kibibytes("/proc/self/status")
    if limit == resource.RLIM_INFINITY or used is None:
        return None
    return limit - used


def _left_of_group() -> int | None:
    """Returns what the limit of a container leaves."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = [
            int((folder / name).read_text("utf-8"))
            for name in ("memory.max", "memory.current")
        ]
        stat = (folder / "memory.stat").read_text("utf-8")
    except (OSError, ValueError):  # "max", or no container
        return None
    # The kernel gives back what it has of files.
    files = re.search(r"^inactive_file (\d+)$", stat, re.M)
    return limit - used + int(files[1] if files else 0)
