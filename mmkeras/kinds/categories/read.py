"""Reads which classes each sample has."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.data import encode_each
from mmkeras.kinds.category.read import indexer


def encode(
    target: Any, cells: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list]:
    """Returns `(samples, classes)` of 0 and 1, weights, and what is wrong."""
    index = indexer(target)
    none = np.zeros(len(target.classes))

    def read(cell: str) -> np.ndarray:
        # Lists of as many numbers take twenty times as long.
        found = none.copy()
        for name in target.split(cell):
            found[index(name.strip())] = 1.0
        return found

    return encode_each(cells, read, empty=none)
