"""Reads the number of each sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.data import BadSample, Reason, encode_each, number_of


def encode(
    target: Any, cells: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list]:
    """Returns `(samples,)` numbers, weights, and what is wrong."""
    return encode_each(cells, _number, empty=0.0)


def _number(cell: str) -> float:
    try:
        value = number_of(cell)
    except ValueError:
        raise BadSample(Reason.NOT_A_NUMBER, repr(cell)[:80]) from None
    # What float32 cannot hold is infinite in a batch.
    if not np.isfinite(np.float32(value)):
        raise BadSample(Reason.NOT_FINITE, repr(cell)[:80])
    return value
