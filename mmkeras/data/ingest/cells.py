"""Cells of any type as text, which is what kinds read."""

import datetime
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.spec import DataSpec, Kind, Modality, Target

SCALARS = (int, float, str, np.generic, datetime.date, datetime.timedelta, Path)
LISTS = (list, tuple, np.ndarray)
# From suffix and bytes to the path of a file that holds them.
Keep = Callable[[str, bytes], str]


def columns_of(spec: DataSpec) -> list[str]:
    """Returns the manifest columns that `spec` reads, sorted."""
    split = spec.split
    columns = {spec.data.id_column, split.column, split.group, split.time}
    for part in (*spec.modalities.values(), *spec.targets.values()):
        columns.update(part.manifest_columns)
    return sorted(columns - {None})


def text_of(value: Any) -> str:
    """Returns a cell as text; "" where it is missing.

    Example:

    >>> text_of(None), text_of(3), text_of(["a", "b"])
    ('', '3', '["a", "b"]')
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, np.ndarray | list | tuple | set | dict):
        return json.dumps(plain(value), ensure_ascii=False)
    return "" if value is None or pd.isna(value) else str(value)


def plain(value: Any) -> Any:
    """Returns lists and arrays as lists of what JSON knows."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            # As many digits as the number has: 0.1, not 0.10000000149.
            flat = [
                float(str(number)) if np.isfinite(number) else None
                for number in value.ravel()
            ]
            value = np.array(flat, object).reshape(value.shape)
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return text_of(value)


def as_cells(
    spec: DataSpec,
    rows: pd.DataFrame,
    keep: Keep | None = None,
    classes: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, list[str]]:
    """Returns columns whose cells are text, as kinds read them.

    Args:
        spec: The spec; its kinds know how a list or an array is a cell.
        rows: Cells of any type.
        keep: Writes what is a file in memory, and returns the file's path.
        classes: By column, the names that whole numbers in it stand for.
    """
    parts = {**spec.modalities, **spec.targets}
    # A row of a table may be of as many columns as a genome has genes.
    owned = {name: {*part.manifest_columns} for name, part in parts.items()}
    columns = {}
    for column in rows.columns:
        readers = {n: p for n, p in parts.items() if column in owned[n]}
        names = (classes or {}).get(column)
        columns[column] = [
            cell
            if type(cell) is str
            else _cell(column, _meant(cell, names), readers, keep)
            for cell in rows[column]
        ]
    return columns


def _meant(value: Any, names: Sequence[str] | None) -> Any:
    """Returns the name of a class that a data set knows by its place."""
    if names is None:
        return value
    if isinstance(value, list | tuple | np.ndarray):
        return [_meant(one, names) for one in value]
    whole = isinstance(value, int | np.integer) and 0 <= value < len(names)
    return names[value] if whole else value


def _cell(
    column: str, value: Any, readers: Mapping[str, Kind], keep: Keep | None
) -> str:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, SCALARS) or value is None or value is pd.NA:
        return text_of(value)
    for name, part in readers.items():
        try:
            cell = part.cell_from(column, value, keep or _refuse)
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(
                f"`{name}` must be given as its kind '{part.kind}' reads it. "
                f"Received: {type(value).__name__} in `{column}` ({error})"
            ) from None
        if cell is not None:
            return cell
        if isinstance(part, Target) and isinstance(value, LISTS):
            return _joined(value, part)
        if isinstance(part, Modality) and part.from_file:
            if not isinstance(value, bytes):
                raise ValueError(
                    f"Kind '{part.kind}' must define `cell_from` to read what "
                    f"is in memory. Received: {type(value).__name__} in "
                    f"`{column}`, where paths were expected"
                )
    return text_of(value)


def _refuse(suffix: str, raw: bytes) -> str:
    raise ValueError("a file in memory; `mmkeras.prepare` takes those")


def _joined(values: Iterable, target: Target) -> str:
    """Returns the cell of a list of labels, which reads as the same list."""
    names = [text_of(value) for value in values]
    try:
        cell = target.join(names)
        if target.split(cell) == names:
            return cell
    except (ValueError, IndexError):
        if not names:
            return ""
    # No label, which the target refuses by name.
    return json.dumps(names, ensure_ascii=False)
