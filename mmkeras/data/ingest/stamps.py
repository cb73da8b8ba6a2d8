"""Which source files samples are read from, and how they look from outside."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mmkeras.data.files.paths import is_plain, resolve_inside
from mmkeras.data.files.reasons import BadSample
from mmkeras.spec import DataSpec

# Hexadecimal digits of a stamp: one change in 3e14 stays unseen.
DIGITS = 12


def stamp_of(root: str | Path, path: str) -> bytes:
    """Returns sizes and times of a file, or of a folder and what is in it."""
    try:
        # What is looked at is not opened: where a link leads is no matter.
        real = os.path.join(root, path) if is_plain(path) else None
        try:
            stamps = [os.stat(real or "")]
        except OSError:
            if real is None or not os.path.lexists(real):
                real = resolve_inside(root, path)[1]
            stamps = [os.stat(real)]
        if stat.S_ISDIR(stamps[0].st_mode):
            names = sorted(os.listdir(real))
            stamps += [os.stat(os.path.join(real, name)) for name in names]
    except (BadSample, OSError):
        return b"none;"
    values = [(status.st_size, status.st_mtime_ns) for status in stamps]
    return f"{values};".encode()


def stamps_of(
    spec: DataSpec, root: str | Path, rows: Iterable[Mapping[str, str]]
) -> dict[str, str]:
    """Returns a short hash of the stamp of each source file, by its path.

    Args:
        spec: The spec; its kinds know the files of a sample.
        root: Folder of the data.
        rows: Cells by column, a row each.
    """
    found = {}
    for path in source_paths(spec, rows):
        digest = hashlib.sha256(stamp_of(root, path)).hexdigest()
        found[path] = digest[:DIGITS]
    return found


def cells_of(
    spec: DataSpec, cells: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, str]]:
    """Yields what modalities are read from, a row each, of whole columns."""
    columns = sorted(
        {c for m in spec.modalities.values() for c in m.manifest_columns}
    )
    for row in zip(*(cells[column] for column in columns), strict=True):
        yield dict(zip(columns, row, strict=True))


def source_paths(
    spec: DataSpec, rows: Iterable[Mapping[str, str]]
) -> dict[str, None]:
    """Returns the source files of rows, each once, in order."""
    return dict.fromkeys(
        path
        for row in rows
        for modality in spec.modalities.values()
        for path in modality.source_files(row)
        # Some name one file in every row.
        if path.strip()
    )
