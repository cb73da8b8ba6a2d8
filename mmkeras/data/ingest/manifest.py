"""The manifest: a table with one sample a row."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.arguments import nearest
from mmkeras.data.files.paths import open_inside
from mmkeras.data.ingest.cell_rules import settle
from mmkeras.data.ingest.cells import Keep, as_cells, columns_of
from mmkeras.data.ingest.source_rows import Source, guarded
from mmkeras.data.ingest.sources import CLASS, FILE, SPLIT, open_source
from mmkeras.data.ingest.table import BLOCK_ROWS, Column, Table
from mmkeras.data.ingest.table_files import MAX_MANIFEST_BYTES, read_table_file
from mmkeras.spec import DataSpec


@dataclass(frozen=True)
class Manifest:
    """A table that was read, and how.

    Args:
        rows: The columns the spec needs and `sample/id`, text in every cell;
            an empty cell is "".
        said: What had to be found or changed to read it, in sentences.
    """

    rows: Table
    said: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """All rows in memory."""
        return self.rows.frame()


def read_manifest(spec: DataSpec, root: str | Path) -> pd.DataFrame:
    """Reads the manifest of `spec` inside `root`; every cell is text.

    Args:
        spec: The spec, which names the file and the columns it needs.
        root: Folder of the data.

    Returns:
        The columns the spec needs and `sample/id`, as strings; an empty cell
        is "".

    Raises:
        ValueError: If the file is no table, lacks a column or repeats an id.
    """
    return open_manifest(spec, root).table


def open_manifest(
    spec: DataSpec, root: str | Path, keep: Keep | None = None
) -> Manifest:
    """Reads the manifest as `read_manifest` does, and says how.

    Args:
        spec: The spec, which names the file and the columns it needs.
        root: Folder of the data.
        keep: Writes what is a file in a cell, and returns the file's path.
    """
    name = spec.data.manifest

    @contextlib.contextmanager
    def errors() -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError, pd.errors.ParserWarning) as error:
            raise ValueError(
                f"`data.manifest` must be a CSV, JSON lines or Parquet file "
                f"with named columns, inside `{root}`. Received: {name!r} "
                f"({error})"
            ) from None

    with errors():
        file = open_inside(root, name, MAX_MANIFEST_BYTES)
    with file:
        with errors():
            found = read_table_file(file, spec.data, columns_of(spec))
        said = (", ".join(found.said),) if found.said else ()
        rows = guarded(found.chunks, errors)
        return gather(
            spec, Source(name, rows, None, found.separator, said=said), keep
        )


def open_rows(
    spec: DataSpec, source: Any, root: str | Path | None, keep: Keep
) -> tuple[Manifest, str, Path]:
    """Returns the rows of what a user has, what they are called, their root.

    Args:
        spec: The spec.
        source: What `open_source` opens; None for the manifest of the spec.
        root: Folder of the data; that of the source or the spec when None.
        keep: Writes what is a file in memory, and returns the file's path.
    """
    if source is None:
        root = Path(spec.root if root is None else root)
        return open_manifest(spec, root, keep), spec.data.manifest, root
    opened = open_source(source, spec)
    root = Path(root or opened.root or spec.root)
    return gather(spec, opened, keep), opened.name, root


def gather(
    spec: DataSpec, source: Source, keep: Keep | None = None
) -> Manifest:
    """Returns rows of any origin as `prepare` takes them.

    Args:
        spec: The spec, which names the columns it needs.
        source: The rows.
        keep: Writes what is a file in memory, and returns the file's path.

    Raises:
        ValueError: If a column is missing, or an id repeated.
    """
    needed, id_column = columns_of(spec), spec.data.id_column
    table, hashes = Table(), []
    for chunk in source.chunks:
        names = _as_in_spec(spec, chunk) if source.by_name else {}
        chunk = chunk.rename(columns=names)
        for column in needed:
            if column not in chunk.columns:
                near = nearest(column, [str(c) for c in chunk.columns])
                raise ValueError(
                    f"`{source.name}` must have the column `{column}`, which "
                    f"the spec names.{near}"
                )
        classes = {names.get(c, c): n for c, n in source.classes.items()}
        cells = as_cells(spec, chunk[needed], keep, classes)
        first = len(table)
        ids = (
            [_printable(cell) for cell in cells[id_column]]
            if id_column
            else [str(row) for row in range(first, first + len(chunk))]
        )
        table.append({**cells, "sample/id": ids})
        if id_column:
            hashes.append(np.fromiter(map(hash, ids), np.int64, len(ids)))
    if not len(table):
        raise ValueError(
            f"`{source.name}` must have rows. Received: a header alone"
        )
    said = settle(spec, table, source.separator, source.arrays)
    if hashes:
        _check_ids(spec, source, table["sample/id"], np.concatenate(hashes))
    return Manifest(table, (*source.said, *said))


def _check_ids(
    spec: DataSpec, source: Source, ids: Column, hashes: np.ndarray
) -> None:
    """Raises ValueError if an id is there twice.

    Args:
        spec: The spec.
        source: Where the rows are from.
        ids: Of all rows.
        hashes: Of the ids: a set of the ids would be as large as the table.
    """
    ordered = np.sort(hashes)
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(again):
        return
    # Two ids may have one hash.
    seen: set[str] = set()
    rows = np.flatnonzero(np.isin(hashes, again))
    for first in range(0, len(rows), BLOCK_ROWS):
        for name in ids.take(rows[first : first + BLOCK_ROWS]):
            if name in seen:
                raise ValueError(
                    f"`{spec.data.id_column}` must differ in every row of "
                    f"`{source.name}`. Received: {name!r} twice"
                )
            seen.add(name)


def _as_in_spec(spec: DataSpec, rows: pd.DataFrame) -> dict[str, str]:
    """Returns new names for columns that are called as a modality or target.

    Or, in a folder of class folders, as what they are.
    """
    there = {*rows.columns}
    found = {}
    for name, part in {**spec.modalities, **spec.targets}.items():
        column = getattr(part, "column", None)
        if column and column not in there and name in there:
            found[name] = column
    missing = {*columns_of(spec)} - there - {*found.values()}
    files = [m.column for m in spec.modalities.values() if m.from_file]
    labels = [t.column for t in spec.targets.values()]
    for name, columns in (
        (FILE, files), (CLASS, labels), (SPLIT, [spec.split.column]),
    ):  # fmt: skip
        wanted = [column for column in columns if column in missing]
        if name in there and name not in found and len(wanted) == 1:
            found[name] = wanted[0]
    return found


def _printable(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()
