"""The manifest: a table with one sample a row."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mmkeras.arguments import nearest
from mmkeras.data.files.paths import open_inside
from mmkeras.data.ingest.cells import as_cells, settle
from mmkeras.data.ingest.table_files import MAX_MANIFEST_BYTES, read_table_file
from mmkeras.spec import DataSpec


@dataclass(frozen=True)
class Manifest:
    """A table that was read, and how.

    Args:
        table: The columns the spec needs and `sample/id`, text in every cell;
            an empty cell is "".
        said: What had to be found or changed to read it, in sentences.
    """

    table: pd.DataFrame
    said: tuple[str, ...] = ()


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


def open_manifest(spec: DataSpec, root: str | Path) -> Manifest:
    """Reads the manifest as `read_manifest` does, and says how.

    Args:
        spec: The spec, which names the file and the columns it needs.
        root: Folder of the data.
    """
    name = spec.data.manifest
    try:
        with open_inside(root, name, MAX_MANIFEST_BYTES) as file:
            found = read_table_file(file, spec.data, columns_of(spec))
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        raise ValueError(
            f"`data.manifest` must be a CSV, JSON lines or Parquet file with "
            f"named columns, inside `{root}`. Received: {name!r} ({error})"
        ) from None
    read = settled(spec, found.rows, name, found.separator)
    said = [", ".join(found.said)] if found.said else []
    return Manifest(read.table, (*said, *read.said))


def settled(
    spec: DataSpec,
    rows: pd.DataFrame,
    source: str,
    separator: str | None = None,
) -> Manifest:
    """Returns rows of any origin as `prepare` takes them.

    Args:
        spec: The spec, which names the columns it needs.
        rows: Cells of any type.
        source: Where they come from, for errors.
        separator: What stood between cells, where something did.
    """
    needed = columns_of(spec)
    for column in needed:
        if column not in rows.columns:
            raise ValueError(
                f"`{source}` must have the column `{column}`, which the spec "
                f"names.{nearest(column, [str(c) for c in rows.columns])}"
            )
    if not len(rows):
        raise ValueError(f"`{source}` must have rows. Received: a header alone")
    table = as_cells(spec, rows[needed])
    id_column = spec.data.id_column
    ids = table[id_column] if id_column else range(len(table))
    ids = pd.Series([_printable(str(value)) for value in ids], dtype=object)
    said = settle(spec, table, separator)
    table["sample/id"] = ids
    repeated = table["sample/id"].duplicated()
    if repeated.any():
        raise ValueError(
            f"`{id_column}` must differ in every row of `{source}`. "
            f"Received: {table['sample/id'][repeated].iloc[0]!r} twice"
        )
    return Manifest(table, tuple(said))


def columns_of(spec: DataSpec) -> list[str]:
    """Returns the manifest columns that `spec` reads, sorted."""
    columns = {spec.data.id_column, spec.split.column, spec.split.group}
    for part in (*spec.modalities.values(), *spec.targets.values()):
        columns.update(part.manifest_columns)
    return sorted(columns - {None})


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
