"""Series of sensor data on the device, at the model's rate."""

import csv
import functools
import io
import os
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from validation import check_gaps, open_file, read_npy, refuse

check = check_gaps
# The option of the runner that can be for such an input.
LIVE = ("window",)
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
    values = recorded(path, entry)
    if entry["crop"] == "center":
        values = values[max(0, len(values) - entry["shape"][0]) // 2 :]
    series = fit(values, entry)
    if np.isnan(series).all():
        refuse(f"`{path}`", "a series with values", "gaps alone")
    return series


def frames(path: str, entry: dict) -> int:
    """Returns the steps of a recording."""
    return len(recorded(path, entry))


def window(path: str, entry: dict, start: int) -> np.ndarray:
    """Reads from the step `start` on; a gap follows the end."""
    return fit(recorded(path, entry)[start:], entry)


def fit(values: np.ndarray, entry: dict) -> np.ndarray:
    """Returns `(steps, channels)`: the beginning, or gaps at the end."""
    series = np.full(entry["shape"], np.nan, np.float32)
    series[: len(values)] = values[: len(series)]
    return series


def recorded(path: str, entry: dict) -> np.ndarray:
    """Returns all steps of a recording, `(steps, channels)`."""
    channels = entry["shape"][1]
    if Path(path).suffix.lower() == ".csv":
        keys = "sample_rate_hz", "time_column", "time_unit"
        about = [entry.get(key) for key in keys]
        values = read_csv(path, tuple(entry["channels"]), *about, stamp(path))
    else:
        values = read_npy(path)
        values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != channels or not len(values):
        refuse(f"`{path}`", f"(steps, {channels})", list(values.shape))
    return values


def stamp(path: str) -> tuple[int, int] | None:
    """Returns what changes when a file does."""
    if not os.path.isfile(path):
        return None
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size


# A window that slides over a table asks for it again and again.
@functools.lru_cache(maxsize=1)
def read_csv(
    path: str,
    channels: tuple[str, ...],
    rate: float,
    timed: str | None,
    unit: str | None,
    stamp: tuple[int, int] | None,
) -> np.ndarray:
    """Reads the model's channels; a time column must have the model's rate.

    Numbers with points between commas: whatever else `prepare` finds out about
    a table is refused.
    """
    wanted = [*channels, *([timed] if timed else [])]
    with open_file(path, MAX_TABLE_BYTES) as file:
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        try:
            table = read_cells(path, csv.reader(text), wanted)
        except (UnicodeError, csv.Error) as error:
            refuse(f"`{path}`", "a .csv of numbers", error)
    if timed:
        steps = np.diff(table[:, -1]) * SECONDS[unit or "s"]
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
