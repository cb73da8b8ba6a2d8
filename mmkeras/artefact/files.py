"""Files that are either whole or absent."""

import contextlib
import csv
import errno
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmkeras.escaping import cell

# What files and folders begin with that are not finished.
TEMPORARY = ".tmp-"
# What a disk says that has no room, or lets nobody write.
FULL = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES,
    errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG,
}  # fmt: skip


class Unwritable(OSError):
    """A file could not be written; the message has its path and bytes."""

    def __init__(self, path, error, needed):
        free = 0
        with contextlib.suppress(OSError):
            free = free_bytes(path)
        super().__init__(
            f"`{path}` must be writable. Received: {error.strerror}; "
            f"{needed:,} bytes needed, {free:,} bytes available"
        )
        self.path, self.needed = path, needed
        self.reason = error.strerror


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, put in its place at the end.

    The temporary file keeps the suffixes of `path`, since Keras and NumPy
    choose the format by them. When the body raises, the temporary file is
    removed and an older `path` stays untouched.

    Example:

    >>> with atomic("labels.json") as temporary:
    ...     _ = temporary.write_text("[]")
    """
    path = Path(path)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        with told(path, temporary):
            yield temporary
            sync(temporary)
            os.replace(temporary, path)
            # Until then a power cut may leave the folder without the name.
            sync(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def told(path: Path, temporary: Path, needed: int = 0) -> Iterator[None]:
    """Puts path and bytes into what the file system says of writing.

    Args:
        path: What is written.
        temporary: What it is meanwhile; as large as the bytes that are known
            to be needed, where `needed` is not more.
        needed: Bytes.
    """
    try:
        yield
    except Unwritable:
        raise
    except OSError as error:
        if error.errno not in FULL:
            raise
        with contextlib.suppress(OSError):
            needed = max(needed, temporary.stat().st_size)
        raise Unwritable(path, error, needed) from error


def file_stamp(path: str | Path) -> list[int]:
    """Returns what shows that a file has changed: its size and its times.

    The time of the last change of an inode cannot be set by a program.
    """
    status = Path(path).stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def free_bytes(path: str | Path) -> int:
    """Returns the free bytes where `path` is, or would be."""
    path = Path(path).absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def sync(path: str | Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def make_folder(path: str | Path) -> list[Path]:
    """Makes a folder; returns those that were missing, the innermost first."""
    path, made = Path(path), []
    missing = [p for p in (path, *path.parents) if not p.exists()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            sync(folder.parent)
            made.insert(0, folder)
    if not path.is_dir():
        raise NotADirectoryError(f"`{path}` must be a folder. Received: a file")
    return made


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes `data`, atomically."""
    path = Path(path)
    with atomic(path) as temporary, told(path, temporary, len(data)):
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8, atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_csv(
    path: str | Path,
    rows: Iterable[Mapping[str, Any]],
    columns: Iterable[str] = (),
    start: str = "",
) -> None:
    """Writes rows as CSV for people, atomically.

    A value that a row lacks stays empty. No text is a formula, or moves a
    terminal's cursor: see `escaping.cell`.

    Args:
        path: The file.
        rows: Values by column.
        columns: The first columns; those of all rows follow in order.
        start: What stands before the header, such as a byte order mark.
    """
    rows = [
        {cell(name): _shown(value) for name, value in row.items()}
        for row in rows
    ]
    columns = [*map(cell, columns), *(name for row in rows for name in row)]
    columns = list(dict.fromkeys(columns))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, start + text.getvalue())


def _shown(value: Any) -> Any:
    return cell(value) if isinstance(value, str) else value


def copy_file(source: str | Path, path: str | Path) -> None:
    """Copies a file, atomically."""
    path, needed = Path(path), Path(source).stat().st_size
    with atomic(path) as temporary, told(path, temporary, needed):
        shutil.copyfile(source, temporary)
