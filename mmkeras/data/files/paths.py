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
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from mmkeras.data.files.reasons import BadSample, Reason

MAX_FILE_BYTES = 256 * 2**20
# What the system says that has no more to give.
SPENT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
# Folders that stay open at once; a process may open some 1,000 files.
MAX_FOLDERS = 32


class Folders:
    """Folders that stay open while many files are read from them.

    A folder is opened once, name by name and through no link. A name that is
    replaced by a link afterwards leads nowhere else: what is open stays what
    it was.

    Example:

    >>> with Folders() as folders:
    ...     first = read_inside(".", "images/0.png", folders)
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, ...], int] = {}

    def __enter__(self) -> "Folders":
        return self

    def __exit__(self, *_) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def open(self, base: str, parents: tuple[str, ...]) -> int:
        """Returns the descriptor of a folder, which stays open.

        Args:
            base: A folder without a link on its way.
            parents: Names of folders, each inside the one before.
        """
        key = (base, *parents)
        if key not in self._open:
            if len(self._open) >= MAX_FOLDERS:
                os.close(self._open.pop(next(iter(self._open))))
            self._open[key] = _open_folder(base, parents)
        return self._open[key]


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


def open_inside(
    root: str | Path,
    name: str,
    max_bytes: int = MAX_FILE_BYTES,
    folders: Folders | None = None,
) -> BinaryIO:
    """Opens a regular file inside `root` for reading, and nothing else.

    Never waits: a FIFO is refused instead of opened for good.

    Args:
        root: Folder the file must stay in.
        name: Path inside `root`, relative to it or absolute.
        max_bytes: Largest size accepted, in bytes.
        folders: Those that stay open; none where left out.

    Raises:
        BadSample: With the reason, if the path is not such a file.
    """
    descriptor, _ = _open_file(root, name, max_bytes, folders)
    try:
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_inside(
    root: str | Path, name: str, folders: Folders | None = None
) -> bytes:
    """Returns the bytes of a regular file inside `root`; see `open_inside`."""
    # Without a file object: making one costs as much as reading a picture.
    descriptor, size = _open_file(root, name, MAX_FILE_BYTES, folders)
    try:
        parts, left = [], MAX_FILE_BYTES
        while part := os.read(descriptor, min(size + 1, left)):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise BadSample(
            Reason.UNREADABLE, f"{name!r}: {error.strerror}"
        ) from None
    finally:
        os.close(descriptor)
    if not parts:
        raise BadSample(Reason.EMPTY, f"{name!r}: 0 bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _open_file(
    root: str | Path, name: str, max_bytes: int, folders: Folders | None
) -> tuple[int, int]:
    """Returns descriptor and size of a regular file inside `root`."""
    descriptor = _open(root, name, folders)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadSample(Reason.NOT_A_FILE, repr(name))
        if status.st_size > max_bytes:
            raise BadSample(
                Reason.TOO_LARGE,
                f"{name!r}: {status.st_size:,} bytes, at most {max_bytes:,}",
            )
        return descriptor, status.st_size
    except BaseException:
        os.close(descriptor)
        raise


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


def _open(root: str | Path, name: str, folders: Folders | None = None) -> int:
    """Opens what `name` is, a file or a folder, inside `root`."""
    if is_plain(name):
        # Without a link on the way, as most are: to resolve one first costs
        # more than to decode a small picture.
        with contextlib.suppress(OSError):
            return _open_steps(str(root), name, folders)
    base, real = resolve_inside(root, name)
    try:
        # Whatever stayed open, this is what is there now.
        return _open_steps(base, os.path.relpath(real, base))
    except FileNotFoundError:
        raise BadSample(Reason.NOT_FOUND, repr(name)) from None
    except OSError as error:
        if error.errno in SPENT:
            # The sample is not to blame.
            raise OSError(
                f"`{name}` must be opened. Received: {error.strerror}; a "
                "higher limit, such as `ulimit -n 4096`, or fewer `workers` "
                "help"
            ) from None
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


def _open_steps(
    base: str, relative: str, folders: Folders | None = None
) -> int:
    """Opens `base/relative` folder by folder, following no link.

    A path that was resolved before has none: one seen now was put there in
    between.
    """
    *parents, name = relative.split("/")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    if folders is not None:
        return os.open(name, flags, dir_fd=folders.open(base, tuple(parents)))
    folder = _open_folder(base, parents)
    try:
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)


def _open_folder(base: str, parents: Iterable[str]) -> int:
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    for part in parents:
        try:
            inner = os.open(
                part,
                os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW,
                dir_fd=folder,
            )
        finally:
            os.close(folder)
        folder = inner
    return folder
