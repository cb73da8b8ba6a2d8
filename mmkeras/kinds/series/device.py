"""Series of sensor data on the device, at the model's rate."""

import csv
from pathlib import Path

import numpy as np
from validation import check_gaps, read_npy, refuse, size_of

check = check_gaps
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
    size_of(path)
    rate, timed = entry["sample_rate_hz"], entry["time_column"]
    wanted = [*entry["channels"], *([timed] if timed else [])]
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            names = rows.fieldnames or []
            if set(wanted) - set(names):
                refuse(f"`{path}`", f"a .csv with the columns {wanted}", names)
            cells = [[float(row[n] or "nan") for n in wanted] for row in rows]
    except (ValueError, csv.Error) as error:
        refuse(f"`{path}`", "a .csv of numbers", error)
    table = np.array(cells).reshape(-1, len(wanted))
    if timed:
        steps = np.diff(table[:, -1]) * SECONDS[entry.get("time_unit") or "s"]
        if not (np.abs(steps * rate - 1) <= 0.5).all():
            refuse(f"`{path}`", f"rows 1/{rate} s apart", np.unique(steps)[:3])
        table = table[:, :-1]
    return table


def length(series: np.ndarray) -> int:
    """Returns the steps up to the last that is no gap."""
    known = ~np.isnan(series).all(axis=-1)
    return int(np.flatnonzero(known)[-1]) + 1 if known.any() else 0
