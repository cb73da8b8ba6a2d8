"""Which columns are numbers and categories of a table."""

import json

from mmkeras.spec import Guess, SeenColumn, spread

# More categories than this, or fewer samples of each, teach little.
MAX_CATEGORIES, MIN_EACH = 200, 4


def recognise(column: SeenColumn) -> Guess | None:
    """Looks at numbers, lists of numbers, and texts that come again."""
    if column.are_files or not column.known:
        return None
    size = _size(column)
    if size:
        return Guess({"size": size}, f"lists of {size} numbers", 0.9)
    if not column.in_text:
        return None
    numbers, distinct = column.numbers, len(column.counts)
    if numbers is not None:
        why = f"numbers, {spread(numbers, 3)}"
        return Guess({"columns": [column.name]}, why, 0.6, merges=True)
    each = len(column.known) / distinct
    if distinct > MAX_CATEGORIES or each < MIN_EACH:
        return None
    common = ", ".join(f"{c!r} {n:,}" for c, n in column.counts.most_common(3))
    why = f"{distinct} categories: {common}"
    return Guess({"categorical": [column.name]}, why, 0.6, merges=True)


def _size(column: SeenColumn) -> int | None:
    """Returns how many numbers each cell has, where all have as many."""
    sizes = set()
    for cell in column.known[:200]:
        if not (cell.startswith("[") and cell.endswith("]")):
            return None
        try:
            found = json.loads(cell)
        except ValueError:
            found = cell.strip("[]").split()
        if not found or not all(_is_number(one) for one in found):
            return None
        sizes.add(len(found))
    return sizes.pop() if len(sizes) == 1 else None


def _is_number(value: object) -> bool:
    try:
        return value is None or float(value) is not None
    except (TypeError, ValueError):
        return False
