"""The categories of a table's columns: those of the training split.

In a batch a category is an index: 0 where the cell is empty, 1 for one that is
not known, and from 2 on the known ones.
"""

import collections
from collections.abc import Iterable, Mapping

from mmkeras.spec import DataSpec

MISSING, UNKNOWN, FIRST = 0, 1, 2
# What occurs once teaches nothing of itself; as unknown, it teaches what that
# means.
MIN_COUNT = 2
MAX_CATEGORIES = 10_000


def find_categories(
    spec: DataSpec, cells: Mapping[str, Iterable[str]]
) -> dict[str, dict[str, list[str]]]:
    """Returns the known categories by modality and column.

    They are those that occur twice or more, the most frequent first, at most
    10,000.

    Args:
        spec: The spec.
        cells: Those of the training split alone, by column.
    """
    found = {}
    for name, modality in spec.modalities.items():
        for column in getattr(modality, "categorical", ()):
            counts = collections.Counter(map(str.strip, cells[column]))
            known = [c for c in counts if c and counts[c] >= MIN_COUNT]
            known.sort(key=lambda c: (-counts[c], c))
            found.setdefault(name, {})[column] = known[:MAX_CATEGORIES]
    return found


def category_index(known: dict[str, int], cell: str) -> int:
    """Returns the index of a cell; `known` has that of each category."""
    return known.get(cell, UNKNOWN) if cell else MISSING


def indices(categories: dict) -> dict:
    """Turns the lists of `find_categories` into tables from cell to index."""
    return {
        name: {
            column: {cell: i for i, cell in enumerate(cells, FIRST)}
            for column, cells in columns.items()
        }
        for name, columns in categories.items()
    }
