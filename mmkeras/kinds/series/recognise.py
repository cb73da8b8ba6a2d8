"""Which columns are series of sensor data."""

import io
import math

import numpy as np

from mmkeras.data import BadSample
from mmkeras.spec import Guess, SeenColumn, most, spread

TIMES = ("t", "time", "timestamp", "sec", "second", "seconds", "zeit", "date")


def recognise(column: SeenColumn) -> Guess | None:
    """Opens some of the files: tables of numbers, headers of WFDB, .npy."""
    if not column.files:
        return None
    for look in (_tables, _headers, _arrays):
        found = look(column)
        if found is not None:
            return found
    return None


def _tables(column: SeenColumn) -> Guess | None:
    """Text tables whose columns are numbers."""
    import pandas as pd

    rates, seconds, names, time = [], [], None, None
    for raw in column.files.values():
        if b"\0" in raw[:4096]:
            return None
        try:
            table = pd.read_csv(io.BytesIO(raw), sep=None, engine="python")
        except (ValueError, pd.errors.ParserError, UnicodeDecodeError):
            return None
        numbers = [str(c) for c in table if table[c].dtype.kind in "fiu"]
        if len(table) < 8 or not numbers or table.shape[1] > 256:
            return None
        # A header of numbers is a first row, and no name.
        if all(_is_number(name) for name in numbers):
            return None
        clocks = [c for c in numbers if c.strip().casefold() in TIMES]
        time = clocks[0] if clocks else None
        channels = [name for name in numbers if name != time]
        names = _shared(names, channels)
        if time:
            steps = np.diff(table[time].to_numpy(float))
            step = float(np.median(steps))
            # Of milliseconds and the like nobody can tell by the numbers.
            if step > 0:
                rates.append(1 / step)
                seconds.append(len(table) * step)
        else:
            seconds.append(len(table))
    if not names:
        return None
    keys = {"channels": names}
    if rates:
        rate = round(most(rates, 0.5), 3)
        keys |= {
            "sample_rate_hz": rate,
            "duration_sec": math.ceil(10 * most(seconds)) / 10,
            "time_column": time,
        }
        notes = {
            "channels": "columns of numbers that all of the tables have",
            "sample_rate_hz": f"if `{time}` is in seconds; {spread(rates, 2)}",
            "duration_sec": f"95 % are no longer; {spread(seconds, 1)}",
        }
        return Guess(keys, _why(column, "tables with a time"), 0.9, notes)
    rows = f"rows of the files: {spread(seconds)}"
    return _without_rate(column, keys, "tables of numbers", rows)


def _headers(column: SeenColumn) -> Guess | None:
    """Headers of WFDB records, `record signals rate steps`."""
    rates, seconds, names = [], [], None
    for raw in column.files.values():
        lines = [
            line.split()
            for line in raw[:65536].decode("latin-1").splitlines()
            if line.strip() and not line.startswith("#")
        ]
        try:
            count, rate = int(lines[0][1]), float(lines[0][2].split("/")[0])
            steps = int(lines[0][3])
            found = [" ".join(line[8:]) for line in lines[1 : count + 1]]
        except (IndexError, ValueError):
            return None
        if not found or not all(found):
            return None
        names = _shared(names, found)
        rates.append(rate)
        seconds.append(steps / rate)
    if not names:
        return None
    keys = {
        "channels": names,
        "sample_rate_hz": most(rates, 0.5),
        "duration_sec": math.ceil(10 * most(seconds)) / 10,
    }
    notes = {
        "channels": "signals that all of the records have",
        "sample_rate_hz": f"Hz; they have {spread(rates, 1)}",
        "duration_sec": f"95 % are no longer; they last {spread(seconds, 1)}",
    }
    return Guess(keys, _why(column, "WFDB records"), 0.9, notes)


def _arrays(column: SeenColumn) -> Guess | None:
    shapes = []
    for name, raw in column.files.items():
        if not raw.startswith(b"\x93NUMPY"):
            return None
        try:
            shapes.append(np.load(io.BytesIO(raw), allow_pickle=False).shape)
        except (ValueError, EOFError, BadSample):
            return None
    if len({shape[1:] for shape in shapes}) != 1 or len(shapes[0]) != 2:
        return None
    names = [f"channel_{n}" for n in range(1, shapes[0][1] + 1)]
    rows = f"steps of the files: {spread([shape[0] for shape in shapes])}"
    return _without_rate(column, {"channels": names}, "arrays", rows)


def _shared(names: list[str] | None, found: list[str]) -> list[str]:
    """Returns the channels that all files have so far."""
    found = list(dict.fromkeys(found))
    return found if names is None else [n for n in names if n in found]


def _without_rate(column, keys, what: str, rows: str) -> Guess:
    asks = {
        "file_rate_hz": f"the files tell no rate; {rows}",
        "sample_rate_hz": "rate after resampling, in Hz",
        "duration_sec": "length, in seconds",
    }
    return Guess(keys, _why(column, what), 0.8, asks=asks)


def _why(column: SeenColumn, what: str) -> str:
    return f"{len(column.files)} files opened are {what}"


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
