"""Reads the identity of each sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.data import check_utf8, encode_each


def encode(
    target: Any, cells: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list]:
    """Returns `(samples,)` numbers of identities, as they come, and weights."""
    numbers: dict[str, int] = {}

    def read(cell: str) -> int:
        return numbers.setdefault(check_utf8(cell.strip()), len(numbers))

    return encode_each(cells, read, empty=target.unlabelled)
