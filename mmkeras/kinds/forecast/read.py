"""Reads the next steps of a series: from a cell, a file, or the recording."""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmkeras.data import BadSample, Reason, SampleIO
from mmkeras.data.files.signals import read_npy, read_text
from mmkeras.spec import Label, Sample

FILES = (".npy", ".csv")


def source_files(target: Any, cells: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the file that a cell names, if it does."""
    if target.column is None:
        return target._series.source_files(cells) if target._series else ()
    cell = cells[target.column].strip()
    return (cell,) if cell.lower().endswith(FILES) else ()


def read(
    target: Any,
    cells: Mapping[str, str],
    io: SampleIO,
    samples: Mapping[str, Sample],
) -> Label:
    """Returns `(steps, channels)`; what is missing has weight 0."""
    if target.column is None:
        values = _following(target, cells, io)
    else:
        cell = cells[target.column].strip()
        values = _from_cell(target, cell, io)
    if np.isinf(values).any():
        raise BadSample(Reason.NOT_FINITE, "a step that is infinite")
    steps = target.shape[0]
    if len(values) > steps:
        detail = f"{len(values)} steps instead of {steps}"
        raise BadSample(Reason.WRONG_SIZE, detail)
    value = np.full(target.shape, np.nan, np.float32)
    value[: len(values)] = values
    known = np.isfinite(value)
    missing = int((~known).any(axis=1).sum())
    notes = {"missing_steps": missing} if missing else {}
    return Label(np.where(known, value, 0), known.astype("float32"), notes)


def _following(
    target: Any, cells: Mapping[str, str], io: SampleIO
) -> np.ndarray:
    """Returns the steps after the sample in its own recording."""
    series = target._series
    if series is None:
        raise ValueError("a forecast without `column` needs its series")
    first, rate = series.shape[0], series.sample_rate_hz
    whole = series.model_copy(
        update={"duration_sec": (first + target.steps) / rate}
    )
    learned = (io.learned or {}).get(target.modality)
    found = whole.read(cells, dataclasses.replace(io, learned=learned))
    return found.value[first:, list(target.places)]


def _from_cell(target: Any, cell: str, io: SampleIO) -> np.ndarray:
    if cell.lower().endswith(FILES):
        return _from_file(target, cell, io)
    try:
        if cell.startswith("["):
            rows = json.loads(cell)
        else:
            rows = [float(part) for part in re.split(r"[|;\s]+", cell)]
        values = np.array(
            [[_number(one) for one in _row(row)] for row in rows], "float64"
        )
    except (ValueError, TypeError, RecursionError):
        raise BadSample(Reason.NOT_A_NUMBER, repr(cell)[:80]) from None
    return _of_channels(target, values)


def _row(row: Any) -> list:
    return row if isinstance(row, list) else [row]


def _number(value: Any) -> float:
    if isinstance(value, bool) or isinstance(value, str):
        raise ValueError
    return math.nan if value is None else float(value)


def _from_file(target: Any, name: str, io: SampleIO) -> np.ndarray:
    raw = io.bytes(name)
    if raw.startswith(b"\x93NUMPY"):
        found = read_npy(raw, name, len(target.channels)).values
    else:
        signals, _, _ = read_text(raw, name, target.channels, None, None, None)
        found = signals.values
    return _of_channels(target, np.asarray(found, "float64"))


def _of_channels(target: Any, values: np.ndarray) -> np.ndarray:
    """Returns `(steps, channels)`; refuses another number of channels."""
    wanted = len(target.channels)
    if not values.size or values.ndim != 2 or values.shape[1] != wanted:
        raise BadSample(
            Reason.WRONG_SIZE,
            f"{list(values.shape)} instead of [steps, {wanted}]",
        )
    return values


def sums(target: Any, label: Label) -> dict[str, Any]:
    """Returns sums a channel over the steps that are known."""
    known = label.weight > 0
    value = np.where(known, label.value, 0).astype("float64")
    return {
        "count": known.sum(axis=0).astype(float).tolist(),
        "sum": value.sum(axis=0).tolist(),
        "square": (value**2).sum(axis=0).tolist(),
    }


def finish(target: Any, found: dict[str, Any] | None) -> dict[str, Any]:
    """Returns mean and standard deviation of each channel."""
    channels = len(target.channels)
    if not found:
        return {"mean": [0.0] * channels, "std": [1.0] * channels}
    count = np.maximum(np.array(found["count"]), 1)
    mean = np.array(found["sum"]) / count
    variance = np.maximum(np.array(found["square"]) / count - mean**2, 0)
    return {"mean": mean.tolist(), "std": np.sqrt(variance).tolist()}
