"""Sensor data in the report of the data."""

from typing import Any

import numpy as np

from mmkeras.spec import Fingerprint, Profile

# Channels that are looked at one by one.
MAX_CHANNELS = 16
# Steps the first channels are reduced to, and the share of equal directions.
STEPS, HASHED_CHANNELS, ALIKE = 65, 4, 0.95


def profile(modality: Any, steps: np.ndarray, learned: Any) -> Profile:
    """Returns gaps and flat channels, and the ends of each channel."""
    known = np.isfinite(steps)
    columns, flat = {}, 0
    for number, name in enumerate(modality.channels):
        values = steps[known[:, number], number]
        flat += len(values) > 1 and np.ptp(values) == 0
        if number < MAX_CHANNELS:
            least, most = (
                (float(values.min()), float(values.max()))
                if len(values)
                else (np.nan, np.nan)
            )
            columns |= {f"{name}, least": least, f"{name}, most": most}
    numbers = {
        "gap_share": float(1 - known.mean()),
        "flat_channels": float(flat),
    }
    return Profile(numbers, columns)


def fingerprint(
    modality: Any, steps: np.ndarray, learned: Any
) -> Fingerprint | None:
    """Returns in which direction each channel moves, step by longer step.

    Of the mean over equal parts of the whole length; neither gain nor offset
    changes it.
    """
    if len(steps) < STEPS:
        return None
    values = np.nan_to_num(steps[:, :HASHED_CHANNELS].astype(np.float64))
    # Nothing but rounding moves in a flat line.
    if not (np.ptp(values, axis=0) > 0).all():
        return None
    means = np.stack(
        [part.mean(axis=0) for part in np.array_split(values, STEPS)]
    )
    return Fingerprint((np.diff(means, axis=0) > 0).ravel(), ALIKE)
