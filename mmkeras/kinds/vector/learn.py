"""What a table's columns hold in the training split: categories, bounds."""

import collections
import math
from collections.abc import Iterable, Mapping

import numpy as np

from mmkeras.data import is_utf8, number_of
from mmkeras.kinds.vector import Vector
from mmkeras.spec import Learned

# What occurs once teaches nothing of itself; as unknown, it teaches what that
# means.
MIN_COUNT = 2
MAX_CATEGORIES = 10_000


def learn(
    modality: Vector, cells: Mapping[str, Iterable[str]], io
) -> Learned | None:
    """Returns the known categories by column, and the bounds of numbers.

    Categories are those that occur twice or more, the most frequent first, at
    most 10,000. Bounds are two quantiles a column of numbers; NaN does not
    count, and a column without any number has none.
    """
    found = {}
    for column in modality.categorical:
        counts = collections.Counter(map(str.strip, cells[column]))
        known = [
            c for c in counts if c and counts[c] >= MIN_COUNT and is_utf8(c)
        ]
        known.sort(key=lambda c: (-counts[c], c))
        found[column] = known[:MAX_CATEGORIES]
    facts = {"categories": found} if found else {}
    if modality.outliers != "keep":
        quantiles = modality.outlier_quantiles
        facts["bounds"] = [
            _bounds(cells[column], quantiles) for column in modality.columns
        ]
    return Learned(facts) if facts else None


def _bounds(
    cells: Iterable[str], quantiles: tuple[float, float]
) -> list[float | None]:
    numbers = np.array([_number(cell) for cell in cells])
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return [None, None]
    return np.quantile(numbers, quantiles).tolist()


def _number(cell: str) -> float:
    try:
        return number_of(cell.strip() or "nan")
    # The row is refused where it is read.
    except ValueError:
        return math.nan
