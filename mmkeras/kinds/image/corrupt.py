"""Noise on pixels."""

import numpy as np

from mmkeras.spec.modality import Corruption


def corruption(modality) -> Corruption:
    """Gaussian noise on every pixel of an image, or of all frames."""
    unit = "noise, std as a share of full scale"
    return Corruption((0.1, 0.2, 0.4), unit, noisy_pixels)


def noisy_pixels(draw, pixels, level, known):
    noise = draw.normal(0, 255 * level, pixels.shape)
    return np.clip(np.round(pixels + noise), 0, 255)
