"""Forecasts that learn nothing, to be compared with."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def naive(target: Any, x: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns "last value" and, with `season_steps`, "a season before".

    Args:
        target: The target.
        x: Inputs of a batch, by modality.

    Returns:
        Outputs as a model's, `(batch, steps, channels, quantiles)`, whose
        quantiles are all the same.
    """
    if target.places is None or target.modality not in x:
        return {}
    series = np.asarray(x[target.modality], "float64")[..., target.places]
    last = _last(series)
    found = {"last value": np.repeat(last[:, None], target.steps, axis=1)}
    season = target.season_steps
    if season is not None and season <= series.shape[1]:
        places = series.shape[1] - season + np.arange(target.steps) % season
        before = series[:, places]
        gap = np.isnan(before)
        found["a season before"] = np.where(gap, last[:, None], before)
    size = len(target.quantiles)
    return {
        name: np.repeat(values[..., None], size, axis=-1)
        for name, values in found.items()
    }


def _last(series: np.ndarray) -> np.ndarray:
    """Returns the last value that is no gap, 0 where there is none."""
    known = np.isfinite(series)
    place = (known * np.arange(1, series.shape[1] + 1)[:, None]).max(axis=1)
    at = np.maximum(place - 1, 0)[:, None]
    found = np.take_along_axis(np.where(known, series, 0), at, axis=1)
    return found[:, 0]
