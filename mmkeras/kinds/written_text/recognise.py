"""Which labels are texts that a model could write."""

import numpy as np

from mmkeras.spec import Guess, SeenColumn, most

LONGEST = 2000


def recognise(column: SeenColumn) -> Guess | None:
    """Looks for cells of letters and blanks that are no names of classes."""
    if not column.in_text or column.numbers is not None or not column.known:
        return None
    sizes = [len(cell) for cell in column.known]
    signs = sum(len(cell) - cell.count(" ") for cell in column.known)
    letters = sum(sum(map(str.isalpha, cell)) for cell in column.known)
    spaced = np.mean([len(cell.split()) for cell in column.known])
    if spaced < 2 or 2 * letters < signs or max(sizes) > LONGEST:
        return None
    keys = {"max_characters": max(8, int(most(sizes)))}
    distinct = len(column.counts) / len(column.known)
    why = f"{spaced:.0f} words in the mean, {distinct:.0%} of the cells differ"
    # A few that come again and again are classes.
    return Guess(keys, why, 0.65 if distinct > 0.3 else 0.3)
