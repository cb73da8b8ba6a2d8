"""Series of sensor data on the device, at the model's rate."""

import csv
import io
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from validation import check_gaps, open_file, read_npy, refuse

check = check_gaps
# A table takes up to four times as much memory.
MAX_TABLE_BYTES = 64_000_000
SECONDS = {
    "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0,
}  # fmt: skip


def read(path: str, entry: dict) -> np.ndarray:
    """Reads .npy, or .csv with the model's channels, at the model's rate.

    An empty cell or NaN is a gap; the end is cut, or padded with gaps.

    Returns:
        `(steps, channels)` of float32.
    """
    steps, channels = entry["shape"]
    if Path(path).suffix.lower() == ".csv":
        values = read_csv(path, entry)
    else:
        values = read_npy(path)
        values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != channels or not len(values):
        refuse(f"`{path}`", f"(steps, {channels})", list(values.shape))
    if entry["crop"] == "center":
        values = values[max(0, len(values) - steps) // 2 :]
    series = np.full((steps, channels), np.nan, np.float32)
    series[: len(values)] = values[:steps]
    if np.isnan(series).all():
        refuse(f"`{path}`", "a series with values", "gaps alone")
    return series


def read_csv(path: str, entry: dict) -> np.ndarray:
    """Reads the model's channels; a time column must have the model's rate.

    Numbers with points between commas: whatever else `prepare` finds out about
    a table is refused.
    """
    rate, timed = entry["sample_rate_hz"], entry["time_column"]
    wanted = [*entry["channels"], *([timed] if timed else [])]
    with open_file(path, MAX_TABLE_BYTES) as file:
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        try:
            table = read_cells(path, csv.reader(text), wanted)
        except (UnicodeError, csv.Error) as error:
            refuse(f"`{path}`", "a .csv of numbers", error)
    if timed:
        steps = np.diff(table[:, -1]) * SECONDS[entry.get("time_unit") or "s"]
        if not (np.abs(steps * rate - 1) <= 0.5).all():
            refuse(f"`{path}`", f"rows 1/{rate} s apart", np.unique(steps)[:3])
        table = table[:, :-1]
    return table


def read_cells(path: str, rows: Iterator, wanted: list[str]) -> np.ndarray:
    """Returns the wanted columns of all rows, which must be whole."""
    names = next(rows, [])
    if set(wanted) - set(names):
        refuse(f"`{path}`", f"a .csv with the columns {wanted}", names)
    if len({*names}) < len(names):
        refuse(f"`{path}`", "a .csv of columns with names", "a name twice")
    places, cells = [names.index(name) for name in wanted], array("d")
    for line, row in enumerate(rows, 2):
        if row and len(row) != len(names):
            expected = f"{len(names)} cells in row {line}"
            refuse(f"`{path}`", expected, len(row))
        # An empty line is none of the table.
        for place in places if row else ():
            cells.append(number_in(path, line, row[place]))
    return np.array(cells).reshape(-1, len(wanted))


def number_in(path: str, line: int, cell: str) -> float:
    """Returns the number in a cell; NaN in an empty one."""
    try:
        # Python alone reads 1_0 as ten, and other digits than these.
        if "_" in cell or not cell.isascii():
            raise ValueError
        return float(cell or "nan")
    except ValueError:
        what = f"a .csv of numbers, in row {line} too"
        refuse(f"`{path}`", what, repr(cell[:80]))


def length(series: np.ndarray) -> int:
    """Returns the steps up to the last that is no gap."""
    known = ~np.isnan(series).all(axis=-1)
    return int(np.flatnonzero(known)[-1]) + 1 if known.any() else 0
