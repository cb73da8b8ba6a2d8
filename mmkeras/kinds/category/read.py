"""Reads the class of each sample."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mmkeras.data import BadSample, Reason, check_utf8, encode_each


def encode(
    target: Any, cells: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list]:
    """Returns `(samples,)` class indices, weights, and what is wrong."""
    return encode_each(cells, indexer(target), empty=0)


def indexer(target: Any) -> Callable[[str], int]:
    """Returns a function from the name of a class to its index.

    Blanks around the name do not matter. The function raises BadSample if
    the class is none of the spec's, or no UTF-8.
    """
    # A search through a thousand classes would be the cost of a label.
    places = {name: i for i, name in enumerate(target.classes)}

    def index(name: str) -> int:
        found = places.get(name)
        if found is None:
            check_utf8(name, target.classes)
            found = places.get(name.strip())
        if found is None:
            raise BadSample(Reason.UNKNOWN_CLASS, repr(name.strip())[:80])
        return found

    return index
