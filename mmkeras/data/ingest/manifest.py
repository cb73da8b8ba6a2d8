"""The manifest: a table with one sample a row."""

import warnings
from pathlib import Path

import pandas as pd

from mmkeras.arguments import nearest
from mmkeras.data.files.paths import open_inside
from mmkeras.spec import DataSpec

MAX_MANIFEST_BYTES = 4 * 2**30


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
    name = spec.data.manifest
    try:
        with open_inside(root, name, MAX_MANIFEST_BYTES) as file:
            table = _parse(file, Path(name).suffix.lower())
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        raise ValueError(
            f"`data.manifest` must be a CSV or Parquet file with a header, "
            f"inside `{root}`. Received: {name!r} ({error})"
        ) from None
    needed = columns_of(spec)
    for column in needed:
        if column not in table.columns:
            raise ValueError(
                f"`{name}` must have the column `{column}`, which the spec "
                f"names.{nearest(column, [str(c) for c in table.columns])}"
            )
    if not len(table):
        raise ValueError(f"`{name}` must have rows. Received: a header alone")
    ids = table[spec.data.id_column] if spec.data.id_column else table.index
    table = table[needed].copy()
    table["sample/id"] = [_printable(str(value)) for value in ids]
    repeated = table["sample/id"].duplicated()
    if repeated.any():
        raise ValueError(
            f"`{spec.data.id_column}` must differ in every row of `{name}`. "
            f"Received: {table['sample/id'][repeated].iloc[0]!r} twice"
        )
    return table


def columns_of(spec: DataSpec) -> list[str]:
    """Returns the manifest columns that `spec` reads, sorted."""
    columns = {spec.data.id_column, spec.split.column, spec.split.group}
    for part in (*spec.modalities.values(), *spec.targets.values()):
        columns.update(part.manifest_columns)
    return sorted(columns - {None})


def _parse(file, suffix: str) -> pd.DataFrame:
    if suffix in (".parquet", ".pq"):
        table = pd.read_parquet(file)
        return pd.DataFrame(
            {str(c): ["" if pd.isna(v) else str(v) for v in table[c]]
             for c in table.columns},
            dtype=object,
        )  # fmt: skip
    # A byte that is no UTF-8 must cost one sample, not the whole manifest;
    # pandas' own string type cannot hold its escape, so dtype is object.
    with warnings.catch_warnings():
        # A row longer than the header is a mistake, not a matter of taste.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(
            file,
            dtype=object,
            keep_default_na=False,
            index_col=False,
            encoding="utf-8-sig",
            encoding_errors="surrogateescape",
        )
    return table.fillna("")


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
