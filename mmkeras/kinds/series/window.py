"""The stretch of a recording that is one sample, at the wanted rate."""

import math
from collections.abc import Mapping

import numpy as np

from mmkeras.data import BadSample, Reason, resample
from mmkeras.data.files.resampling import check_size
from mmkeras.kinds.series import Series

# Steps on either side that the filter is given beyond what is kept.
BESIDE = 200


def start_of(modality: Series, cells: Mapping[str, str]) -> float:
    """Returns the second at which a sample begins in its file."""
    cell = cells.get(modality.start_column or "", "").strip()
    if not cell:
        return 0.0
    try:
        start = float(cell)
    except ValueError:
        start = math.nan
    if not 0 <= start < math.inf:
        raise BadSample(
            Reason.NOT_A_NUMBER,
            f"{cell[:40]!r} in `{modality.start_column}`: seconds from 0 on",
        )
    return start


def fitted(
    modality: Series,
    values: np.ndarray,
    rate: float,
    start: float,
    name: str,
    notes: dict[str, int],
) -> np.ndarray:
    """Returns the stretch of a file that is the sample, `(steps, channels)`.

    Resampled around the stretch alone, so that a sample of a long recording
    costs no more than one of a short file.

    Args:
        modality: The modality.
        values: The whole file, at `rate`.
        rate: Steps a second.
        start: Where the sample begins, in seconds.
        name: The file, for messages.
        notes: What is changed is counted here.
    """
    wanted = modality.sample_rate_hz
    ratio = rate / wanted
    first = round(start * wanted)
    before = min(first, BESIDE)
    begin = round((first - before) * ratio)
    if begin + before * ratio >= len(values):
        raise BadSample(
            Reason.EMPTY,
            f"{name!r}: begins at {start:g} s, and ends at "
            f"{len(values) / rate:g} s",
        )
    values = values[begin:]
    if modality.crop == "start":
        steps = modality.shape[0] + before
        size = math.ceil(steps * ratio + BESIDE * max(ratio, 1))
        values = values[:size]
    check_size(len(values) / ratio * values.shape[1], name)
    return _cut(modality, resample(values, rate, wanted)[before:], notes)


def _cut(
    modality: Series, values: np.ndarray, notes: dict[str, int]
) -> np.ndarray:
    steps = modality.shape[0]
    missing = max(0, steps - len(values))
    if missing:
        notes |= {"ends_early": 1, "missing_steps_at_the_end": missing}
    elif len(values) > steps and modality.start_column is None:
        notes["cut"] = 1
    if modality.crop == "center":
        values = values[max(0, (len(values) - steps) // 2) :]
    gap = np.full((missing, values.shape[1]), np.nan)
    return np.concatenate([values[:steps], gap])
