"""Rows of a table to `(size,)` float32."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    check_utf8,
    known_moments,
    known_sums,
    number_of,
    read_npy_header,
)
from mmkeras.kinds.vector import FIRST, MISSING, UNKNOWN, Vector
from mmkeras.spec import Learned, Sample

MAX_ROW_FILE_BYTES = 64 * 2**30
NOTES = {"clip": "outliers_clipped", "mask": "outliers_masked"}
# What a list has where a number is missing.
NOTHING = {"null": "nan", "None": "nan"}


def read(modality: Vector, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads numbers, NaN where missing, then the indices of categories."""
    if modality.file:
        value = _row_of_file(modality, cells[modality.column].strip(), io)
    elif modality.column:
        value = _row_of_list(modality, cells[modality.column])
    else:
        known = io.learned.categories if io.learned else {}
        value = np.array(_row_of_cells(modality, cells, known))
    notes = {}
    if modality.outliers != "keep" and io.learned:
        value, notes = _bounded(modality, value, io.learned.bounds)
    with np.errstate(over="ignore"):
        value = value.astype(np.float32)
    if np.isinf(value).any():
        raise BadSample(Reason.NOT_FINITE)
    numbers = len(value) - len(modality.categorical)
    if np.isnan(value[:numbers]).all() and not value[numbers:].any():
        raise BadSample(Reason.MISSING)
    if (value[numbers:] == UNKNOWN).any():
        notes["unknown_categories"] = 1
    return Sample(value, notes)


def read_value(modality: Vector, value: str, io: SampleIO) -> np.ndarray:
    """Returns numbers that stand between commas."""
    try:
        found = np.array([number_of(p) for p in value.split(",")], "float32")
        if found.shape != modality.shape:
            raise ValueError(f"{len(found)} numbers")
    except ValueError as error:
        raise ValueError(
            f"`{io.name}` must be {modality.shape[0]} numbers with commas "
            f"between them. Received: {json.dumps(value[:80])} ({error})"
        ) from None
    return found


def check(modality: Vector, io: SampleIO) -> None:
    """Raises ValueError if the file of rows is none."""
    if not modality.file:
        return
    try:
        open_rows(modality, io)[0].close()
    except BadSample as error:
        raise ValueError(
            f"`modalities.{io.name}.file` must be an .npy file inside "
            f"`{io.root}`. Received: {error}"
        ) from None


def source_files(modality: Vector, cells: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the file of rows, where there is one."""
    return (modality.file,) if modality.file else ()


class Known(NamedTuple):
    """What the training split told of a table.

    Args:
        categories: The index of each known category, by column.
        bounds: Lowest and highest number a column, `(columns, 2)`, NaN where
            there is none.
    """

    categories: Mapping[str, Mapping[str, int]]
    bounds: np.ndarray


def open_learned(modality: Vector, learned: Learned) -> Known:
    """Returns what rows are read with."""
    categories = {
        column: {cell: i for i, cell in enumerate(known, FIRST)}
        for column, known in learned.facts.get("categories", {}).items()
    }
    bounds = np.array(learned.facts.get("bounds", ()), float)
    return Known(categories, bounds)


def vocabulary_of(modality: Vector, learned: Learned) -> str | None:
    """Returns the known categories, in order."""
    known = learned.facts.get("categories")
    return json.dumps(known, sort_keys=True) if known else None


def sums(modality: Vector, value: np.ndarray) -> dict:
    """Returns sums a column over the cells that are known."""
    return known_sums(value[None])


def finish(modality: Vector, found: dict | None) -> dict:
    """Returns `mean` and `variance` a column of numbers, in raw units."""
    size = modality.shape[0]
    mean, variance = known_moments(found, size)
    size -= len(modality.categorical)
    return {"mean": mean[:size], "variance": variance[:size]}


def open_rows(modality: Vector, io: SampleIO) -> tuple[Any, int, np.dtype, int]:
    """Opens the file of rows after checking its header.

    Returns:
        The open file, the offset of its first row, its dtype, its rows.

    Raises:
        ValueError: If it is not a `(rows, size)` array of plain numbers.
    """
    file = io.open(modality.file, MAX_ROW_FILE_BYTES)
    try:
        shape, by_columns, dtype = read_npy_header(file)
        start = file.tell()
        size = file.seek(0, 2) - start
        if (
            dtype.kind not in "fiu"
            or by_columns
            or len(shape) != 2
            or shape[1] != modality.size
            or size != shape[0] * shape[1] * dtype.itemsize
        ):
            raise ValueError(
                f"shape {shape}, dtype {dtype}, {size:,} bytes of data"
            )
    except (ValueError, KeyError, EOFError) as error:
        file.close()
        raise ValueError(
            f"`{modality.file}` must be an .npy file of shape (rows, "
            f"{modality.size}), numbers, in C order. Received: {error}"
        ) from None
    return file, start, dtype, shape[0]


def _bounded(
    modality: Vector, value: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, dict[str, int]]:
    """Returns a row without its outliers, and how many there were."""
    low, high = np.full((2, len(value)), np.nan)
    low[: len(bounds)], high[: len(bounds)] = bounds.T
    # No number is outside of NaN.
    below, above = value < low, value > high
    found = int((below | above).sum())
    if modality.outliers == "mask":
        value = np.where(below | above, np.nan, value)
    else:
        value = np.where(below, low, np.where(above, high, value))
    return value, {NOTES[modality.outliers]: found} if found else {}


def _row_of_file(modality: Vector, cell: str, io: SampleIO) -> np.ndarray:
    if not cell:
        raise BadSample(Reason.MISSING)
    file, start, dtype, rows = open_rows(modality, io)
    with file:
        if not cell.isdecimal() or int(cell) >= rows:
            raise BadSample(
                Reason.ROW_OUT_OF_RANGE, f"{cell[:40]!r} of {rows} rows"
            )
        size = modality.size * dtype.itemsize
        file.seek(start + int(cell) * size)
        return np.frombuffer(file.read(size), dtype)


def _row_of_list(modality: Vector, cell: str) -> np.ndarray:
    """Reads `[1, 2.5, null]`, also with blanks or semicolons between."""
    parts = re.split(r"[\s,;]+", cell.strip().strip("[]()").strip())
    if parts == [""]:
        raise BadSample(Reason.MISSING)
    if len(parts) != modality.size:
        detail = f"{len(parts)} numbers instead of {modality.size}"
        raise BadSample(Reason.WRONG_SIZE, detail)
    try:
        return np.array([number_of(NOTHING.get(p, p)) for p in parts])
    except ValueError as error:
        raise BadSample(Reason.NOT_A_NUMBER, str(error)[:80]) from None


def _row_of_cells(
    modality: Vector, cells: Mapping[str, str], known: Mapping[str, dict]
) -> list[float]:
    try:
        found = [number_of(cells[c].strip() or "nan") for c in modality.columns]
    except ValueError as error:
        raise BadSample(Reason.NOT_A_NUMBER, str(error)[:80]) from None
    for column in modality.categorical:
        cell = check_utf8(cells[column].strip(), known[column])
        index = known[column].get(cell, UNKNOWN) if cell else MISSING
        found.append(index)
    return found
