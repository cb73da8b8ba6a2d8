"""Noise in the numbers of a table."""

import numpy as np

from mmkeras.spec.modality import Corruption


def corruption(modality) -> Corruption:
    """Gaussian noise on numbers; categories, which come last, stay."""

    def change(draw, table, level, known):
        numbers = table.shape[1] - len(modality.categorical)
        deviation = np.zeros(table.shape[1])
        deviation[:numbers] = np.sqrt(known.get("variance", np.ones(numbers)))
        return table + draw.normal(0, 1, table.shape) * level * deviation

    unit = "noise, in deviations of the column"
    return Corruption((0.25, 0.5, 1.0), unit, change)
