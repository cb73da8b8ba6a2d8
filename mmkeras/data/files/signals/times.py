"""Times of rows: from how they are written to seconds, in order."""

import numpy as np

from mmkeras.data.files.reasons import BadSample, Reason
from mmkeras.data.files.signals.units import TIMES


def seconds_of(
    values: np.ndarray, unit: str | None, form: str | None, name: str
) -> np.ndarray:
    """Returns seconds after the first row; NaN where a row has no time.

    Args:
        values: `(rows,)` numbers, datetime64 or texts.
        unit: Of numbers, such as "ms"; seconds when left out.
        form: How texts are written, as `strptime` has it; ISO 8601 when left
            out.
        name: The file, for messages.
    """
    if values.dtype.kind == "O":
        values = _parsed(values, form, name)
    if values.dtype.kind == "M":
        values = values.astype("M8[ns]")
        known = values[~np.isnat(values)]
        start = known[0] if len(known) else values[:1]
        # In whole nanoseconds first: floats cannot hold a date that finely.
        return (values - start) / np.timedelta64(1, "s")
    if values.dtype.kind in "iu":
        values = values - values[:1].astype(values.dtype)
    return values.astype(np.float64) * TIMES[unit or "s"]


def _parsed(values: np.ndarray, form: str | None, name: str) -> np.ndarray:
    import pandas as pd

    try:
        found = pd.to_datetime(
            pd.Series(values), format=form or "ISO8601", utc=True
        )
    except (ValueError, TypeError, OverflowError):
        # The message would quote the file.
        raise BadSample(
            Reason.NOT_A_NUMBER,
            f"{name!r}: times are neither numbers nor written as "
            f"{form or 'ISO 8601'}; `time_format` says how",
        ) from None
    return found.dt.tz_localize(None).to_numpy().astype("M8[ns]")


def times_in_order(
    times: np.ndarray, values: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Sorts rows by time, and averages those of one time.

    Args:
        times: `(rows,)` seconds; a row without one, NaN, is left out.
        values: `(rows, channels)`, NaN in gaps.
        name: The file, for messages.

    Returns:
        Times that increase, their values, and what was done, counted.

    Raises:
        BadSample: If there are fewer than two times.
    """
    notes, known = {}, ~np.isnan(times)
    if not known.all():
        notes["rows_without_time"] = int((~known).sum())
        times, values = times[known], values[known]
    if (np.diff(times) < 0).any():
        notes["unsorted"] = 1
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    first = np.flatnonzero(np.diff(times, prepend=-np.inf))
    if len(first) < 2 or not np.isfinite(times).all():
        raise BadSample(
            Reason.CORRUPT, f"{name!r}: fewer than two times, or infinite ones"
        )
    if len(first) < len(times):
        notes["stamps_averaged"] = len(times) - len(first)
        there = np.isfinite(values)
        sums = np.add.reduceat(np.where(there, values, 0), first, axis=0)
        counts = np.add.reduceat(there, first, axis=0, dtype=int)
        with np.errstate(invalid="ignore"):
            averaged = sums / counts
        infinite = np.add.reduceat(np.isinf(values), first, axis=0) > 0
        times, values = times[first], np.where(infinite, np.inf, averaged)
    return times, values, notes
