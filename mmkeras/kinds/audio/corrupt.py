"""Noise in a recording."""

import numpy as np

from mmkeras.spec.modality import Corruption


def corruption(modality) -> Corruption:
    """White noise; silence, which has no power, stays silent."""
    unit = "signal-to-noise ratio, dB"
    return Corruption((20.0, 10.0, 0.0, -10.0), unit, noisy_sound)


def noisy_sound(draw, sound, level, known):
    power = np.mean(np.square(sound, dtype=float), axis=1, keepdims=True)
    deviation = np.sqrt(power) * 10 ** (-level / 20)
    return np.clip(sound + draw.normal(0, 1, sound.shape) * deviation, -1, 1)
