"""Files that are either whole or absent."""

import contextlib
import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

# What files and folders begin with that are not finished.
TEMPORARY = ".tmp-"


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
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        # Until then a power cut may leave the folder without the name.
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes `data`, atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_csv(
    path: str | Path, rows: Iterable[Mapping[str, Any]], start: str = ""
) -> None:
    """Writes rows as CSV, atomically; a value that a row lacks stays empty.

    Args:
        path: The file.
        rows: Values by column; the columns are those of all rows, in order.
        start: What stands before the header, such as a byte order mark.
    """
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, start + text.getvalue())


def copy_file(source: str | Path, path: str | Path) -> None:
    """Copies a file, atomically."""
    with atomic(path) as temporary:
        shutil.copyfile(source, temporary)
