"""Sensor data of any format to `(steps, channels)` float32."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    known_moments,
    known_sums,
    shares,
)
from mmkeras.data.files.resampling import on_grid
from mmkeras.data.files.signals import (
    Signals,
    read_edf,
    read_mat,
    read_npy,
    read_npz,
    read_parquet,
    read_text,
    read_wfdb,
    record_files,
    seconds_of,
    times_in_order,
    unit_scale,
)
from mmkeras.kinds.series import Series
from mmkeras.kinds.series.window import fitted, start_of
from mmkeras.spec import Learned, Sample

# A rate may be raised so many times, and lowered so many times.
MAX_RAISED, MAX_LOWERED = 100, 10_000
MAX_RATE_HZ = 1_000_000
# A WFDB record is named without its suffixes.
RECORDS = (".hea", "")


def source_files(modality: Series, cells: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the file of a cell, or those of the record that it names."""
    name = cells[modality.column]
    if is_record(name):
        return record_files(name.removesuffix(".hea"))
    return (name,)


def is_record(name: str) -> bool:
    """Whether a path names a WFDB record, which is several files."""
    return Path(name).suffix.lower() in RECORDS


def open_learned(modality: Series, learned: Learned) -> list | tuple:
    """Returns the units of the training split, one a channel, or none."""
    return learned.facts.get("units") or ()


def sums(modality: Series, value: np.ndarray) -> dict:
    """Returns sums a channel over the steps that are known."""
    return known_sums(value)


def finish(modality: Series, found: dict | None) -> dict:
    """Returns `mean` and `std` a channel, in raw units, without gaps."""
    mean, variance = known_moments(found, len(modality.channels))
    return {"mean": mean, "std": [math.sqrt(v) for v in variance]}


def tell(modality: Series, notes: Mapping[str, int], samples: int) -> list[str]:
    """Returns what was changed or is missing, as sentences with shares."""
    steps = modality.shape[0]
    rows = ("stamps_averaged", "rows_without_time", "steps_filled_in")
    parts = {
        "gap_steps": (steps, "steps"),
        "missing_steps_at_the_end": (steps, "steps"),
        **dict.fromkeys(rows, (0, "rows")),
    }
    return shares(notes, samples, parts)


def read(modality: Series, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads the file of a cell as `(steps, channels)` float32, in one unit.

    In this order: the named channels; units; a time column sorted and laid on
    an even grid; resampling (soxr, high quality, around the line from the
    first value to the last); cut before `start_column` and at the end, or on
    both sides with `crop = "center"`. A gap is NaN: what the file leaves out,
    and what is missing at the end.
    """
    name = cells[modality.column]
    if not name.strip():
        raise BadSample(Reason.MISSING)
    notes: dict[str, int] = {}
    start = start_of(modality, cells)
    units = modality.units or io.learned or (None,) * len(modality.channels)
    parts, place = [], 0
    for signals in _read(modality, io, name):
        count = signals.values.shape[1]
        here = slice(place, place := place + count)
        values = _in_units(modality, signals, units[here], here, notes, name)
        parts.append(_on_steps(modality, signals, values, start, notes, name))
    values = np.concatenate(parts, axis=1)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if np.isinf(values).any():
        raise BadSample(Reason.NOT_FINITE, repr(name))
    if np.isnan(values).all():
        raise BadSample(Reason.EMPTY, f"{name!r}: no value, gaps alone")
    missing = notes.get("missing_steps_at_the_end", 0)
    gaps = int(np.isnan(values[: len(values) - missing]).any(axis=1).sum())
    if gaps:
        notes |= {"with_gaps": 1, "gap_steps": gaps}
    return Sample(values, notes)


def _in_units(
    modality: Series,
    signals: Signals,
    wanted: tuple,
    here: slice,
    notes: dict[str, int],
    name: str,
) -> np.ndarray:
    """Returns values in the wanted units, where the file states others."""
    scales = []
    stated = signals.units or (None,) * signals.values.shape[1]
    for channel, unit, other in zip(
        modality.channels[here], stated, wanted, strict=True
    ):
        scale = unit_scale(unit, other) if unit and other else 1.0
        # Nobody has said that one may be turned into the other.
        if scale is None or (scale != 1 and modality.units is None):
            raise BadSample(
                Reason.BAD_UNIT,
                f"{name!r}: {channel[:80]!r} in {unit[:20]}, not {other}",
            )
        scales.append(scale)
    if set(scales) == {1.0}:
        return signals.values
    notes["unit_changed"] = 1
    return signals.values * np.array(scales)


def _on_steps(
    modality: Series,
    signals: Signals,
    values: np.ndarray,
    start: float,
    notes: dict[str, int],
    name: str,
) -> np.ndarray:
    """Returns some channels at the wanted rate and of the wanted length."""
    found, rate = dict(signals.notes), signals.rate_hz
    if signals.times is not None:
        times, values, more = times_in_order(signals.times, values, name)
        wanted = modality.sample_rate_hz
        values, rate, filled = on_grid(times, values, name, wanted)
        found |= {**more, **filled}
        shared = found.get("stamps_averaged", 0)
        if shared > len(times) and wanted > 1.5 * rate:
            raise BadSample(
                Reason.BAD_HEADER,
                f"{name!r}: {shared:,} of {shared + len(times):,} rows share "
                "their time with another, written too coarsely for "
                f"{wanted:g} Hz; `file_rate_hz` without `time_column` says "
                "how far they are apart",
            )
    if rate is None:
        rate = modality.file_rate_hz
    if rate is None:
        raise BadSample(
            Reason.BAD_HEADER, f"{name!r} needs `file_rate_hz` in the spec"
        )
    if not (0 < rate <= MAX_RATE_HZ) or not (
        rate / MAX_LOWERED <= modality.sample_rate_hz <= rate * MAX_RAISED
    ):
        raise BadSample(
            Reason.BAD_HEADER,
            f"{name!r}: {rate:g} Hz, for {modality.sample_rate_hz:g} Hz",
        )
    if np.isinf(values).any():
        raise BadSample(Reason.NOT_FINITE, repr(name))
    if rate != modality.sample_rate_hz:
        found["resampled"] = 1
    values = fitted(modality, values, rate, start, name, found)
    # Channels that were recorded together are one sample.
    for note, count in found.items():
        notes[note] = max(notes.get(note, 0), count)
    return values


def _read(modality: Series, io: SampleIO, name: str) -> list[Signals]:
    """Returns the channels in order, together as far as they were recorded.

    What a file is called matters to WFDB alone; others are told by content.
    """
    channels, time = modality.channels, modality.time_column
    if is_record(name):
        return [read_wfdb(io, name.removesuffix(".hea"), channels)]
    raw, unit = io.bytes(name), modality.time_unit
    if raw.startswith(b"\x93NUMPY"):
        return [read_npy(raw, name, len(channels))]
    if raw.startswith((b"0       ", b"\xffBIOSEMI")):
        return read_edf(raw, name, channels)
    if raw.startswith(b"PAR1"):
        found, times = read_parquet(raw, name, channels, time, modality.decimal)
    elif raw.startswith(b"PK\3\4"):
        found, times = read_npz(raw, name, channels, modality.array, time)
    elif raw.startswith(b"MATLAB ") or name.lower().endswith(".mat"):
        found, times = read_mat(raw, name, channels, modality.array, time)
    else:
        found, times, stated = read_text(
            raw, name, channels, time, modality.separator, modality.decimal
        )
        unit = unit or stated
    if times is None:
        return [found]
    seconds = seconds_of(times, unit, modality.time_format, name)
    return [Signals(found.values, None, seconds, found.units, found.notes)]
