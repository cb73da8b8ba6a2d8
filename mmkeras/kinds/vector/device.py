"""Rows of a table on the device: cells with commas between them."""

import csv
import functools
import json
from pathlib import Path

import numpy as np
from validation import check_gaps, refuse

# Keys of the manifest that name a file of the bundle.
FILES = ("categories", "bounds")

check = check_gaps


def read(value: str, entry: dict) -> np.ndarray:
    """Reads cells with commas: numbers, then the names of categories.

    Returns:
        `(size,)` of float32, NaN where a number is missing; a category is an
        index: 0 missing, 1 unknown.
    """
    option = f"`--{entry['name']}`"
    try:
        cells = [cell.strip() for cell in next(csv.reader([value]), [])]
    except csv.Error as error:
        refuse(option, "cells with commas", error)
    known = known_categories(entry)
    missing = missing_tokens(entry)
    cells = ["" if cell in missing else cell for cell in cells]
    numbers = entry["shape"][0] - len(known)
    try:
        if "_" in "".join(cells[:numbers]):
            # Python alone reads 1_0 as ten.
            raise ValueError
        row = [float(cell or "nan") for cell in cells[:numbers]]
        row = bounded(row, entry)
    except ValueError:
        refuse(option, "numbers with commas", value)
    for cell, table in zip(cells[numbers:], known):
        row.append(table.get(cell, 1) if cell else 0)
    if len(cells) != entry["shape"][0]:
        columns = [*entry.get("columns", []), *entry.get("categorical", [])]
        order = f"of {columns}, " if columns else ""
        expected = f"{order}of shape {entry['shape']}"
        refuse(option, expected, f"float32 of shape [{len(cells)}]")
    if np.isnan(row[:numbers]).all() and not any(row[numbers:]):
        what = "a row with a known cell; leave it out if there is none"
        refuse(option, what, value)
    return np.array(row, np.float32)


def bounded(row: list[float], entry: dict) -> list[float]:
    """Returns numbers without outliers, by the bounds of the training data."""
    if "bounds" not in entry:
        return row
    found = np.array(row)
    bounds = read_tables(entry["folder"] / entry["bounds"])
    # A column that had no number has no bounds: None is NaN here.
    low, high = np.array(bounds, float).T[:, : len(row)]
    below, above = found < low, found > high
    if entry["outliers"] == "mask":
        return np.where(below | above, np.nan, found).tolist()
    return np.where(below, low, np.where(above, high, found)).tolist()


def known_categories(entry: dict) -> list[dict[str, int]]:
    """Returns the index of each category, a table a column."""
    if "categories" not in entry:
        return []
    tables = read_tables(entry["folder"] / entry["categories"])
    return [{cell: i for i, cell in enumerate(tables[column], 2)}
            for column in entry["categorical"]]  # fmt: skip


def missing_tokens(entry: dict) -> list[str]:
    """Returns what means a missing cell, as in the data of training."""
    if "categories" not in entry:
        return []
    return read_tables(entry["folder"] / entry["categories"]).get("", [])


@functools.cache
def read_tables(path: Path) -> dict[str, list[str]]:
    """Returns the categories that training knew, by column.

    Under "", which no column is called, what means a missing cell.
    """
    return json.loads(path.read_text(encoding="utf-8"))
