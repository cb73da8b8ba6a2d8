"""Reads the class of each step of each sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.data import BadSample, Reason, encode_each
from mmkeras.kinds.category.read import indexer

# Class of a step that nobody has told.
UNKNOWN = -1


def encode(
    target: Any, cells: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list]:
    """Returns `(samples, steps)` class indices, weights, and what is wrong.

    A step that the cell leaves empty has weight 0.
    """
    index = indexer(target)

    def read(cell: str) -> list[int]:
        names = [name.strip() for name in target.split(cell)]
        if target.length == "fixed" and len(names) != target.steps:
            detail = f"{len(names)} steps instead of {target.steps}"
            raise BadSample(Reason.WRONG_SIZE, detail)
        if target.crop == "center":
            names = names[max(0, len(names) - target.steps) // 2 :]
        names += [""] * (target.steps - len(names))
        return [
            index(name) if name else UNKNOWN for name in names[: target.steps]
        ]

    values, _, bad = encode_each(cells, read, empty=[UNKNOWN] * target.steps)
    return np.maximum(values, 0), (values != UNKNOWN).astype("float64"), bad
