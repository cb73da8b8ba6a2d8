"""Which labels are several classes at once."""

import collections

from mmkeras.kinds.category.recognise import MAX_CLASSES
from mmkeras.spec import Guess, SeenColumn

SEPARATORS = ("|", ";", ",")


def recognise(column: SeenColumn) -> Guess | None:
    """Looks for what parts a cell into names that come again."""
    if not column.in_text or column.numbers is not None:
        return None
    for separator in SEPARATORS:
        parted = [c for c in column.known if separator in c]
        # A comma in one cell of a hundred is a part of a name.
        if 20 * len(parted) < len(column.known) or not parted:
            continue
        names: collections.Counter = collections.Counter()
        for cell in column.known:
            names.update({p.strip() for p in cell.split(separator)} - {""})
        if not 2 <= len(names) <= MAX_CLASSES or min(names.values()) < 2:
            continue
        if len(names) > len(column.counts):
            continue
        common = ", ".join(f"{n!r} {c:,}" for n, c in names.most_common(8))
        keys = {"classes": sorted(names), "separator": separator}
        why = f"names with {separator!r} between them: {common}"
        return Guess(keys, why, 0.8)
    return None
