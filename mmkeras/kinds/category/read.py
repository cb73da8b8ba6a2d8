"""Reads the class of each sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.data import BadSample, Reason, check_utf8, encode_each


def encode(
    target: Any, cells: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list]:
    """Returns `(samples,)` class indices, weights, and what is wrong."""
    return encode_each(cells, lambda cell: index(target, cell), empty=0)


def index(target: Any, name: str) -> int:
    """Returns the index of a class, with blanks around its name or without.

    Raises:
        BadSample: If it is none of the spec's, or no UTF-8.
    """
    check_utf8(name, target.classes)
    if name not in target.classes:
        name = name.strip()
    if name not in target.classes:
        raise BadSample(Reason.UNKNOWN_CLASS, repr(name)[:80])
    return target.classes.index(name)
