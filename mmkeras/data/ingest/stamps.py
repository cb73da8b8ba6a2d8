"""Which source files samples are read from, and how they look from outside."""

import hashlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmkeras.data.files.paths import is_plain, resolve_inside
from mmkeras.data.files.reasons import BadSample
from mmkeras.data.ingest.table import DIGEST, digests_of
from mmkeras.spec import DataSpec, Kind

# Hexadecimal digits of a stamp: one change in 3e14 stays unseen.
DIGITS = 12
STAMP = np.dtype(f"S{DIGITS}")
# Instead of a stamp.
UNREAD = "-" * DIGITS


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
    paths = dict.fromkeys(every_path(spec, rows))
    return {path: short_stamp(root, path) for path in paths}


def short_stamp(root: str | Path, path: str) -> str:
    """Returns a short hash of the stamp of one file."""
    return hashlib.sha256(stamp_of(root, path)).hexdigest()[:DIGITS]


def parts_read(spec: DataSpec) -> dict[str, Kind]:
    """Returns what a worker reads: modalities, and some targets."""
    targets = spec.targets.items()
    read = {name: target for name, target in targets if target.read_with_sample}
    return {**spec.modalities, **read}


def read_columns(spec: DataSpec) -> list[str]:
    """Returns the columns that samples are read from, sorted."""
    parts = parts_read(spec).values()
    return sorted({column for p in parts for column in p.manifest_columns})


def cells_of(
    spec: DataSpec, cells: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, str]]:
    """Yields what samples are read from, a row each, of whole columns."""
    columns = read_columns(spec)
    for row in zip(*(cells[column] for column in columns), strict=True):
        yield dict(zip(columns, row, strict=True))


def every_path(
    spec: DataSpec, rows: Iterable[Mapping[str, str]]
) -> Iterator[str]:
    """Yields the source files of rows, as often as they are named."""
    for row in rows:
        for part in parts_read(spec).values():
            for path in part.source_files(row):
                # Some name one file in every row.
                if path.strip():
                    yield path


def first_paths(
    spec: DataSpec, cells: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yields the source files of whole columns, each once, in order.

    They are gone through twice: a set of all paths would be larger than the
    columns.
    """
    hashes = digests_of(every_path(spec, cells_of(spec, cells)))
    paths = every_path(spec, cells_of(spec, cells)) if len(hashes) else ()
    return itertools.compress(paths, first_of(hashes))


def first_of(hashes: np.ndarray) -> np.ndarray:
    """Returns whether each hash is there for the first time."""
    found = np.zeros(len(hashes), bool)
    found[np.unique(hashes, return_index=True)[1]] = True
    return found


class StampLog:
    """Stamps of source files, collected in any order."""

    def __init__(self) -> None:
        self._paths = [np.zeros(0, DIGEST)]
        self._stamps = [np.zeros(0, STAMP)]

    def take(self, shard: dict) -> None:
        """Moves the stamps in here from what `build_shard` returned."""
        stamps = shard.pop("stamps")
        self._paths.append(digests_of(stamps))
        self._stamps.append(np.array([*stamps.values()], STAMP))

    def text(self, spec: DataSpec, cells: Mapping[str, Sequence[str]]) -> str:
        """Returns the stamp of each source file, one after the other.

        Args:
            spec: The spec.
            cells: Whole columns, which name the files: that is the order.
        """
        wanted = digests_of(every_path(spec, cells_of(spec, cells)))
        wanted = wanted[first_of(wanted)]
        known, first = np.unique(np.concatenate(self._paths), return_index=True)
        stamps = np.concatenate(self._stamps)[first]
        # A file of a row that was refused before was not looked at.
        found = np.full(len(wanted), UNREAD, STAMP)
        there = np.isin(wanted, known)
        found[there] = stamps[np.searchsorted(known, wanted[there])]
        return found.tobytes().decode()
