"""Files named by a manifest, which comes from somebody else.

A path is opened only when it stays inside the data root and is a regular file
of a bounded size.
"""

import contextlib
import errno
import itertools
import os
import stat
import unicodedata
from pathlib import Path

from mmkeras.data.files.reasons import BadSample, Reason

MAX_FILE_BYTES = 256 * 2**20


def resolve_inside(root: str | Path, name: str) -> tuple[str, str]:
    """Returns the real paths of `root` and of `name` inside it.

    Links are followed as long as they stay inside; nothing is opened. Where
    there is no such file, it is looked for under the names that other systems
    write: with backslashes, or with accents as letters of their own.

    Raises:
        BadSample: If the path leaves `root`.
    """
    if "\0" in name or "://" in name or len(name) > 4096:
        raise BadSample(Reason.PATH_INVALID, repr(name[:80]))
    base = os.path.realpath(root)
    if os.path.isabs(name):
        name = _relative(name, root, base)
    if name.startswith("\\") or name[1:2] == ":":
        raise BadSample(Reason.PATH_INVALID, f"{name!r} is not relative")
    if ".." in Path(name.replace("\\", "/")).parts:
        raise BadSample(Reason.PATH_OUTSIDE, repr(name))
    real = os.path.realpath(os.path.join(base, name))
    if not os.path.lexists(real):
        real = os.path.realpath(os.path.join(base, _as_stored(base, name)))
    if os.path.commonpath([base, real]) != base:
        raise BadSample(Reason.PATH_OUTSIDE, f"{name!r} links outside")
    return base, real


def _relative(name: str, root: str | Path, base: str) -> str:
    """Returns an absolute path as one inside the root, by either of its names.

    Raises:
        BadSample: If it is not inside.
    """
    for folder in (os.path.abspath(root), base):
        if name.startswith(folder.rstrip("/") + "/"):
            return name[len(folder.rstrip("/")) + 1 :] or "."
    detail = f"{name!r} is not relative, and not inside the data root"
    raise BadSample(Reason.PATH_INVALID, detail)


def _as_stored(base: str, name: str) -> str:
    """Returns the name under which a file exists; `name` if under none."""
    found = base
    for part in Path(name.replace("\\", "/")).parts:
        places = [
            os.path.join(found, spelling)
            for spelling in (
                part,
                unicodedata.normalize("NFC", part),
                unicodedata.normalize("NFD", part),
            )
        ]
        there = [place for place in places if os.path.lexists(place)]
        if not there:
            return name
        found = there[0]
    return os.path.relpath(found, base)


def open_inside(root: str | Path, name: str, max_bytes: int = MAX_FILE_BYTES):
    """Opens a regular file inside `root` for reading, and nothing else.

    Never waits: a FIFO is refused instead of opened for good.

    Args:
        root: Folder the file must stay in.
        name: Path inside `root`, relative to it or absolute.
        max_bytes: Largest size accepted, in bytes.

    Raises:
        BadSample: With the reason, if the path is not such a file.
    """
    descriptor = _open(root, name)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadSample(Reason.NOT_A_FILE, repr(name))
        if status.st_size > max_bytes:
            raise BadSample(
                Reason.TOO_LARGE,
                f"{name!r}: {status.st_size:,} bytes, at most {max_bytes:,}",
            )
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_inside(root: str | Path, name: str) -> bytes:
    """Returns the bytes of a regular file inside `root`."""
    with open_inside(root, name) as file:
        try:
            raw = file.read(MAX_FILE_BYTES)
        except OSError as error:
            raise BadSample(
                Reason.UNREADABLE, f"{name!r}: {error.strerror}"
            ) from None
    if not raw:
        raise BadSample(Reason.EMPTY, f"{name!r}: 0 bytes")
    return raw


def list_inside(
    root: str | Path, name: str, max_files: int
) -> list[str] | None:
    """Returns the names in a folder inside `root`, sorted; None if no folder.

    Args:
        root: Folder that it must stay in.
        name: Path relative to `root`.
        max_files: Most names accepted.

    Raises:
        BadSample: With the reason, if there is nothing at the path.
    """
    descriptor = _open(root, name)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return None
        with os.scandir(descriptor) as entries:
            names = [e.name for e in itertools.islice(entries, max_files + 1)]
    finally:
        os.close(descriptor)
    if len(names) > max_files:
        raise BadSample(
            Reason.TOO_LARGE, f"{name!r}: more than {max_files:,} files"
        )
    return sorted(names)


def _open(root: str | Path, name: str) -> int:
    """Opens what `name` is, a file or a folder, inside `root`."""
    if is_plain(name):
        # Without a link on the way, as most are: to resolve one first costs
        # more than to decode a small picture.
        with contextlib.suppress(OSError):
            return _open_steps(str(root), name)
    base, real = resolve_inside(root, name)
    try:
        return _open_steps(base, os.path.relpath(real, base))
    except FileNotFoundError:
        raise BadSample(Reason.NOT_FOUND, repr(name)) from None
    except OSError as error:
        detail = f"{name[:80]!r}: {error.strerror}"
        raise BadSample(_reason_of(error, real), detail) from None


def _reason_of(error: OSError, path: str) -> Reason:
    if error.errno == errno.ENAMETOOLONG:
        return Reason.PATH_INVALID
    # Opening a folder step by step fails in ways that differ by system.
    return Reason.UNREADABLE if os.path.isfile(path) else Reason.NOT_A_FILE


def is_plain(name: str) -> bool:
    """Whether a path is of names alone, so that only a link leads elsewhere."""
    parts = name.split("/")
    return len(name) <= 4096 and not (
        {"", ".", ".."} & {*parts}
        or "\\" in name
        or "\0" in name
        or ":" in parts[0]
    )


def _open_steps(base: str, relative: str) -> int:
    """Opens `base/relative` folder by folder, following no link.

    A path that was resolved before has none: one seen now was put there in
    between.
    """
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    *parents, name = relative.split("/") or (".",)
    try:
        for part in parents:
            inner = os.open(
                part,
                os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW,
                dir_fd=folder,
            )
            os.close(folder)
            folder = inner
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)
