"""The categories of a table's columns: those of the training split."""

import collections
from collections.abc import Iterable, Mapping

from mmkeras.data import is_utf8
from mmkeras.kinds.vector import Vector
from mmkeras.spec import Learned

# What occurs once teaches nothing of itself; as unknown, it teaches what that
# means.
MIN_COUNT = 2
MAX_CATEGORIES = 10_000


def learn(
    modality: Vector, cells: Mapping[str, Iterable[str]], io
) -> Learned | None:
    """Returns the known categories by column.

    They are those that occur twice or more, the most frequent first, at most
    10,000.
    """
    found = {}
    for column in modality.categorical:
        counts = collections.Counter(map(str.strip, cells[column]))
        known = [
            c for c in counts if c and counts[c] >= MIN_COUNT and is_utf8(c)
        ]
        known.sort(key=lambda c: (-counts[c], c))
        found[column] = known[:MAX_CATEGORIES]
    return Learned({"categories": found}) if found else None
