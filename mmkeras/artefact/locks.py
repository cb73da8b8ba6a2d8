"""One writer a folder, and who that is.

The lock of the file system is the truth: it ends with its process, however
that ends, and holds between containers. What the file says is for the
message, and for file systems without locks, or shared with other machines.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmkeras import stopping
from mmkeras.artefact.json_files import parse_json

LOCK = ".mmkeras.lock"
# Where files lie that other machines may write too.
SHARED = ("nfs", "cifs", "smb", "9p", "fuse", "ceph", "lustre", "afs", "gpfs")
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
SETTLED_SEC = 0.2
MAX_NOTE_BYTES = 65_536

# By folder and name: the thread that holds it, how often, and the descriptor.
_held: dict[tuple[int, int, str], list[int]] = {}
_guard = threading.Lock()


class Held(ValueError):
    """Another process, or another thread, is writing the folder."""


def this_process() -> dict[str, Any]:
    """Returns what tells this process from all others, as JSON values."""
    return {
        "host": socket.gethostname(),
        # Containers of one machine share it, and may have the same process id.
        "boot": _read("/proc/sys/kernel/random/boot_id"),
        "namespace": _namespace(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": " ".join(sys.argv)[:1000],
    }


def is_running(process: Mapping[str, Any]) -> bool | None:
    """Returns whether a process still runs; None where nobody can tell.

    Args:
        process: What `this_process` returned there.
    """
    here = this_process()
    if process.get("boot") != here["boot"]:
        # The same machine, started again.
        return False if process.get("host") == here["host"] else None
    if process.get("namespace") != here["namespace"]:
        return None
    pid = process.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, 0)
        return _started(pid) == process.get("started")
    return _started(pid) is not None and (
        _started(pid) == process.get("started")
    )


@contextlib.contextmanager
def lock(folder: str | Path) -> Iterator[None]:
    """Holds a folder that is there, so that nobody else writes it.

    The thread that holds it may do so again.

    Raises:
        Held: A ValueError that says who is writing it.
        OSError: If there can be no lock file.
    """
    with _holding(Path(folder) / LOCK):
        yield


@contextlib.contextmanager
def lock_file(path: str | Path) -> Iterator[None]:
    """Holds a file that is going to be written; see `lock`."""
    path = Path(path)
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    with _holding(path.with_name(f"{LOCK}-{path.name}")):
        yield


@contextlib.contextmanager
def _holding(path: Path) -> Iterator[None]:
    status = os.stat(path.parent)
    key = (status.st_dev, status.st_ino, path.name)
    with contextlib.ExitStack() as stack:
        # A signal in between would leave the file behind.
        with stopping.unbroken():
            _hold(key, path)
            stack.callback(_let_go, key, path)
        yield


def _hold(key: tuple[int, int, str], path: Path) -> None:
    thread = threading.get_ident()
    with _guard:
        holder = _held.get(key)
        if holder is None:
            _held[key] = [thread, 1, _take(path)]
        elif holder[0] == thread:
            holder[1] += 1
        else:
            raise Held(_told(path, this_process()))


def _let_go(key: tuple[int, int, str], path: Path) -> None:
    with stopping.unbroken(), _guard:
        holder = _held[key]
        holder[1] -= 1
        if not holder[1]:
            del _held[key]
            # While it is held, so that nobody takes a file without name.
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(holder[2])


def _take(path: Path) -> int:
    """Returns the descriptor of the lock file, locked and written."""
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o644)
        try:
            works = _try(descriptor, path)
            if not _is_same(descriptor, path):
                # Its holder removed it in between.
                os.close(descriptor)
                continue
            known = _note(descriptor, path)
            if known is not None:
                _check_gone(path, known, works)
            _write(descriptor)
            if not works:
                # Of two that found a dead one's note, the last has it.
                time.sleep(SETTLED_SEC)
                found = _note(descriptor, path) or {}
                if not _is_me(found):
                    raise Held(_told(path, found))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _try(descriptor: int, path: Path) -> bool:
    """Locks a file; returns whether its file system can."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Held(_told(path, _note(descriptor, path) or {})) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


def _check_gone(path: Path, known: Mapping[str, Any], works: bool) -> None:
    """Raises Held unless the process that wrote the note has gone."""
    same_kernel = known.get("boot") == this_process()["boot"]
    if works and (same_kernel or not _is_shared(path)):
        return
    if is_running(known) is not False and not _is_me(known):
        raise Held(
            f"{_told(path, known)}; if it is gone, remove `{path}` yourself"
        )


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _note(descriptor: int, path: Path) -> dict[str, Any] | None:
    """Returns what the lock file says; None while it is empty."""
    raw = os.pread(descriptor, MAX_NOTE_BYTES, 0)
    if not raw:
        return None
    try:
        found = parse_json(raw, f"`{path}`")
        if isinstance(found, dict) and "pid" in found:
            return found
    except ValueError:
        pass
    raise ValueError(
        f"`{path}` must be the lock file of mmkeras. Received: a file that "
        "says something else; remove it if nobody needs it"
    )


def _write(descriptor: int) -> None:
    raw = json.dumps(this_process()).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, raw, 0)


def _told(path: Path, process: Mapping[str, Any]) -> str:
    who = "another process"
    if "pid" in process:
        who = (
            f"process {process['pid']} on {process.get('host')}, which has "
            f"held it since {process.get('since')} "
            f"({str(process.get('command'))[:200]})"
        )
    name = path.name.removeprefix(LOCK).removeprefix("-")
    return (
        f"`{path.parent / name}` must have one writer at a time. Received: "
        f"{who}; wait until it ends, or choose another one"
    )


def _is_me(process: Mapping[str, Any]) -> bool:
    here = this_process()
    keys = ("host", "boot", "namespace", "pid", "started")
    return all(process.get(key) == here[key] for key in keys)


def _is_shared(path: Path) -> bool:
    """Returns whether another machine may write where `path` is."""
    device = os.stat(path.parent).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in _read("/proc/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2:3] == [number]:
            return rest.startswith(SHARED)
    return True


def _started(pid: int) -> int | None:
    """Returns when a process was started, in ticks since the boot."""
    text = _read(f"/proc/{pid}/stat")
    # A name in brackets may hold anything, brackets too.
    fields = text.rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 else None


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
