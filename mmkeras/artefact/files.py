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

from mmkeras.escaping import cell

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
    with atomic(path) as temporary:
        shutil.copyfile(source, temporary)
