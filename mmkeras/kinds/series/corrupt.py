"""Noise of sensors."""

import numpy as np

from mmkeras.spec.modality import Corruption


def corruption(modality) -> Corruption:
    """Gaussian noise on every channel; gaps stay gaps."""
    unit = "noise, in deviations of the channel"
    return Corruption((0.25, 0.5, 1.0), unit, noisy_series)


def noisy_series(draw, series, level, known):
    deviation = np.asarray(known.get("std", np.ones(series.shape[-1])))
    return series + draw.normal(0, 1, series.shape) * level * deviation
