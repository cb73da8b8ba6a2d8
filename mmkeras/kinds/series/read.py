"""Sensor data, .npy, .csv or a WFDB record, to `(steps, channels)` float32."""

import math
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    known_moments,
    known_sums,
    read_npy_header,
    read_wfdb,
    record_files,
    resample,
)
from mmkeras.data.files.resampling import check_size, on_grid
from mmkeras.data.files.wfdb_files import MAX_HEADER_BYTES
from mmkeras.kinds.series import Series
from mmkeras.spec import Sample

MAX_COLUMNS = 4096
# A rate may be raised so many times, and lowered so many times.
MAX_RAISED, MAX_LOWERED = 100, 10_000
MAX_RATE_HZ = 1_000_000
# A WFDB record is named without its suffixes.
RECORDS = (".hea", "")
SUFFIXES = (".npy", ".csv", *RECORDS)


def source_files(modality: Series, cells: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the file of a cell, or those of the record that it names."""
    name = cells[modality.column]
    if Path(name).suffix.lower() in RECORDS:
        return record_files(name.removesuffix(".hea"))
    return (name,)


def sums(modality: Series, value: np.ndarray) -> dict:
    """Returns sums a channel over the steps that are known."""
    return known_sums(value)


def finish(modality: Series, found: dict | None) -> dict:
    """Returns `mean` and `std` a channel, in raw units, without gaps."""
    mean, variance = known_moments(found, len(modality.channels))
    return {"mean": mean, "std": [math.sqrt(v) for v in variance]}


def read(modality: Series, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads the file of a cell as `(steps, channels)` float32, raw units.

    In this order: the named channels; a time column laid on an even grid;
    resampling (soxr, high quality, around the line from the first value to
    the last); cut at the end, or on both sides with `crop = "center"`. A gap
    is NaN: what the file leaves out, and what is missing at the end.
    """
    name = cells[modality.column]
    if not name.strip():
        raise BadSample(Reason.MISSING)
    values, rate = _read(modality, io, name)
    if not (0 < rate <= MAX_RATE_HZ) or not (
        rate / MAX_LOWERED <= modality.sample_rate_hz <= rate * MAX_RAISED
    ):
        raise BadSample(
            Reason.BAD_HEADER,
            f"{name!r}: {rate:g} Hz, for {modality.sample_rate_hz:g} Hz",
        )
    if np.isinf(values).any():
        raise BadSample(Reason.NOT_FINITE, repr(name))
    values = _fit(modality, _resample(modality, values, rate, name))
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if np.isinf(values).any():
        raise BadSample(Reason.NOT_FINITE, repr(name))
    if np.isnan(values).all():
        raise BadSample(Reason.EMPTY, f"{name!r}: no value, gaps alone")
    return Sample(values)


def _resample(modality: Series, values, rate: float, name: str) -> np.ndarray:
    ratio = rate / modality.sample_rate_hz
    if modality.crop == "start":
        # 200 steps more than wanted, for the filter.
        wanted = modality.shape[0] * ratio + 200 * max(ratio, 1)
        values = values[: math.ceil(wanted)]
    check_size(len(values) / ratio * values.shape[1], name)
    return resample(values, rate, modality.sample_rate_hz)


def _fit(modality: Series, values: np.ndarray) -> np.ndarray:
    steps = modality.shape[0]
    if modality.crop == "center":
        values = values[max(0, (len(values) - steps) // 2) :]
    gap = np.full((max(0, steps - len(values)), values.shape[1]), np.nan)
    return np.concatenate([values[:steps], gap])


def _read(
    modality: Series, io: SampleIO, name: str
) -> tuple[np.ndarray, float]:
    """Returns `(steps, channels)` with NaN in gaps, and their rate in Hz."""
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise BadSample(
            Reason.WRONG_FORMAT,
            f"{name!r} must end in .csv, .npy or .hea, or name a WFDB record",
        )
    if suffix in RECORDS:
        return read_wfdb(io, name.removesuffix(".hea"), modality.channels)
    raw = io.bytes(name)
    if suffix == ".csv":
        values, times = _read_csv(modality, raw, name)
        if times is not None:
            return on_grid(times, values, name)
    else:
        values = _read_npy(raw, name, len(modality.channels))
    if modality.file_rate_hz is None:
        raise BadSample(
            Reason.BAD_HEADER, f"{name!r} needs `file_rate_hz` in the spec"
        )
    return values, modality.file_rate_hz


def _read_npy(raw: bytes, name: str, channels: int) -> np.ndarray:
    """Reads an array without trust in what its header says."""
    file = BytesIO(raw)
    try:
        shape, by_columns, dtype = read_npy_header(file)
    except (ValueError, KeyError, EOFError, SyntaxError) as error:
        kind = type(error).__name__
        raise BadSample(Reason.WRONG_FORMAT, f"{name!r}: {kind}") from None
    shape = (*shape, 1) if len(shape) == 1 else shape
    if dtype.kind not in "fiu" or len(shape) != 2 or shape[1] != channels:
        raise BadSample(
            Reason.BAD_HEADER,
            f"{name!r}: {dtype} of shape {shape}, not (steps, {channels})",
        )
    check_size(shape[0] * channels, name)
    count = shape[0] * channels
    if len(raw) - file.tell() < count * dtype.itemsize:
        raise BadSample(
            Reason.TRUNCATED,
            f"{name!r}: {len(raw) - file.tell():,} bytes of shape {shape}",
        )
    values = np.frombuffer(raw, dtype, count, file.tell())
    return values.reshape(shape, order="F" if by_columns else "C")


def _read_csv(
    modality: Series, raw: bytes, name: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the named columns, and the time column where there is one."""
    import pyarrow
    from pyarrow import csv

    head = raw[:MAX_HEADER_BYTES].partition(b"\n")[0]
    if head.count(b",") >= MAX_COLUMNS or len(head) == MAX_HEADER_BYTES:
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: too many columns")
    check_size(raw.count(b"\n") * len(modality.channels), name)
    columns = [*modality.channels]
    columns += [modality.time_column] if modality.time_column else []
    try:
        table = csv.read_csv(
            BytesIO(raw),
            csv.ReadOptions(use_threads=False),
            # An empty line of a lone column is a gap.
            csv.ParseOptions(ignore_empty_lines=b"," in head),
            csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(columns, pyarrow.float64()),
            ),
        )
    except KeyError as error:
        detail = f"{name!r}: {str(error)[:80]}"
        raise BadSample(Reason.BAD_HEADER, detail) from None
    except pyarrow.ArrowInvalid as error:
        # It may quote the file, and so whatever is in it: its words are ours.
        text = str(error)
        if "conversion error" in text:
            column = re.match(r"In CSV column #(\d+)", text)
            where = f"column {int(column[1]) + 1}" if column else "a column"
            detail = f"{name!r}: {where} holds more than numbers"
            raise BadSample(Reason.NOT_A_NUMBER, detail) from None
        row = re.search(r"Row #(\d+)", text)
        where = f" in row {row[1]}" if row else ""
        detail = f"{name!r}: no table of so many columns{where}"
        raise BadSample(Reason.CORRUPT, detail) from None
    arrays = [table[column].to_numpy() for column in columns]
    found = np.stack(arrays, axis=1).astype(np.float64)
    if modality.time_column:
        return found[:, :-1], found[:, -1]
    return found, None
