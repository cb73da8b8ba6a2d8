"""Which labels are a class for each step."""

import collections

from mmkeras.spec import Guess, SeenColumn

SEPARATORS = ("|", ";", ",", " ")
MIN_STEPS = 4


def recognise(column: SeenColumn) -> Guess | None:
    """Looks for as many names in every cell, in an order that matters."""
    if not column.in_text or column.numbers is not None:
        return None
    for separator in SEPARATORS:
        parts = [cell.split(separator) for cell in column.known]
        sizes = {len(names) for names in parts}
        names = collections.Counter(n.strip() for row in parts for n in row)
        del names[""]
        # A name twice in a cell is a step, and not one of several classes.
        repeats = any(len({*row}) < len(row) for row in parts)
        if (
            len(sizes) == 1
            and min(sizes) >= MIN_STEPS
            and repeats
            and 2 <= len(names) <= min(sizes)
        ):
            steps = sizes.pop()
            keys = {
                "classes": sorted(names),
                "steps": steps,
                "separator": separator,
            }
            why = f"{steps} names in every cell, {len(names)} different ones"
            return Guess(keys, why, 0.9)
    return None
